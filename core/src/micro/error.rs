//! What can go wrong on a device.

use crate::{image, token};
use core::fmt;

/// Why a translation was not made: all that can go wrong from an image to a text. Errors of [`image`] and of [`token`]
/// become it by `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The image cannot be run.
    Image(image::Error),
    /// The arena is too small.
    Arena {
        /// Bytes that are missing.
        missing: usize,
    },
    /// The arena begins at an address that 4 does not divide.
    Misaligned,
    /// A limit is 0.
    Limits,
    /// The image has no vocabulary: only tokens can be translated.
    Tokenizer,
    /// The sentence is longer than the limit.
    TooLong {
        /// Its tokens, the end of the sentence included; of a text that has no room even in the whole arena, what
        /// would be enough.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A token that the vocabulary does not have.
    Token {
        /// The token.
        id: u32,
    },
    /// The output is too short.
    Output {
        /// Bytes that are enough; tokens, where tokens were asked for.
        needed: usize,
    },
    /// The text is not UTF-8.
    Utf8 {
        /// The first byte that belongs to no character.
        at: usize,
    },
    /// Nothing was found: the weights are no numbers.
    Nothing,
    /// Shapes that do not fit, or more memory than was counted: a bug, not the caller's.
    Fault,
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        Self::Image(error)
    }
}

impl From<token::Error> for Error {
    fn from(error: token::Error) -> Self {
        match error {
            token::Error::Room { needed } => Self::Output { needed },
            token::Error::Token(id) => Self::Token { id },
            token::Error::Utf8 { at } => Self::Utf8 { at },
            tables => Self::Image(tables.into()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => error.fmt(f),
            Self::Arena { missing } => write!(f, "the arena is {missing} bytes too small"),
            Self::Misaligned => f.write_str("the arena is misaligned: 4 must divide its address"),
            Self::Limits => f.write_str("a limit is 0"),
            Self::Tokenizer => f.write_str("the image has no vocabulary"),
            Self::TooLong { found, most } => {
                write!(f, "the sentence has {found} tokens, the limit is {most}")
            }
            Self::Token { id } => write!(f, "token {id} is outside the vocabulary"),
            Self::Output { needed } => write!(f, "the output is too short: {needed} are needed"),
            Self::Utf8 { at } => write!(f, "text that is not UTF-8, at byte {at}"),
            Self::Nothing => f.write_str("nothing was found: the weights are no numbers"),
            Self::Fault => f.write_str("the model does not fit together: this is a bug"),
        }
    }
}

impl core::error::Error for Error {}
