//! The tokens of a line, at the front of the caller's buffer.

use super::super::utf8;
use super::tables::{Flag, SentencePiece};
use super::trie::{RUNS, Walk};
use crate::config::token::UNK;

/// The tokens written so far; the rest of the buffer is free.
pub(super) struct Tokens<'s, 'o> {
    tables: &'s SentencePiece<'s>,
    pub out: &'o mut [u32],
    pub len: usize,
    run: Run,
}

/// A run of characters without a piece.
#[derive(Clone, Copy)]
enum Run {
    /// None: the last token is known.
    None,
    /// The last token stands for the run. Its text is this path, if any.
    Unknown(Option<Walk>),
}

impl<'s, 'o> Tokens<'s, 'o> {
    pub fn new(tables: &'s SentencePiece<'s>, out: &'o mut [u32]) -> Self {
        Self { tables, out, len: 0, run: Run::None }
    }

    /// The free part of the buffer, if it has four words for each of `characters` characters and one more.
    pub fn free(&mut self, characters: usize) -> Option<&mut [u32]> {
        let words = characters.saturating_add(1).saturating_mul(4);
        self.out.get_mut(self.len..)?.get_mut(..words)
    }

    /// Appends a token.
    pub fn push(&mut self, id: u32) {
        self.end_run();
        self.write(id);
    }

    /// Appends the token of a piece.
    pub fn push_piece(&mut self, piece: u16) {
        self.push(self.tables.scored(piece).map_or(UNK, |piece| u32::from(piece.id)));
    }

    /// Appends a character without a piece.
    pub fn push_unknown(&mut self, c: char) {
        let mut bytes = [0; 4];
        let bytes = utf8(c, &mut bytes);
        if self.tables.has(Flag::Bytes) {
            for byte in bytes {
                let token = self.tables.bytes.get(usize::from(*byte));
                self.write(token.map_or(UNK, |token| u32::from(u16::from_le_bytes(*token))));
            }
            return;
        }
        let trie = &self.tables.trie;
        let walk = match self.run {
            Run::None => {
                self.write(UNK);
                trie.step(trie.root(), RUNS)
            }
            Run::Unknown(walk) => walk,
        };
        self.run = Run::Unknown(walk.and_then(|walk| trie.steps(walk, bytes)));
    }

    /// Ends a run: its token may be that of the whole run.
    pub fn end_run(&mut self) {
        let Run::Unknown(walk) = core::mem::replace(&mut self.run, Run::None) else { return };
        let piece = walk.and_then(|walk| self.tables.trie.piece(walk));
        let token = piece.and_then(|piece| self.tables.scored(piece));
        let last = self.len.checked_sub(1).and_then(|last| self.out.get_mut(last));
        if let (Some(token), Some(last)) = (token, last) {
            *last = u32::from(token.id);
        }
    }

    /// Ends a run that may go on: its token is taken back unless that of the whole run is known.
    pub fn cut_run(&mut self) {
        if let Run::Unknown(Some(_)) = core::mem::replace(&mut self.run, Run::None) {
            self.len = self.len.saturating_sub(1);
        }
    }

    fn write(&mut self, id: u32) {
        if let Some(slot) = self.out.get_mut(self.len) {
            *slot = id;
            self.len = self.len.saturating_add(1);
        }
    }
}
