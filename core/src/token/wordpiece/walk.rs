//! The tokens that begin alike, among the sorted ones.

use super::tables::WordPiece;

/// The tokens whose texts have the same first bytes.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    tables: &'a WordPiece<'a>,
    tokens: &'a [[u8; 2]],
    /// The number of the bytes.
    depth: usize,
}

impl<'a> Walk<'a> {
    /// Of no bytes: all tokens.
    pub fn new(tables: &'a WordPiece<'a>) -> Self {
        Self { tables, tokens: tables.order, depth: 0 }
    }

    /// Those that go on with `byte`, if there are any.
    pub fn step(self, byte: u8) -> Option<Self> {
        let start = self.tokens.partition_point(|token| self.next(token) < Some(byte));
        let tokens = self.tokens.get(start..)?;
        let end = tokens.partition_point(|token| self.next(token) == Some(byte));
        let tokens = tokens.get(..end).filter(|tokens| !tokens.is_empty())?;
        Some(Self { tokens, depth: self.depth.saturating_add(1), ..self })
    }

    /// Those that go on with all `bytes`.
    pub fn steps(self, bytes: &[u8]) -> Option<Self> {
        bytes.iter().try_fold(self, |walk, byte| walk.step(*byte))
    }

    /// The token whose text is these bytes.
    pub fn token(self) -> Option<u16> {
        let token = self.tokens.first()?;
        self.next(token).is_none().then(|| u16::from_le_bytes(*token))
    }

    /// The byte of a token after the first ones; a shorter token comes before longer ones.
    fn next(&self, token: &[u8; 2]) -> Option<u8> {
        self.tables.text(u16::from_le_bytes(*token))?.get(self.depth).copied()
    }
}
