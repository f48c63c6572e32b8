//! Why bytes are no image.

use crate::config::Impossible;
use crate::token;
use core::fmt;

/// Why an image cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The bytes begin at an address that 4 does not divide.
    Misaligned,
    /// No image of ours.
    Foreign,
    /// Another version of the format.
    Version {
        /// That of the file.
        found: u32,
    },
    /// It ends too early.
    Truncated,
    /// The checksum is another, or the length.
    Damaged,
    /// A section is missing, or lies outside the file.
    Section {
        /// Its number.
        number: u32,
    },
    /// A configuration that describes no model.
    Config,
    /// More layers on one side than the model's type has room for.
    Layers {
        /// Of the larger side.
        found: usize,
        /// What fits.
        most: usize,
    },
    /// The weights' directory does not fit the configuration or the file.
    Directory,
    /// The lexical shortlist.
    Shortlist,
    /// The tokenizer's tables.
    Tokenizer(token::Error),
    /// The tokenizer has another number of tokens than the model.
    Vocabulary {
        /// That of the tokenizer.
        tokens: usize,
        /// That of the model, on the side that differs.
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
            Self::Version { found } => write!(
                f,
                "the image has format version {found}, this program reads {}: export it again",
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
            Self::Tokenizer(error) => write!(f, "the image's tokenizer: {error}"),
            Self::Vocabulary { tokens, model } => {
                write!(f, "the image's tokenizer has {tokens} tokens, its model {model}")
            }
        }
    }
}

impl core::error::Error for Error {}
