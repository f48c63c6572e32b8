//! A vocabulary of either kind.

use super::decode::Stream;
use super::error::Error;
use super::normal::Normalization;
#[cfg(feature = "sentencepiece")]
use super::sentencepiece::{self, Flag, SentencePiece};
use super::tables::{Piece, Tokenizer};
use crate::allow::Forbidden;

/// The vocabulary of one side.
#[derive(Clone, Copy, Debug)]
pub enum Vocabulary<'a> {
    /// A byte-pair encoding of `a2d prepare`.
    Learnt(Tokenizer<'a>),
    /// A SentencePiece model.
    #[cfg(feature = "sentencepiece")]
    SentencePiece(SentencePiece<'a>),
}

/// A [`Stream`] of either kind.
#[derive(Clone, Copy, Debug)]
pub enum TextStream<'a> {
    /// Of a byte-pair encoding of `a2d prepare`.
    Learnt(Stream<'a>),
    /// Of a SentencePiece model.
    #[cfg(feature = "sentencepiece")]
    SentencePiece(sentencepiece::Stream<'a>),
}

/// Calls a method of either kind.
macro_rules! either {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Self::Learnt($inner) => $call,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece($inner) => $call,
        }
    };
}

impl<'a> Vocabulary<'a> {
    /// A vocabulary from its tables, all of which are checked.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::new`].
    pub fn new(tables: &'a [u8]) -> Result<Self, Error> {
        #[cfg(feature = "sentencepiece")]
        if tables.starts_with(&sentencepiece::MAGIC) {
            return SentencePiece::new(tables).map(Self::SentencePiece);
        }
        Tokenizer::new(tables).map(Self::Learnt)
    }

    /// V, the number of tokens.
    #[allow(clippy::len_without_is_empty)] // every vocabulary has the special tokens
    pub fn len(&self) -> usize {
        either!(self, inner => inner.len())
    }

    /// Whether the tables encode.
    pub fn encodes(&self) -> bool {
        match self {
            Self::Learnt(_) => true,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => tables.has(Flag::Encodes),
        }
    }

    /// Whether the tables decode.
    pub fn decodes(&self) -> bool {
        match self {
            Self::Learnt(_) => true,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => tables.has(Flag::Decodes),
        }
    }

    /// The normalisation that a text needs before it is encoded: [`Normalization::None`] for a SentencePiece model.
    pub fn normalization(&self) -> Normalization {
        match self {
            Self::Learnt(tokenizer) => tokenizer.normalization(),
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(_) => Normalization::None,
        }
    }

    /// The tokens that a search must not write.
    pub fn forbidden(&self) -> Forbidden {
        either!(self, inner => inner.forbidden())
    }

    /// The meaning of `id`; `None` outside the vocabulary.
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        either!(self, inner => inner.piece(id))
    }

    /// A size of the buffer of tokens that is sufficient for any text of `bytes` bytes.
    pub const fn room(&self, bytes: usize) -> usize {
        either!(self, inner => inner.room(bytes))
    }

    /// Encodes a line, see [`Tokenizer::encode`].
    ///
    /// # Errors
    ///
    /// [`Error::Room`].
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, Error> {
        either!(self, inner => inner.encode(text, out))
    }

    /// [`Vocabulary::encode`] of bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Utf8`] for bytes that are not UTF-8, and those of [`Vocabulary::encode`].
    pub fn encode_bytes(&self, text: &[u8], out: &mut [u32]) -> Result<usize, Error> {
        let text = core::str::from_utf8(text);
        self.encode(text.map_err(|error| Error::Utf8 { at: error.valid_up_to() })?, out)
    }

    /// Encodes as much of a line as fits, see [`Tokenizer::encode_front`].
    pub fn encode_front(&self, text: &str, out: &mut [u32]) -> (usize, Option<usize>) {
        match self {
            Self::Learnt(tokenizer) => tokenizer.encode_front(text, out),
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => tables.encode_front(text.as_bytes(), out),
        }
    }

    /// Decodes tokens, see [`Tokenizer::decode`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::decode`].
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
        either!(self, inner => inner.decode(ids, out))
    }

    /// A decoder for single tokens.
    pub fn stream(&self) -> TextStream<'a> {
        match self {
            Self::Learnt(tokenizer) => TextStream::Learnt(tokenizer.stream()),
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => TextStream::SentencePiece(tables.stream()),
        }
    }

    /// A sufficient size in bytes of the buffer for one call of a stream.
    pub const fn stream_bytes(&self) -> usize {
        either!(self, inner => inner.stream_bytes())
    }
}

impl TextStream<'_> {
    /// Writes the text completed by `id`, see [`StreamOf::push`](super::StreamOf::push).
    ///
    /// # Errors
    ///
    /// As [`StreamOf::push`](super::StreamOf::push).
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        either!(self, inner => inner.push(id, out))
    }

    /// Writes the rest at the end, see [`StreamOf::finish`](super::StreamOf::finish).
    ///
    /// # Errors
    ///
    /// As [`StreamOf::finish`](super::StreamOf::finish).
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        either!(self, inner => inner.finish(out))
    }
}
