//! Reading a `.spm`: a protobuf message.

use a2d_system::error::{Error, Result};
use prost::{Enumeration, Message};

/// A SentencePiece model.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// The pieces, in the order of the model's own ids.
    #[prost(message, repeated, tag = "1")]
    pub pieces: Vec<Piece>,
    /// How it was trained, and cuts text.
    #[prost(message, optional, tag = "2")]
    pub trainer: Option<Trainer>,
    /// How text is normalised.
    #[prost(message, optional, tag = "3")]
    pub normalizer: Option<Normalizer>,
    /// How decoded text is changed.
    #[prost(message, optional, tag = "5")]
    pub denormalizer: Option<Normalizer>,
}

/// A piece of a model.
#[derive(Clone, PartialEq, Message)]
pub struct Piece {
    /// Its text, with `▁` for a space.
    #[prost(string, tag = "1")]
    pub text: String,
    /// Its score.
    #[prost(float, tag = "2")]
    pub score: f32,
    /// Its kind.
    #[prost(enumeration = "Kind", optional, tag = "3")]
    pub kind: Option<i32>,
}

/// The kind of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// An ordinary piece.
    Normal = 1,
    /// Stands for unknown text.
    Unknown = 2,
    /// No text.
    Control = 3,
    /// A text that is kept whole.
    UserDefined = 4,
    /// Not in use.
    Unused = 5,
    /// A byte.
    Byte = 6,
}

/// The settings of a model that do not concern normalisation.
#[derive(Clone, PartialEq, Message)]
pub struct Trainer {
    /// How text is cut.
    #[prost(enumeration = "Type", optional, tag = "3")]
    pub kind: Option<i32>,
    /// Whether the mark of a space follows a word.
    #[prost(bool, tag = "24")]
    pub whitespace_as_suffix: bool,
    /// Whether unknown characters become bytes.
    #[prost(bool, tag = "35")]
    pub byte_fallback: bool,
    /// The text of an unknown token.
    #[prost(string, optional, tag = "44")]
    pub unknown_surface: Option<String>,
}

/// How a model cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Type {
    /// By the largest sum of scores.
    Unigram = 1,
    /// By merging neighbours.
    Bpe = 2,
    /// At spaces.
    Word = 3,
    /// Into characters.
    Char = 4,
}

/// How text is normalised. A setting that is missing is on.
#[derive(Clone, PartialEq, Message)]
pub struct Normalizer {
    /// The size of a double array, the array, and normal forms.
    #[prost(bytes = "vec", tag = "2")]
    pub charsmap: Vec<u8>,
    /// Whether a mark of a space is put in front.
    #[prost(bool, optional, tag = "3")]
    pub dummy_prefix: Option<bool>,
    /// Whether spaces at both ends and repeated spaces are dropped.
    #[prost(bool, optional, tag = "4")]
    pub strip: Option<bool>,
    /// Whether spaces become `▁`.
    #[prost(bool, optional, tag = "5")]
    pub escape: Option<bool>,
}

impl Model {
    /// Reads the bytes of a `.spm`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if the bytes are not a SentencePiece model.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let foreign = |why: String| Error::misuse(format!("not a SentencePiece model: {why}"));
        let model = Self::decode(bytes).map_err(|e| foreign(e.to_string()))?;
        match model.pieces.iter().filter(|piece| piece.kind() == Kind::Unknown).count() {
            1 => Ok(model),
            count => Err(foreign(format!("{count} pieces for unknown text instead of 1"))),
        }
    }
}
