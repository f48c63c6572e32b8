//! Errors on a device.

use crate::config::Task;
use crate::{image, token};
use core::fmt;

/// Why a translation, a label or a vector failed, from opening an image to the result. `?` converts the errors of [`image`]
/// and [`token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The image is rejected.
    Image(image::Error),
    /// The arena is too small.
    Arena {
        /// The number of missing bytes.
        missing: usize,
    },
    /// The address of the arena is not a multiple of 4.
    Misaligned,
    /// The image is of a model for another task.
    Task {
        /// The task of the model.
        found: Task,
        /// The task that was asked for.
        wanted: Task,
    },
    /// A limit is too small.
    Limits,
    /// The image has no vocabulary: it translates only tokens.
    Tokenizer,
    /// The source is longer than the limit.
    TooLong {
        /// The tokens of the source, both ends included. If its text does not fit in the whole arena, a sufficient
        /// number of tokens.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A token is outside the vocabulary.
    Token {
        /// The token.
        id: u32,
    },
    /// The output is too short.
    Output {
        /// A sufficient number of bytes, or of tokens if the output is tokens.
        needed: usize,
    },
    /// The text is not UTF-8.
    Utf8 {
        /// The first byte that is not part of a character.
        at: usize,
    },
    /// Nothing was found: the weights contain NaN.
    Nothing,
    /// Shapes that do not match, or more memory than computed: a bug in this crate.
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
            Self::Task { found, wanted } => {
                let (found, wanted) = (found.name(), wanted.name());
                write!(f, "the task of the image is {found}, not {wanted}")
            }
            Self::Limits => f.write_str("a limit is too small"),
            Self::Tokenizer => f.write_str("the image has no vocabulary"),
            Self::TooLong { found, most } => {
                write!(f, "the sentence has {found} tokens, the limit is {most}")
            }
            Self::Token { id } => write!(f, "token {id} is outside the vocabulary"),
            Self::Output { needed } => write!(f, "the output is too short: {needed} are needed"),
            Self::Utf8 { at } => write!(f, "text that is not UTF-8, at byte {at}"),
            Self::Nothing => f.write_str("no result: the weights contain NaN"),
            Self::Fault => f.write_str("the model does not fit together: this is a bug"),
        }
    }
}

impl core::error::Error for Error {}
