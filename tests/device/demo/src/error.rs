//! Why there is no translation.

use a2d_core::micro;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The image cannot be run, or the arena or the limits do not suit it.
    Begin(micro::Error),
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
            Self::Begin(micro::Error::Image(_)) => "the image cannot be run",
            Self::Begin(_) => "the arena or the limits do not suit the model",
            Self::Sentence { .. } => "a sentence cannot be translated",
        }
    }
}
