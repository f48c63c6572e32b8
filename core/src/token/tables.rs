//! The layout of the tables, and access to their entries.

use super::error::{Error, Part};
use super::normal::Normalization;
use crate::allow::Forbidden;
use crate::config::token::UNK;

/// The first bytes of the tables.
pub const MAGIC: [u8; 3] = *b"a2v";
/// The newest version of the tables; older versions can be read too.
pub const VERSION: u8 = 3;
/// Bytes before the first table.
pub const HEADER: usize = 16;
/// The number of special tokens, which come first.
pub const SPECIAL: u16 = UNK as u16 + 1;
/// The number of byte tokens, which follow the special tokens, if the vocabulary has them.
pub const BYTES: u16 = 256;

/// A vocabulary, read in place. Cheap to copy: a few slices.
#[derive(Clone, Copy, Debug)]
pub struct Tokenizer<'a> {
    /// V.
    len: u16,
    normalization: Normalization,
    /// K₀: tokens without text.
    pub(super) reserved: u16,
    /// K - S: the first symbol, counted among the tokens with text.
    pub(super) symbols: u16,
    pub(super) starts: &'a [[u8; 4]],
    pub(super) lefts: &'a [[u8; 2]],
    pub(super) characters: &'a [[u8; 6]],
    pub(super) merges: &'a [[u8; 6]],
    pub(super) texts: &'a [u8],
}

/// The meaning of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// No text.
    Special,
    /// A byte of a character outside the vocabulary.
    Byte(u8),
    /// One or more characters.
    Text(&'a str),
}

/// A pair of neighbours that is merged to one token.
#[derive(Clone, Copy)]
pub(super) struct Merge {
    pub right: u16,
    pub rank: u16,
    pub result: u16,
}

impl<'a> Tokenizer<'a> {
    /// A vocabulary from its tables. Checks all of them, in time proportional to their size, so that later errors
    /// concern only buffers, text and tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`], [`Error::Version`], [`Error::Length`] and [`Error::Damaged`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let tokenizer = Self::laid_out(bytes)?;
        tokenizer.check()?;
        Ok(tokenizer)
    }

    /// Splits the tables by the sizes in their header.
    fn laid_out(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let [version] = header(&mut rest)?;
        if !(1..=VERSION).contains(&version) {
            return Err(Error::Version(version));
        }
        let [bytes, form] = take(&mut rest)?;
        let damaged = Error::Damaged(Part::Header, 0);
        let reserved = match bytes {
            0 => SPECIAL,
            1 => SPECIAL.saturating_add(BYTES),
            _ => return Err(damaged),
        };
        let normalization = Normalization::of_code(form)
            .filter(|form| version > 1 || *form == Normalization::None)
            .ok_or(damaged)?;
        let [len, characters, merges] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?];
        let texts = u32::from_le_bytes(take(&mut rest)?);
        let len = u16::from_le_bytes(len);
        // One more entry than there are tokens with text.
        let with_text = len.checked_sub(reserved).ok_or(damaged)?;
        let ends = usize::from(with_text).saturating_add(1);
        let mut tokenizer = Self {
            len,
            normalization,
            reserved,
            symbols: with_text,
            starts: entries(&mut rest, ends)?,
            lefts: entries(&mut rest, ends)?,
            characters: entries(&mut rest, u16::from_le_bytes(characters).into())?,
            merges: entries(&mut rest, u16::from_le_bytes(merges).into())?,
            texts: rest,
        };
        if version > 2 {
            let symbols = u16::from_le_bytes(take(&mut rest)?);
            tokenizer.symbols = with_text.checked_sub(symbols).ok_or(damaged)?;
            tokenizer.texts = rest;
        }
        match u32::try_from(rest.len()) {
            Ok(found) if found == texts => Ok(tokenizer),
            _ => Err(Error::Length),
        }
    }

    /// V, the number of tokens, special tokens included: 4 to 65,535.
    #[allow(clippy::len_without_is_empty)] // every vocabulary has the special tokens
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The normalisation of text before it is encoded.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// Whether the vocabulary has byte tokens for characters outside the vocabulary.
    pub fn has_byte_fallback(&self) -> bool {
        self.reserved > SPECIAL
    }

    /// The tokens that a search must not write, see [`forbidden`](super::forbidden).
    pub fn forbidden(&self) -> Forbidden {
        super::forbidden(self.has_byte_fallback())
    }

    /// The meaning of `id`; `None` outside the vocabulary.
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        let id = u16::try_from(id).ok().filter(|id| *id < self.len)?;
        if let Some(at) = id.checked_sub(self.reserved) {
            return self.text(at).map(Piece::Text);
        }
        Some(match id.checked_sub(SPECIAL) {
            Some(byte) => Piece::Byte(byte as u8),
            None => Piece::Special,
        })
    }

    /// The text of token `at`, counted among the tokens with text.
    pub(super) fn text(&self, at: u16) -> Option<&'a str> {
        core::str::from_utf8(self.bytes(at)?).ok()
    }

    /// The bytes of [`Tokenizer::text`].
    pub(super) fn bytes(&self, at: u16) -> Option<&'a [u8]> {
        let [start, end] = two(self.starts, at)?.map(|bytes| u32::from_le_bytes(bytes) as usize);
        self.texts.get(start..end)
    }

    /// The merges whose left token is `left`, by right token.
    pub(super) fn merges_of(&self, left: u16) -> Option<&'a [[u8; 6]]> {
        let at = left.checked_sub(self.reserved)?;
        let [start, end] = two(self.lefts, at)?.map(|bytes| usize::from(u16::from_le_bytes(bytes)));
        self.merges.get(start..end)
    }

    /// The merge of two neighbours, if any.
    pub(super) fn merge(&self, left: u16, right: u16) -> Option<Merge> {
        let merges = self.merges_of(left)?;
        let at = merges.binary_search_by_key(&right, |entry| Merge::read(entry).right).ok()?;
        merges.get(at).map(Merge::read)
    }

    /// The token of one character, if any.
    pub(super) fn character(&self, c: char) -> Option<u16> {
        let code = u32::from(c);
        let at = self.characters.binary_search_by_key(&code, |entry| character(entry).0).ok()?;
        self.characters.get(at).map(|entry| character(entry).1)
    }
}

impl Merge {
    pub(super) fn read(&[a, b, c, d, e, f]: &[u8; 6]) -> Self {
        let [right, rank, result] = [[a, b], [c, d], [e, f]].map(u16::from_le_bytes);
        Self { right, rank, result }
    }
}

/// Code point and token of an entry.
pub(super) fn character(&[a, b, c, d, e, f]: &[u8; 6]) -> (u32, u16) {
    (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
}

/// Two consecutive entries: a start and an end.
pub(super) fn two<const N: usize>(entries: &[[u8; N]], at: u16) -> Option<[[u8; N]; 2]> {
    let [start, end] = entries.get(usize::from(at)..)?.first_chunk()?;
    Some([*start, *end])
}

/// The version, after the magic bytes.
fn header(rest: &mut &[u8]) -> Result<[u8; 1], Error> {
    match take(rest) {
        Ok(MAGIC) => take(rest),
        Ok(_) => Err(Error::Foreign),
        Err(error) => Err(error),
    }
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (first, after) = rest.split_first_chunk().ok_or(Error::Length)?;
    *rest = after;
    Ok(*first)
}

pub(super) fn entries<'a, const N: usize>(
    rest: &mut &'a [u8],
    count: usize,
) -> Result<&'a [[u8; N]], Error> {
    let bytes = count.checked_mul(N).ok_or(Error::Length)?;
    let (entries, after) = rest.split_at_checked(bytes).ok_or(Error::Length)?;
    *rest = after;
    Ok(entries.as_chunks().0)
}
