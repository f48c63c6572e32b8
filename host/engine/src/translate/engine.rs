//! The two kinds of models that translate lines: a run on a backend, and an image.

use super::image::Runner;
use super::packed::Arithmetic;
use super::{SearchOptions, Translated, Translator, Watch, search_lines};
use a2d_core::backend::Train;
use a2d_system::error::Result;
use a2d_system::hash;
use serde_json::{Value, json};
use std::path::Path;

/// A model that translates lines.
pub trait Engine {
    /// What tells this model from others.
    fn recipe(&self) -> Value;

    /// Length of the longest source sentence in training, in tokens, if known.
    fn longest(&self) -> Option<usize>;

    /// Translates lines; `done` is called with the number of finished lines. A line may have no translation.
    ///
    /// # Errors
    ///
    /// The device was lost; the errors of `done`.
    fn translate(
        &mut self,
        lines: &[&str],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Translated>;
}

/// A run's best checkpoint on a backend.
pub struct Run<'a, B: Train> {
    /// The backend.
    b: &'a mut B,
    translator: Translator<B::Tensor>,
}

impl<'a, B: Train> Run<'a, B> {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    ///
    /// As [`Translator::open`].
    pub fn open(b: &'a mut B, folder: &Path) -> Result<Self> {
        let translator = Translator::open(b, folder)?;
        Ok(Self { b, translator })
    }
}

impl<B: Train> Engine for Run<'_, B> {
    fn recipe(&self) -> Value {
        json!({ "model": self.translator.fingerprint })
    }

    fn longest(&self) -> Option<usize> {
        self.translator.longest
    }

    fn translate(
        &mut self,
        lines: &[&str],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Translated> {
        let Translator { model, vocab, .. } = &self.translator;
        search_lines(self.b, model, vocab, lines, options, done)
    }
}

/// An image in the arithmetic of a board.
pub struct Image<'a> {
    runner: Runner<'a>,
    fingerprint: String,
}

impl<'a> Image<'a> {
    /// Reads the bytes of an image; `path` is its name in messages.
    ///
    /// # Errors
    ///
    /// As [`Runner::new`].
    pub fn new(path: &Path, bytes: &'a [u8], arithmetic: Arithmetic) -> Result<Self> {
        let runner = Runner::new(path, bytes, arithmetic)?;
        Ok(Self { runner, fingerprint: hash::hex(hash::bytes(bytes)) })
    }
}

impl Engine for Image<'_> {
    fn recipe(&self) -> Value {
        json!({ "image": self.fingerprint, "int8_cache": self.runner.packed.arithmetic.int8_cache })
    }

    fn longest(&self) -> Option<usize> {
        self.runner.longest()
    }

    fn translate(
        &mut self,
        lines: &[&str],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Translated> {
        self.runner.search(lines, options, done)
    }
}
