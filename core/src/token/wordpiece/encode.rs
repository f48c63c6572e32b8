//! Text to tokens.

use super::super::error::Error;
use super::super::utf8;
use super::characters::Characters;
use super::parts::{Part, Parts};
use super::tables::WordPiece;
use super::walk::Walk;
use crate::config::token::UNK;

/// The tokens of a line; those that do not fit are only counted.
struct Tokens<'o> {
    out: &'o mut [u32],
    len: usize,
}

impl Tokens<'_> {
    fn push(&mut self, id: u32) {
        if let Some(slot) = self.out.get_mut(self.len) {
            *slot = id;
        }
        self.len = self.len.saturating_add(1);
    }
}

impl WordPiece<'_> {
    /// Encodes a line to tokens, without `BOS` and `EOS`, at the beginning of `out`; returns the number of tokens, 0 if
    /// nothing is left of the line.
    ///
    /// The rest of `out` may be overwritten. [`WordPiece::room`] is sufficient for every text.
    ///
    /// # Errors
    ///
    /// [`Error::Room`] with the exact size.
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, Error> {
        match self.encode_front(text, out) {
            (tokens, None) => Ok(tokens),
            (_, Some(needed)) => Err(Error::Room { needed }),
        }
    }

    /// [`WordPiece::encode`] of as much of a line as fits in `out`: its first tokens. Returns their number and, if the
    /// line did not fit, the exact size.
    pub fn encode_front(&self, text: &str, out: &mut [u32]) -> (usize, Option<usize>) {
        let room = out.len();
        let mut tokens = Tokens { out, len: 0 };
        for part in Parts::new(self, text) {
            match part {
                Part::Special(id) => tokens.push(id.into()),
                Part::Word(word) => self.push_word(word, &mut tokens),
            }
        }
        match tokens.len <= room {
            true => (tokens.len, None),
            false => (room, Some(tokens.len)),
        }
    }

    /// Appends the tokens of a word.
    fn push_word(&self, word: &str, tokens: &mut Tokens<'_>) {
        let before = tokens.len;
        if self.push_pieces(word, tokens).is_none() {
            tokens.len = before;
            tokens.push(UNK);
        }
    }

    /// Appends the longest tokens from the left. `None` if a part of the word has none, or if the word is too long.
    fn push_pieces(&self, word: &str, tokens: &mut Tokens<'_>) -> Option<()> {
        let mut rest = self.characters(word);
        if rest.clone().nth(self.longest_word.into()).is_some() {
            return None;
        }
        let mut start = Some(Walk::new(self));
        while rest.clone().next().is_some() {
            let (id, after) = longest(start?, rest)?;
            tokens.push(id.into());
            rest = after;
            start = Walk::new(self).steps(b"##");
        }
        Some(())
    }
}

/// The longest token on a walk along some characters, and those after it.
fn longest<'s, 't>(
    mut walk: Walk<'s>,
    mut characters: Characters<'s, 't>,
) -> Option<(u16, Characters<'s, 't>)> {
    let mut found = None;
    while let Some(c) = characters.next() {
        let Some(next) = walk.steps(utf8(c, &mut [0; 4])) else { break };
        walk = next;
        found = walk.token().map(|id| (id, characters.clone())).or(found);
    }
    found
}
