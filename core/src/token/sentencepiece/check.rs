//! Checks of the tables, before they are used.

use super::super::error::{Error, Part};
use super::tables::{Flag, KINDS, LEAST, NO_PIECE, SentencePiece};

impl SentencePiece<'_> {
    /// Checks everything that encoding and decoding rely on.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.check_header()?;
        self.check_trie()?;
        self.check_pieces()?;
        self.check_forms()?;
        self.check_texts()
    }

    /// There are special tokens, the scores are numbers, and a path fits into 15 bits.
    fn check_header(&self) -> Result<(), Error> {
        let floats = [self.unknown, self.defined].iter().all(|score| score.is_finite());
        let encodes = self.has(Flag::Encodes) || self.trie.labels.len() == 1;
        let sound = self.len >= LEAST && floats && encodes && self.trie.longest < 1 << 15;
        if sound { Ok(()) } else { Err(Error::Damaged(Part::Header, 0)) }
    }

    /// The children of each node are later nodes, contiguous, and ascend by their byte.
    fn check_trie(&self) -> Result<(), Error> {
        let count = self.trie.labels.len();
        let mut end = 1;
        for node in 0..count {
            let damaged = Error::Damaged(Part::Node, number(node));
            let children = u32::try_from(node).ok().and_then(|node| self.trie.children(node));
            let [start, next] = children.ok_or(damaged)?.map(|child| child as usize);
            let labels = self.trie.labels.get(start..next).ok_or(damaged)?;
            let ascends = labels.is_sorted_by(|a, b| a < b);
            let piece =
                self.trie.pieces.get(node).map_or(NO_PIECE, |piece| u16::from_le_bytes(*piece));
            let known = piece == NO_PIECE || usize::from(piece) < self.pieces.len();
            if start != end || start <= node || !ascends || !known {
                return Err(damaged);
            }
            end = next;
        }
        if end == count { Ok(()) } else { Err(Error::Damaged(Part::Node, number(count))) }
    }

    /// The scores are numbers, and the tokens are in the vocabulary.
    fn check_pieces(&self) -> Result<(), Error> {
        let sound = |piece: u16| {
            let piece = self.scored(piece);
            piece.is_some_and(|piece| piece.score.is_finite() && piece.id < self.len)
        };
        if let Some(at) = (0..self.pieces.len()).map(number).find(|at| !sound(*at)) {
            return Err(Error::Damaged(Part::Piece, at));
        }
        let byte = |token: &[u8; 2]| u16::from_le_bytes(*token) >= self.len;
        match self.bytes.iter().position(byte) {
            Some(at) => Err(Error::Damaged(Part::Character, number(at))),
            None => Ok(()),
        }
    }

    /// No normal form is longer than the header says, and the last is complete.
    fn check_forms(&self) -> Result<(), Error> {
        let longest = usize::from(self.longest_form);
        let ends = self.forms.is_empty() || self.forms.ends_with('\0');
        match self.forms.split('\0').position(|form| form.len() > longest) {
            None if ends => Ok(()),
            at => Err(Error::Damaged(Part::Form, number(at.unwrap_or_default()))),
        }
    }

    /// The texts are contiguous, and UTF-8 or a byte.
    fn check_texts(&self) -> Result<(), Error> {
        let mut end = 0;
        for (at, start) in self.starts.iter().enumerate() {
            let damaged = Error::Damaged(Part::Text, number(at));
            let start = u32::from_le_bytes(*start);
            let (kind, start) = (start >> 30, (start & !KINDS) as usize);
            if kind > 2 || start < end || at == 0 && start != 0 {
                return Err(damaged);
            }
            end = start;
        }
        for id in 0..self.starts.len().saturating_sub(1) {
            let damaged = Error::Damaged(Part::Text, number(id));
            self.check_text(id).ok_or(damaged)?;
        }
        match end == self.texts.len() {
            true => Ok(()),
            false => Err(Error::Damaged(Part::Text, self.len)),
        }
    }

    /// `None` if the text of a token is neither UTF-8 nor a byte, or too long.
    fn check_text(&self, id: usize) -> Option<()> {
        let [start, end, ..] = self.starts.get(id..)? else { return None };
        let [start, end] = [*start, *end].map(u32::from_le_bytes);
        let len = (end & !KINDS).checked_sub(start & !KINDS)?;
        let fits = len <= u32::from(self.longest_text);
        let byte = start >> 30 != 2 || len == 1;
        self.piece(u32::try_from(id).ok()?).filter(|_| fits && byte).map(|_| ())
    }
}

/// A position for an error: at most 65,535.
fn number(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
