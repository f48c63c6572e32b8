//! A vocabulary of any kind.

use super::decode::Stream;
use super::error::Error;
use super::normal::Normalization;
#[cfg(feature = "sentencepiece")]
use super::sentencepiece::{self, Flag, SentencePiece};
use super::tables::{Piece, Tokenizer};
#[cfg(feature = "wordpiece")]
use super::wordpiece::{self, WordPiece};
use crate::allow::Forbidden;

/// The vocabulary of one side.
#[derive(Clone, Copy, Debug)]
pub enum Vocabulary<'a> {
    /// A byte-pair encoding of `a2d prepare`.
    Learnt(Tokenizer<'a>),
    /// A SentencePiece model.
    #[cfg(feature = "sentencepiece")]
    SentencePiece(SentencePiece<'a>),
    /// A WordPiece vocabulary.
    #[cfg(feature = "wordpiece")]
    WordPiece(WordPiece<'a>),
}

/// A [`Stream`] of any kind.
#[derive(Clone, Copy, Debug)]
pub enum TextStream<'a> {
    /// Of a byte-pair encoding of `a2d prepare`.
    Learnt(Stream<'a>),
    /// Of a SentencePiece model.
    #[cfg(feature = "sentencepiece")]
    SentencePiece(sentencepiece::Stream<'a>),
    /// Of a WordPiece vocabulary.
    #[cfg(feature = "wordpiece")]
    WordPiece(wordpiece::Stream<'a>),
}

/// Calls a method of any kind.
macro_rules! any {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Self::Learnt($inner) => $call,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece($inner) => $call,
            #[cfg(feature = "wordpiece")]
            Self::WordPiece($inner) => $call,
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
        #[cfg(feature = "wordpiece")]
        if tables.starts_with(&wordpiece::MAGIC) {
            return WordPiece::new(tables).map(Self::WordPiece);
        }
        Tokenizer::new(tables).map(Self::Learnt)
    }

    /// V, the number of tokens.
    #[allow(clippy::len_without_is_empty)] // every vocabulary has the special tokens
    pub fn len(&self) -> usize {
        any!(self, inner => inner.len())
    }

    /// Whether the tables encode.
    pub fn encodes(&self) -> bool {
        match self {
            Self::Learnt(_) => true,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => tables.has(Flag::Encodes),
            #[cfg(feature = "wordpiece")]
            Self::WordPiece(_) => true,
        }
    }

    /// Whether the tables decode.
    pub fn decodes(&self) -> bool {
        match self {
            Self::Learnt(_) => true,
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => tables.has(Flag::Decodes),
            #[cfg(feature = "wordpiece")]
            Self::WordPiece(_) => true,
        }
    }

    /// The normalisation that a text needs before it is encoded: [`Normalization::None`] where the tables normalise, as
    /// those of a SentencePiece model or of a WordPiece vocabulary.
    pub fn normalization(&self) -> Normalization {
        match self {
            Self::Learnt(tokenizer) => tokenizer.normalization(),
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(_) => Normalization::None,
            #[cfg(feature = "wordpiece")]
            Self::WordPiece(_) => Normalization::None,
        }
    }

    /// The tokens that a search must not write.
    pub fn forbidden(&self) -> Forbidden {
        any!(self, inner => inner.forbidden())
    }

    /// The meaning of `id`; `None` outside the vocabulary.
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        any!(self, inner => inner.piece(id))
    }

    /// A size of the buffer of tokens that is sufficient for any text of `bytes` bytes.
    pub const fn room(&self, bytes: usize) -> usize {
        any!(self, inner => inner.room(bytes))
    }

    /// Encodes a line, see [`Tokenizer::encode`].
    ///
    /// # Errors
    ///
    /// [`Error::Room`].
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, Error> {
        any!(self, inner => inner.encode(text, out))
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
            #[cfg(feature = "wordpiece")]
            Self::WordPiece(tables) => tables.encode_front(text, out),
        }
    }

    /// Decodes tokens, see [`Tokenizer::decode`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::decode`].
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
        any!(self, inner => inner.decode(ids, out))
    }

    /// A decoder for single tokens.
    pub fn stream(&self) -> TextStream<'a> {
        match self {
            Self::Learnt(tokenizer) => TextStream::Learnt(tokenizer.stream()),
            #[cfg(feature = "sentencepiece")]
            Self::SentencePiece(tables) => TextStream::SentencePiece(tables.stream()),
            #[cfg(feature = "wordpiece")]
            Self::WordPiece(tables) => TextStream::WordPiece(tables.stream()),
        }
    }

    /// A sufficient size in bytes of the buffer for one call of a stream.
    pub const fn stream_bytes(&self) -> usize {
        any!(self, inner => inner.stream_bytes())
    }
}

impl TextStream<'_> {
    /// Writes the text completed by `id`, see [`StreamOf::push`](super::StreamOf::push).
    ///
    /// # Errors
    ///
    /// As [`StreamOf::push`](super::StreamOf::push).
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        any!(self, inner => inner.push(id, out))
    }

    /// Writes the rest at the end, see [`StreamOf::finish`](super::StreamOf::finish).
    ///
    /// # Errors
    ///
    /// As [`StreamOf::finish`](super::StreamOf::finish).
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        any!(self, inner => inner.finish(out))
    }
}
