//! Text models in images, in the arithmetic of a board.

use super::{Read, reader};
use crate::translate::Watch;
use crate::translate::image::{composed, model};
use crate::translate::packed::Arithmetic;
use a2d_core::config::{Head, Output};
use a2d_core::micro::{Error as Fault, Model, TextLimits};
use a2d_core::token::Vocabulary;
use a2d_packed::{Classifier, Embedder, Weights};
use a2d_run::model::MOST_LAYERS;
use a2d_system::error::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// A text model in an image, with packed weights.
pub struct TextImage<'a> {
    model: Model<'a, MOST_LAYERS>,
    weights: Weights<'a>,
    vocabulary: Vocabulary<'a>,
    int8_cache: bool,
}

impl<'a> TextImage<'a> {
    /// Reads the bytes of an image, and packs its weights.
    ///
    /// # Errors
    ///
    /// Misuse: the image is damaged, has no vocabulary, or translates. There is not enough memory.
    pub fn new(path: &Path, bytes: &'a [u8], arithmetic: Arithmetic) -> Result<Self> {
        let model = model(path, bytes)?;
        if model.config().head.is_none() {
            let text = "is an image that translates: it has neither labels nor vectors of texts";
            return Err(Error::misuse(format!("{} {text}", path.display())));
        }
        let lacks = || Error::misuse(format!("{}: the image has no vocabulary", path.display()));
        let vocabulary = *model.source().ok_or_else(lacks)?;
        let weights = Weights::new(&model, arithmetic.isa);
        let weights = weights.map_err(|e| Error::failed(e.to_string()))?;
        Ok(Self { model, weights, vocabulary, int8_cache: arithmetic.int8_cache })
    }

    /// The model.
    pub fn model(&self) -> &Model<'a, MOST_LAYERS> {
        &self.model
    }

    /// The names of the labels; empty for a model of vectors.
    pub fn labels(&self) -> Vec<String> {
        let labels = self.model.image().labels();
        let count = self.model.config().target_vocabulary;
        let name = |i| labels.as_ref().and_then(|of| of.get(i)).map(str::to_owned);
        (0..count).map_while(name).collect()
    }

    /// Reads lines, those that are too long cut. `done` is called with the number of texts that were just finished.
    ///
    /// # Errors
    ///
    /// The weights contain NaN; the errors of `done`.
    pub fn read_lines<S: AsRef<str> + Sync>(&self, lines: &[S], done: &Watch<'_>) -> Result<Read> {
        let limits = TextLimits {
            tokens: reader::longest(self.model.transformer()),
            int8_cache: self.int8_cache,
        };
        let Some(Head { output, .. }) = self.model.config().head else {
            return Err(Error::failed("a model without a head"));
        };
        let rows: Result<Vec<(Vec<f32>, bool)>> = match output {
            Output::Labels(_) => self.each(lines, done, output.width(), || {
                let mut classifier = Classifier::new(&self.model, &self.weights, limits)?.cutting();
                Ok(move |line: &str, row: &mut [f32]| {
                    let cut = classifier.classify(line, row)?.cut;
                    // The softmax of logarithms of probabilities is the probabilities.
                    row.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
                    Ok(cut)
                })
            }),
            Output::Vector(_) => self.each(lines, done, output.width(), || {
                let mut embedder = Embedder::new(&self.model, &self.weights, limits)?.cutting();
                Ok(move |line: &str, row: &mut [f32]| embedder.embed(line, row))
            }),
        };
        let rows = rows?;
        let cut = rows.iter().filter(|(_, cut)| *cut).count();
        let values = rows.into_iter().flat_map(|(row, _)| row).collect();
        Ok(Read { width: output.width(), values, cut })
    }

    /// The row of each line, and whether it was cut, by readers of which each thread makes one.
    fn each<S: AsRef<str> + Sync, F: FnMut(&str, &mut [f32]) -> Result<bool, Fault>>(
        &self,
        lines: &[S],
        done: &Watch<'_>,
        width: usize,
        reader: impl Fn() -> Result<F, Fault> + Sync,
    ) -> Result<Vec<(Vec<f32>, bool)>> {
        let fault = |e: Fault| Error::failed(e.to_string());
        let read = |made: &mut Result<F, Fault>, line: &S| {
            let (mut buffer, mut row) = (String::new(), vec![0.0; width]);
            let line = composed(&self.vocabulary, line.as_ref(), &mut buffer);
            let cut = match made {
                Ok(read) => read(line, &mut row).map_err(fault)?,
                Err(e) => return Err(fault(*e)),
            };
            done(1)?;
            Ok((row, cut))
        };
        lines.par_iter().with_min_len(16).map_init(&reader, read).collect()
    }
}
