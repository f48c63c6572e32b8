//! Errors of the demo.

use a2d_core::micro;

/// Why the demo failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Products of bytes or operations of floats have other results than on other targets.
    Arithmetic,
    /// The image is rejected, or the arena or the limits do not match the model.
    Begin(micro::Error),
    /// A sentence cannot be translated.
    Sentence {
        /// Its number, from 1.
        number: usize,
        /// The error of the translation.
        error: micro::Error,
    },
}

impl Error {
    /// A short description, for programs without `core::fmt`.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Arithmetic => "the target computes otherwise than others",
            Self::Begin(micro::Error::Image(_)) => "the image cannot be run",
            Self::Begin(_) => "the arena or the limits do not suit the model",
            Self::Sentence { .. } => "a sentence cannot be translated",
        }
    }
}
