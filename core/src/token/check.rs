//! Checks of the tables, before they are used.

use super::error::{Error, Part};
use super::tables::{Merge, Tokenizer, character, two};

impl<'a> Tokenizer<'a> {
    /// Checks everything that encoding and decoding rely on.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.check_texts()?;
        self.check_symbols()?;
        self.check_characters()?;
        self.check_lefts()?;
        self.check_merges()
    }

    /// The texts are contiguous, UTF-8 and not empty. As many texts as there are characters have one character.
    fn check_texts(&self) -> Result<(), Error> {
        let mut end = 0;
        let mut single = 0_usize;
        for (at, start) in (0..=u16::MAX).zip(self.starts) {
            let damaged = Error::Damaged(Part::Text, at);
            let start = u32::from_le_bytes(*start) as usize;
            // The first text begins at 0; the last entry is only an end.
            if at == 0 && start != 0 || at > 0 && start <= end || start > self.texts.len() {
                return Err(damaged);
            }
            end = start;
            if two(self.starts, at).is_some() {
                let mut characters = self.text(at).ok_or(damaged)?.chars();
                let one = characters.next().is_some() && characters.next().is_none();
                single = single.saturating_add(usize::from(one));
            }
        }
        if end != self.texts.len() {
            return Err(Error::Damaged(Part::Text, self.tokens_with_text()));
        }
        match single == self.characters.len() {
            true => Ok(()),
            false => Err(Error::Damaged(Part::Header, 0)),
        }
    }

    /// The symbols ascend, and begin with neither a space nor a control character.
    fn check_symbols(&self) -> Result<(), Error> {
        let mut least = " \u{10ffff}";
        for at in self.symbols..self.tokens_with_text() {
            let text = self.text(at).filter(|text| *text > least);
            least = text.ok_or(Error::Damaged(Part::Text, at))?;
        }
        Ok(())
    }

    /// The characters ascend, and each is the text of its token.
    fn check_characters(&self) -> Result<(), Error> {
        let mut least = 0;
        for (at, entry) in (0..=u16::MAX).zip(self.characters) {
            let (code, id) = character(entry);
            let text = id.checked_sub(self.reserved).and_then(|at| self.text(at));
            let same = text.is_some_and(|text| text.chars().map(u32::from).eq([code]));
            if code < least || !same {
                return Err(Error::Damaged(Part::Character, at));
            }
            least = code.saturating_add(1);
        }
        Ok(())
    }

    /// The ranges of merges of the left tokens are contiguous.
    fn check_lefts(&self) -> Result<(), Error> {
        let mut start = 0;
        for (at, entry) in (0..=u16::MAX).zip(self.lefts) {
            let next = u16::from_le_bytes(*entry);
            if next < start || at == 0 && next != 0 {
                return Err(Error::Damaged(Part::Left, at));
            }
            start = next;
        }
        match usize::from(start) == self.merges.len() {
            true => Ok(()),
            false => Err(Error::Damaged(Part::Left, self.tokens_with_text())),
        }
    }

    /// The merges of each left token ascend, have a rank, and result in the concatenation of both texts.
    fn check_merges(&self) -> Result<(), Error> {
        let mut number = 0_u16;
        for at in 0..self.tokens_with_text() {
            let left = at.saturating_add(self.reserved);
            let mut least = 0;
            for entry in self.merges_of(left).unwrap_or_default() {
                let merge = Merge::read(entry);
                if merge.right < least || !self.is_sound(at, merge) {
                    return Err(Error::Damaged(Part::Merge, number));
                }
                least = merge.right.saturating_add(1);
                number = number.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Whether the rank is below M, and the result is the concatenation of both texts.
    fn is_sound(&self, left: u16, merge: Merge) -> bool {
        let text = |id: u16| self.text(id.checked_sub(self.reserved)?);
        let halves = || Some((self.text(left)?, text(merge.right)?, text(merge.result)?));
        usize::from(merge.rank) < self.merges.len()
            && halves().is_some_and(|(left, right, result)| {
                result.strip_prefix(left).is_some_and(|after| after == right)
            })
    }

    /// K.
    pub(super) fn tokens_with_text(&self) -> u16 {
        (self.len() as u16).saturating_sub(self.reserved)
    }
}
