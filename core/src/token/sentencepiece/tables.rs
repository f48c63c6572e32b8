//! The layout of the tables, and access to their entries.

use super::super::error::{Error, Part};
use super::super::tables::{BYTES, Piece, SPECIAL, entries, take};
use super::trie::{SYMBOLS, Trie};
use crate::allow::Forbidden;

/// The first bytes of the tables.
pub const MAGIC: [u8; 3] = *b"a2s";
/// The version of the tables.
pub const VERSION: u8 = 1;
/// Bytes before the first table.
pub const HEADER: usize = 44;
/// The piece of a node without a piece.
pub const NO_PIECE: u16 = u16::MAX;

/// How a line is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the largest sum of scores.
    Unigram = 0,
    /// By merging neighbours.
    Merges = 1,
}

/// The settings of a model, in a byte of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// A mark is put in front (`add_dummy_prefix`).
    Dummy = 1,
    /// Runs of spaces become one, and spaces at both ends are dropped (`remove_extra_whitespaces`).
    Strip = 2,
    /// The mark is put behind (`treat_whitespace_as_suffix`).
    Suffix = 4,
    /// Spaces become `▁` (`escape_whitespaces`).
    Escape = 8,
    /// Unknown characters become bytes (`byte_fallback`).
    Bytes = 16,
    /// The convention of Marian for special tokens and unknown runs.
    Marian = 32,
    /// The tables encode.
    Encodes = 64,
    /// The tables decode.
    Decodes = 128,
}

/// A SentencePiece vocabulary, read in place.
#[derive(Clone, Copy, Debug)]
pub struct SentencePiece<'a> {
    pub(super) len: u16,
    pub(super) kind: Kind,
    flags: u8,
    pub(super) longest_entry: u16,
    pub(super) longest_form: u16,
    growth: u16,
    pub(super) longest_text: u16,
    /// The score of an unknown character.
    pub(super) unknown: f32,
    /// The score of each byte of a user-defined symbol after the first.
    pub(super) defined: f32,
    pub(super) trie: Trie<'a>,
    /// The token of each byte; empty without byte fallback.
    pub(super) bytes: &'a [[u8; 2]],
    pub(super) pieces: &'a [[u8; 8]],
    pub(super) units: &'a [[u8; 4]],
    pub(super) forms: &'a str,
    pub(super) starts: &'a [[u8; 4]],
    pub(super) texts: &'a [u8],
}

/// A piece of the encoder.
#[derive(Clone, Copy)]
pub(super) struct Scored {
    pub score: f32,
    pub id: u16,
    pub defined: u16,
}

/// The bits of a start that tell the kind of the text.
pub(super) const KINDS: u32 = 3 << 30;

impl<'a> SentencePiece<'a> {
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

    /// [`SentencePiece::new`] of tables that it has accepted before, which are not checked again.
    ///
    /// # Errors
    ///
    /// As [`SentencePiece::new`], for a damaged header.
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
        let [kind, flags] = take(&mut rest)?;
        let kind = match kind {
            0 => Kind::Unigram,
            1 => Kind::Merges,
            _ => return Err(Error::Damaged(Part::Header, 0)),
        };
        let mut small = || take(&mut rest).map(u16::from_le_bytes);
        let [len, pieces, longest] = [small()?, small()?, small()?];
        let [longest_entry, longest_form, growth, longest_text] =
            [small()?, small()?, small()?, small()?];
        let mut float = || take(&mut rest).map(f32::from_le_bytes);
        let [unknown, defined] = [float()?, float()?];
        let mut large = || take(&mut rest).map(|bytes| u32::from_le_bytes(bytes) as usize);
        let [nodes, units, forms, texts] = [large()?, large()?, large()?, large()?];
        let has = |flag: Flag| flags & flag as u8 != 0;
        let bytes = if has(Flag::Bytes) { usize::from(BYTES) } else { 0 };
        let starts = if has(Flag::Decodes) { usize::from(len).saturating_add(1) } else { 0 };
        let trie = Trie {
            firsts: entries(&mut rest, nodes.saturating_add(1))?,
            pieces: entries(&mut rest, nodes)?,
            labels: bytes_of(&mut rest, nodes)?,
            longest,
        };
        let tables = Self {
            len,
            kind,
            flags,
            longest_entry,
            longest_form,
            growth,
            longest_text,
            unknown,
            defined,
            trie,
            bytes: entries(&mut rest, bytes)?,
            pieces: entries(&mut rest, usize::from(pieces))?,
            units: entries(&mut rest, units)?,
            forms: core::str::from_utf8(bytes_of(&mut rest, forms)?)
                .map_err(|_| Error::Damaged(Part::Form, 0))?,
            starts: entries(&mut rest, starts)?,
            texts: bytes_of(&mut rest, texts)?,
        };
        if rest.is_empty() { Ok(tables) } else { Err(Error::Length) }
    }

    /// V, the number of tokens, special tokens included: 4 to 65,535.
    #[allow(clippy::len_without_is_empty)] // every vocabulary has the special tokens
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the model has a setting.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    /// How a line is cut into pieces.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A number of words of the buffer that is sufficient to encode any text of `bytes` bytes.
    pub const fn room(&self, bytes: usize) -> usize {
        // With the convention of Marian, a text of a few bytes has its own dummy marks.
        let characters = bytes.saturating_mul((self.growth as usize).saturating_add(1));
        characters.saturating_add(3).saturating_mul(4)
    }

    /// A sufficient size in bytes of the buffer for one call of [`StreamOf::push`](super::super::StreamOf::push) or
    /// [`StreamOf::finish`](super::super::StreamOf::finish).
    pub const fn stream_bytes(&self) -> usize {
        room_for(self.longest_text)
    }

    /// The meaning of `id`; `None` outside the vocabulary, or if the tables do not decode.
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        let [start, end, ..] = self.starts.get(usize::try_from(id).ok()?..)? else { return None };
        let [start, end] = [*start, *end].map(u32::from_le_bytes);
        let text = self.texts.get((start & !KINDS) as usize..(end & !KINDS) as usize)?;
        match (start & KINDS) >> 30 {
            0 => core::str::from_utf8(text).ok().map(Piece::Text),
            1 => Some(Piece::Special),
            _ => text.first().map(|byte| Piece::Byte(*byte)),
        }
    }

    /// The tokens that a search must not write: the bytes of control characters, if byte tokens are consecutive.
    pub fn forbidden(&self) -> Forbidden {
        let first = (0..u32::from(self.len)).find(|id| self.is_byte(*id, 0));
        let first = first.filter(|first| {
            (1..=0xff).all(|byte| self.is_byte(first.saturating_add(u32::from(byte)), byte))
        });
        first.map_or(Forbidden::NONE, |first| {
            let token = |byte: u32| first.saturating_add(byte);
            Forbidden::new([[token(0), token(0x20)], [token(0x7f), token(0x80)], [0; 2], [0; 2]])
        })
    }

    fn is_byte(&self, id: u32, byte: u8) -> bool {
        self.piece(id) == Some(Piece::Byte(byte))
    }

    /// The piece of the encoder with this number.
    pub(super) fn scored(&self, piece: u16) -> Option<Scored> {
        let [a, b, c, d, e, f, g, h] = *self.pieces.get(usize::from(piece))?;
        let [id, defined] = [[e, f], [g, h]].map(u16::from_le_bytes);
        Some(Scored { score: f32::from_le_bytes([a, b, c, d]), id, defined })
    }

    /// The length of the longest user-defined symbol at the front of `text`.
    pub(super) fn symbol(&self, text: &[u8]) -> Option<usize> {
        let mut walk = self.trie.step(self.trie.root(), SYMBOLS)?;
        let mut found = None;
        for (len, byte) in (1..).zip(text) {
            let Some(next) = self.trie.step(walk, *byte) else { break };
            walk = next;
            found = self.trie.piece(walk).map(|_| len).or(found);
        }
        found
    }
}

/// The bytes of the longest text in the header of unchecked tables.
pub(in super::super) const fn longest_text(tables: &[u8]) -> Option<usize> {
    match tables {
        [b'a', b'2', b's', _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, ..] => {
            Some(room_for(u16::from_le_bytes([*low, *high])))
        }
        _ => None,
    }
}

/// The most bytes of a token of `longest` bytes, with what waited before it.
const fn room_for(longest: u16) -> usize {
    (longest as usize).saturating_add(super::decode::MOST_WAITING)
}

fn bytes_of<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Error> {
    let (bytes, after) = rest.split_at_checked(count).ok_or(Error::Length)?;
    *rest = after;
    Ok(bytes)
}

/// The fewest tokens.
pub(super) const LEAST: u16 = SPECIAL;
