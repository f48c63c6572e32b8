//! The convention of Marian: special tokens and a code in the text.

use super::tables::{Flag, SentencePiece};
use super::trie::RUNS;
use crate::config::token::{EOS, PAD, UNK};

/// Tokens that stand in a text.
const IN_TEXT: [(&[u8], u32); 3] = [(b"<pad>", PAD), (b"</s>", EOS), (b"<unk>", UNK)];

/// A part of a line.
pub(super) enum Part<'t> {
    /// A token.
    Token(u32),
    /// Text that is encoded by itself.
    Text(&'t [u8]),
}

/// The parts of a line: the whole line, without the convention.
pub(super) struct Parts<'s> {
    tables: &'s SentencePiece<'s>,
    rest: &'s [u8],
    /// Whether a code may begin here.
    start: bool,
}

impl<'s> Parts<'s> {
    pub fn new(tables: &'s SentencePiece<'s>, line: &'s [u8]) -> Self {
        Self { tables, rest: line, start: true }
    }

    /// What follows the parts so far.
    pub fn rest(&self) -> &'s [u8] {
        self.rest
    }

    fn cut(&mut self, len: usize) -> &'s [u8] {
        let (part, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        part
    }

    /// The token of a code at the front, `>>code<<`, within the text before the next special token.
    fn code(&mut self, text: usize) -> Option<u32> {
        let front = self.rest.get(..text)?.strip_prefix(b">>")?;
        let len = front.windows(2).position(|two| two == b"<<")?.saturating_add(4);
        let code = self.cut(len);
        let trie = &self.tables.trie;
        let walk = trie.step(trie.root(), RUNS).and_then(|walk| trie.steps(walk, code));
        let piece = walk.and_then(|walk| trie.piece(walk));
        let token = piece.and_then(|piece| self.tables.scored(piece));
        Some(token.map_or(UNK, |token| u32::from(token.id)))
    }
}

impl<'s> Iterator for Parts<'s> {
    type Item = Part<'s>;

    fn next(&mut self) -> Option<Part<'s>> {
        if self.rest.is_empty() {
            return None;
        }
        if !self.tables.has(Flag::Marian) {
            let len = self.rest.len();
            return Some(Part::Text(self.cut(len)));
        }
        if let Some((text, token)) = special(self.rest) {
            self.cut(text.len());
            self.start = true;
            return Some(Part::Token(token));
        }
        let starts = |at: &usize| self.rest.get(*at..).is_some_and(|rest| special(rest).is_some());
        let len = (0..self.rest.len()).find(starts).unwrap_or(self.rest.len());
        let code = core::mem::take(&mut self.start).then(|| self.code(len)).flatten();
        Some(code.map_or_else(|| Part::Text(self.cut(len)), Part::Token))
    }
}

/// The special token at the front of `text`.
fn special(text: &[u8]) -> Option<(&'static [u8], u32)> {
    IN_TEXT.into_iter().find(|(name, _)| text.starts_with(name))
}
