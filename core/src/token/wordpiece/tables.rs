//! The layout of the tables, and access to their entries.

use super::super::error::{Error, Part};
use super::super::tables::{Piece, SPECIAL, entries, take};
use crate::allow::Forbidden;

/// The first bytes of the tables.
pub const MAGIC: [u8; 3] = *b"a2w";
/// The version of the tables.
pub const VERSION: u8 = 1;
/// Bytes before the first table.
pub const HEADER: usize = 24;

/// A WordPiece vocabulary, read in place.
#[derive(Clone, Copy, Debug)]
pub struct WordPiece<'a> {
    pub(super) len: u16,
    /// The most characters of a word.
    pub(super) longest_word: u16,
    pub(super) longest_text: u16,
    pub(super) starts: &'a [[u8; 3]],
    /// The tokens, ascending by text.
    pub(super) order: &'a [[u8; 2]],
    /// The special tokens that a text may contain.
    pub(super) special: &'a [[u8; 2]],
    pub(super) ranges: &'a [[u8; 3]],
    pub(super) changes: &'a [[u8; 8]],
    pub(super) forms: &'a str,
    texts: &'a [u8],
}

impl<'a> WordPiece<'a> {
    /// A vocabulary from its tables. Checks all of them, in time proportional to their size, so that later errors
    /// concern only buffers and tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`], [`Error::Version`], [`Error::Length`] and [`Error::Damaged`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let tables = Self::laid_out(bytes)?;
        tables.check()?;
        Ok(tables)
    }

    /// [`WordPiece::new`] of tables that it has accepted before, which are not checked again.
    ///
    /// # Errors
    ///
    /// As [`WordPiece::new`], for a damaged header.
    pub fn of_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::laid_out(bytes)
    }

    /// Splits the tables by the sizes in their header.
    fn laid_out(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        if take(&mut rest)? != MAGIC {
            return Err(Error::Foreign);
        }
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let mut small = || take(&mut rest).map(u16::from_le_bytes);
        let [len, special, longest_word] = [small()?, small()?, small()?];
        let [longest_text, ranges, changes] = [small()?, small()?, small()?];
        let mut large = || take(&mut rest).map(|bytes| u32::from_le_bytes(bytes) as usize);
        let [forms, texts] = [large()?, large()?];
        let tables = Self {
            len,
            longest_word,
            longest_text,
            starts: entries(&mut rest, usize::from(len).saturating_add(1))?,
            order: entries(&mut rest, len.into())?,
            special: entries(&mut rest, special.into())?,
            ranges: entries(&mut rest, ranges.into())?,
            changes: entries(&mut rest, changes.into())?,
            forms: core::str::from_utf8(entries::<1>(&mut rest, forms)?.as_flattened())
                .map_err(|_| Error::Damaged(Part::Form, 0))?,
            texts: entries::<1>(&mut rest, texts)?.as_flattened(),
        };
        if rest.is_empty() { Ok(tables) } else { Err(Error::Length) }
    }

    /// V, the number of tokens, special tokens included: 4 to 65,535.
    #[allow(clippy::len_without_is_empty)] // every vocabulary has the special tokens
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// A size of the buffer of tokens that is sufficient for any text of `bytes` bytes.
    pub const fn room(&self, bytes: usize) -> usize {
        bytes // no replacement has more characters than the character has bytes
    }

    /// A sufficient size in bytes of the buffer for one call of [`StreamOf::push`](super::super::StreamOf::push) or
    /// [`StreamOf::finish`](super::super::StreamOf::finish).
    pub const fn stream_bytes(&self) -> usize {
        room_for(self.longest_text)
    }

    /// The meaning of `id`; `None` outside the vocabulary.
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        let id = u16::try_from(id).ok().filter(|id| *id < self.len)?;
        match id < SPECIAL {
            true => Some(Piece::Special),
            false => core::str::from_utf8(self.text(id)?).ok().map(Piece::Text),
        }
    }

    /// The tokens that a search must not write: none.
    pub fn forbidden(&self) -> Forbidden {
        Forbidden::NONE
    }

    /// The text of a token, the first four included.
    pub(super) fn text(&self, id: u16) -> Option<&'a [u8]> {
        let [start, end, ..] = self.starts.get(usize::from(id)..)? else { return None };
        let [start, end] = [*start, *end].map(|start| number(start) as usize);
        self.texts.get(start..end)
    }

    /// X.
    pub(super) fn text_bytes(&self) -> usize {
        self.texts.len()
    }
}

/// A number of 24 bits.
pub(super) fn number([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

/// The bytes of the longest text in the header of unchecked tables.
pub(in super::super) const fn longest_text(tables: &[u8]) -> Option<usize> {
    match tables {
        [b'a', b'2', b'w', _, _, _, _, _, _, _, low, high, ..] => {
            Some(room_for(u16::from_le_bytes([*low, *high])))
        }
        _ => None,
    }
}

/// The most bytes of a token of `longest` bytes, with the space before it.
const fn room_for(longest: u16) -> usize {
    (longest as usize).saturating_add(1)
}
