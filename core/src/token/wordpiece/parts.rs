//! A line, cut into words and special tokens.

use super::characters::Class;
use super::tables::WordPiece;

/// A part of a line.
pub(super) enum Part<'t> {
    /// Characters of a word, perhaps with dropped ones between them.
    Word(&'t str),
    /// A special token.
    Special(u16),
}

/// The parts of a line.
pub(super) struct Parts<'s, 't> {
    tables: &'s WordPiece<'s>,
    rest: &'t str,
}

impl<'s, 't> Parts<'s, 't> {
    pub fn new(tables: &'s WordPiece<'s>, text: &'t str) -> Self {
        Self { tables, rest: text }
    }

    /// Takes the first `bytes` bytes off.
    fn take(&mut self, bytes: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// The bytes before the first character that ends a word, and what it is, unless the line ends there.
    fn end(&self) -> (usize, Option<End>) {
        let mut rest = self.rest;
        loop {
            let at = self.rest.len().saturating_sub(rest.len());
            if let Some((len, id)) = self.tables.special(rest) {
                return (at, Some(End::Special(len, id)));
            }
            let mut characters = rest.chars();
            let Some(c) = characters.next() else { return (at, None) };
            match self.tables.class(c) {
                Class::Letter | Class::Dropped => rest = characters.as_str(),
                Class::Space => return (at, Some(End::Space(c.len_utf8()))),
                Class::Alone => return (at, Some(End::Alone(c.len_utf8()))),
            }
        }
    }
}

/// What ends a word, and its bytes.
enum End {
    Special(usize, u16),
    Space(usize),
    Alone(usize),
}

impl<'t> Iterator for Parts<'_, 't> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        loop {
            match self.end() {
                (0, None) => return None,
                (0, Some(End::Space(len))) => self.take(len)?,
                (0, Some(End::Alone(len))) => return self.take(len).map(Part::Word),
                (0, Some(End::Special(len, id))) => {
                    return self.take(len).map(|_| Part::Special(id));
                }
                (len, _) => return self.take(len).map(Part::Word),
            };
        }
    }
}

impl WordPiece<'_> {
    /// The longest special token whose text `text` begins with: its length in bytes, and its id.
    fn special(&self, text: &str) -> Option<(usize, u16)> {
        let ids = self.special.iter().map(|id| u16::from_le_bytes(*id));
        let texts = ids.filter_map(|id| Some((self.text(id)?, id)));
        let found = texts.filter(|(special, _)| text.as_bytes().starts_with(special));
        found.map(|(special, id)| (special.len(), id)).max()
    }
}
