//! What a character of the text does, and the characters that stand for it.

use super::super::hangul;
use super::tables::{WordPiece, number};
use core::str::Chars;

/// How a character is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It is part of a word.
    Letter = 0,
    /// It vanishes.
    Dropped = 1,
    /// It separates words.
    Space = 2,
    /// It is a word.
    Alone = 3,
}

/// How the characters of a range are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By the characters from the value on, in order.
    Shift = 0,
    /// All by the form that begins at the byte that the value says: 1 to 4 characters, and a NUL.
    Form = 1,
    /// Hangul syllables, by their letters. The value is 0.
    Hangul = 2,
}

/// A range of replaced characters.
pub(super) struct Changed {
    pub first: u32,
    pub last: u32,
    pub change: Option<Change>,
    pub value: u32,
}

/// The end of a shorter [`Form`].
const END: char = '\0';

/// The characters that stand for one.
pub(super) type Form = [char; 4];

impl Class {
    pub(super) fn of_code(code: u32) -> Option<Self> {
        [Self::Letter, Self::Dropped, Self::Space, Self::Alone].get(code as usize).copied()
    }
}

impl Change {
    fn of_code(code: u32) -> Option<Self> {
        [Self::Shift, Self::Form, Self::Hangul].get(code as usize).copied()
    }
}

impl Changed {
    pub fn read(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> Self {
        let (first, code) = coded([a, b, c]);
        let last = first.saturating_add(u16::from_le_bytes([d, e]).into());
        Self { first, last, change: Change::of_code(code), value: number([f, g, h]) }
    }
}

/// A code point of 21 bits, and the 3 bits above it.
pub(super) fn coded(bytes: [u8; 3]) -> (u32, u32) {
    let number = number(bytes);
    (number & 0x1f_ffff, number >> 21)
}

impl<'a> WordPiece<'a> {
    /// How a character is cut.
    pub(super) fn class(&self, c: char) -> Class {
        let after = self.ranges.partition_point(|range| coded(*range).0 <= u32::from(c));
        let range = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        range.and_then(|range| Class::of_code(coded(*range).1)).unwrap_or(Class::Letter)
    }

    /// The characters of a word, those of its replacements.
    pub(super) fn characters<'s, 't>(&'s self, word: &'t str) -> Characters<'s, 't> {
        Characters { tables: self, word: word.chars(), form: [END; 4] }
    }

    /// The characters that stand for one of a word.
    fn form(&self, c: char) -> Form {
        match self.class(c) {
            Class::Dropped => [END; 4],
            _ => self.changed(c).unwrap_or([c, END, END, END]),
        }
    }

    /// The replacement of a character, if it has one.
    fn changed(&self, c: char) -> Option<Form> {
        let code = u32::from(c);
        let after = self.changes.partition_point(|change| Changed::read(change).first <= code);
        let Changed { first, last, change, value } =
            Changed::read(self.changes.get(after.checked_sub(1)?)?);
        if code > last {
            return None;
        }
        match change? {
            Change::Shift => {
                let c = char::from_u32(value.saturating_add(code.saturating_sub(first)))?;
                Some([c, END, END, END])
            }
            Change::Form => self.form_at(value as usize),
            Change::Hangul => letters(c),
        }
    }

    /// The form that begins at byte `at`.
    pub(super) fn form_at(&self, at: usize) -> Option<Form> {
        let mut form = [END; 4];
        let characters = self.forms.get(at..)?.chars().take_while(|c| *c != END);
        form.iter_mut().zip(characters).for_each(|(slot, c)| *slot = c);
        Some(form)
    }
}

/// The letters of a Hangul syllable.
fn letters(c: char) -> Option<Form> {
    let (first, last) = hangul::decompose(c)?;
    Some(match hangul::decompose(first) {
        Some((first, middle)) => [first, middle, last, END],
        None => [first, last, END, END],
    })
}

/// The characters of a word, those of its replacements.
#[derive(Clone)]
pub(super) struct Characters<'s, 't> {
    tables: &'s WordPiece<'s>,
    word: Chars<'t>,
    form: Form,
}

impl Iterator for Characters<'_, '_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let [first, second, third, fourth] = self.form;
            if first != END {
                self.form = [second, third, fourth, END];
                return Some(first);
            }
            self.form = self.tables.form(self.word.next()?);
        }
    }
}
