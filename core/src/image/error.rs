//! Errors of an image.

use crate::config::{Impossible, TEXT};
use crate::token;
use core::fmt;

/// Why an image is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The address of the bytes is not a multiple of 4.
    Misaligned,
    /// The bytes are not an image.
    Foreign,
    /// The image has another version of the format.
    Version {
        /// The version of the file.
        found: u32,
    },
    /// The file is too short.
    Truncated,
    /// The checksum or the length is wrong.
    Damaged,
    /// A section is missing, or outside the file.
    Section {
        /// The section's number.
        number: u32,
    },
    /// The configuration is invalid.
    Config,
    /// More layers than the capacity of the model's type.
    Layers {
        /// The layers of the larger stack.
        found: usize,
        /// The capacity.
        most: usize,
    },
    /// The directory does not match the configuration or the file.
    Directory,
    /// The lexical shortlist is damaged.
    Shortlist,
    /// The names of labels are damaged, or the model has another number of labels.
    Labels,
    /// The tokenizer's tables are invalid.
    Tokenizer(token::Error),
    /// Tokenizer and model have different numbers of tokens.
    Vocabulary {
        /// The tokens of the tokenizer.
        tokens: usize,
        /// The vocabulary of the model, source or target.
        model: usize,
    },
}

impl From<token::Error> for Error {
    fn from(error: token::Error) -> Self {
        Self::Tokenizer(error)
    }
}

impl From<Impossible> for Error {
    fn from(impossible: Impossible) -> Self {
        match impossible {
            Impossible::Layers { layers, most, .. } => Self::Layers { found: layers, most },
            _ => Self::Config,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => f.write_str("the image is misaligned: 4 must divide its address"),
            Self::Foreign => f.write_str("not an image of a model"),
            Self::Version { found: 3 } if !TEXT => {
                f.write_str("the image is of a text model: this program lacks the feature `text`")
            }
            Self::Version { found } => write!(
                f,
                "the image has format version {found}, this program reads up to {}: export it again",
                super::VERSION
            ),
            Self::Truncated => f.write_str("the image is cut short"),
            Self::Damaged => f.write_str("the image is damaged: its checksum or length is wrong"),
            Self::Section { number } => write!(f, "the image has no usable section {number}"),
            Self::Config => f.write_str("the image's configuration describes no model"),
            Self::Layers { found, most } => {
                write!(f, "the image has {found} layers, there is room for {most}")
            }
            Self::Directory => f.write_str("the image's weights do not fit its configuration"),
            Self::Shortlist => f.write_str("the image's shortlist is damaged"),
            Self::Labels => f.write_str("the image's names of labels are damaged"),
            Self::Tokenizer(error) => write!(f, "the image's tokenizer: {error}"),
            Self::Vocabulary { tokens, model } => {
                write!(f, "the image's tokenizer has {tokens} tokens, its model {model}")
            }
        }
    }
}

impl core::error::Error for Error {}
