//! Why there is no translation.

use a2d_core::{image, micro};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The image cannot be run.
    Image(image::Error),
    /// The arena or the limits do not suit the model.
    Translator(micro::Error),
    /// A sentence cannot be translated.
    Sentence {
        /// Its number, from 1.
        number: usize,
        /// Why.
        error: micro::Error,
    },
}

impl Error {
    /// The failure in a few words, for where there is no formatting.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Image(_) => "the image cannot be run",
            Self::Translator(_) => "the arena or the limits do not suit the model",
            Self::Sentence { .. } => "a sentence cannot be translated",
        }
    }
}
