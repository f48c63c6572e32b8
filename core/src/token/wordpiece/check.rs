//! Checks of the tables, before they are used.

use super::super::error::{Error, Part};
use super::super::tables::SPECIAL;
use super::characters::{Change, Changed, Class, coded};
use super::tables::{WordPiece, number};

impl WordPiece<'_> {
    /// Checks everything that encoding and decoding rely on.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.len < SPECIAL {
            return Err(Error::Damaged(Part::Header, 0));
        }
        self.check_texts()?;
        self.check_order()?;
        self.check_ranges()?;
        self.check_changes()
    }

    /// The texts are contiguous, UTF-8, not empty, and not longer than the header says.
    fn check_texts(&self) -> Result<(), Error> {
        let mut end = 0;
        for (at, start) in (0..=u16::MAX).zip(self.starts) {
            let start = number(*start) as usize;
            // The first text begins at 0; the last entry is only an end.
            if at == 0 && start != 0 || at > 0 && start <= end {
                return Err(Error::Damaged(Part::Text, at));
            }
            end = start;
        }
        let sound = |text: &[u8]| {
            text.len() <= usize::from(self.longest_text) && core::str::from_utf8(text).is_ok()
        };
        match (0..self.len).find(|id| !self.text(*id).is_some_and(sound)) {
            None if end == self.text_bytes() => Ok(()),
            at => Err(Error::Damaged(Part::Text, at.unwrap_or(self.len))),
        }
    }

    /// The texts ascend, so that each token is there once, and the special tokens are in the vocabulary.
    fn check_order(&self) -> Result<(), Error> {
        let mut least: &[u8] = &[];
        for (at, id) in (0..=u16::MAX).zip(self.order) {
            let text = self.text(u16::from_le_bytes(*id)).filter(|text| *text > least);
            least = text.ok_or(Error::Damaged(Part::Order, at))?;
        }
        let outside = |id: &[u8; 2]| u16::from_le_bytes(*id) >= self.len;
        match self.special.iter().position(outside) {
            Some(at) => Err(Error::Damaged(Part::Order, short(at))),
            None => Ok(()),
        }
    }

    /// The ranges ascend from U+0000, and each has a class.
    fn check_ranges(&self) -> Result<(), Error> {
        let mut least = 0;
        for (at, range) in (0..=u16::MAX).zip(self.ranges) {
            let (first, code) = coded(*range);
            if first < least || at == 0 && first != 0 || Class::of_code(code).is_none() {
                return Err(Error::Damaged(Part::Range, at));
            }
            least = first.saturating_add(1);
        }
        Ok(())
    }

    /// The replaced ranges ascend without overlap, and no replacement has more characters than the character has bytes.
    fn check_changes(&self) -> Result<(), Error> {
        let mut least = 0;
        for (at, entry) in (0..=u16::MAX).zip(self.changes) {
            let change = Changed::read(entry);
            if change.first < least || !self.is_sound(&change) {
                return Err(Error::Damaged(Part::Change, at));
            }
            least = change.last.saturating_add(1);
        }
        match self.forms.is_empty() || self.forms.ends_with('\0') {
            true => Ok(()),
            false => Err(Error::Damaged(Part::Form, 0)),
        }
    }

    fn is_sound(&self, Changed { first, change, value, .. }: &Changed) -> bool {
        match change {
            Some(Change::Shift) => true,
            Some(Change::Form) => {
                let form = self.forms.get(*value as usize..).unwrap_or_default();
                let characters = form.chars().take_while(|c| *c != '\0').count();
                let bytes = char::from_u32(*first).map_or(0, char::len_utf8);
                (1..=bytes).contains(&characters)
            }
            Some(Change::Hangul) => *first > 0x7ff, // at most 3 letters
            None => false,
        }
    }
}

/// A position for an error: at most 65,535.
fn short(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
