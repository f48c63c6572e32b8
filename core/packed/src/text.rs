//! Classification and embedding of one text at a time, as [`a2d_core::micro::TextReader`] does it.

use crate::backend::Packed;
use crate::source::{Fit, encoded, grid, tokens};
use crate::tensor::Tensor;
use crate::weights::Weights;
use a2d_core::backend::Device;
use a2d_core::batch::{NO_POSITION, Run, Tokens};
use a2d_core::config::token::BOS;
use a2d_core::micro::{Becomes, Error, Label, Model, TextLimits, ToLabel, ToVector};
use a2d_core::rows;
use core::marker::PhantomData;

/// Reads texts one after the other, with the bits of [`a2d_core::micro::TextReader`].
pub struct TextReader<'w, T, const N: usize = 6> {
    model: &'w Model<'w, N>,
    backend: Packed<'w>,
    fit: Fit,
    becomes: PhantomData<T>,
}

/// Finds the labels of texts.
pub type Classifier<'w, const N: usize = 6> = TextReader<'w, ToLabel, N>;

/// Finds the vectors of texts.
pub type Embedder<'w, const N: usize = 6> = TextReader<'w, ToVector, N>;

impl<'w, T: Becomes, const N: usize> TextReader<'w, T, N> {
    /// A reader with the packed weights of the model.
    ///
    /// # Errors
    ///
    /// The model is for another task, or the limit is below 2.
    pub fn new(
        model: &'w Model<'w, N>,
        weights: &'w Weights<'w>,
        limits: TextLimits,
    ) -> Result<Self, Error> {
        let (found, wanted) = (model.config().task(), T::TASK);
        if found != wanted {
            return Err(Error::Task { found, wanted });
        }
        let fit = Fit { most: model.config().most_tokens(limits.tokens), ends: 2, cuts: false };
        if fit.most < fit.ends {
            return Err(Error::Limits);
        }
        let backend = Packed::new(weights).packing(limits.int8_cache);
        Ok(Self { model, backend, fit, becomes: PhantomData })
    }

    /// Cuts texts that are too long.
    #[must_use]
    pub fn cutting(mut self) -> Self {
        self.fit.cuts = true;
        self
    }

    /// The output of the model for a text without BOS and EOS, and whether it was cut.
    fn read(&mut self, text: &[u32]) -> Result<(Tensor, bool), Error> {
        let (text, cut) = self.fit.apply(self.model, text)?;
        let (b, model) = (&mut self.backend, self.model.transformer());
        let head = model.config.head.ok_or(Error::Fault)?;
        let source = tokens(b, &[&[BOS], text, &[model.config.special.eos]].concat());
        let run = Run { start: 0, len: source.rows, valid: source.rows };
        let own = grid(b, run, run);
        let memory = model.encode(b, &source, &own, &mut ());
        let query = Run { start: 0, len: 1, valid: 1 };
        let (ids, positions) = (b.index(&[model.config.special.pad]), b.index(&[NO_POSITION]));
        let queries = Tokens { ids, positions, rows: 1, types: None, zero_padding: true, first: 0 };
        let cross = grid(b, query, run.pooled(head.pooling));
        let pooled = model.pool(b, &queries, &memory, &cross).ok_or(Error::Fault)?;
        Ok((model.vectors(b, pooled), cut))
    }
}

/// Copies the output of a model to the front of `out`.
fn copied<'o>(found: &Tensor, out: &'o mut [f32]) -> Result<&'o mut [f32], Error> {
    let found = found.values();
    let out = out.get_mut(..found.len()).ok_or(Error::Output { needed: found.len() })?;
    out.copy_from_slice(found);
    Ok(out)
}

impl<'w, const N: usize> Classifier<'w, N> {
    /// The label of a text, as [`a2d_core::micro::TextReader::classify`].
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, the text is too long, `probabilities` has fewer elements than there are labels, or the
    /// weights contain NaN.
    pub fn classify(&mut self, text: &str, probabilities: &mut [f32]) -> Result<Label<'w>, Error> {
        let text = encoded(self.model, text)?;
        self.classify_tokens(&text, probabilities)
    }

    /// [`TextReader::classify`] of tokens, without BOS and EOS.
    ///
    /// # Errors
    ///
    /// As [`TextReader::classify`]; a token is outside the vocabulary.
    pub fn classify_tokens(
        &mut self,
        text: &[u32],
        probabilities: &mut [f32],
    ) -> Result<Label<'w>, Error> {
        let (logits, cut) = self.read(text)?;
        let probabilities = copied(&logits, probabilities)?;
        rows::softmax(probabilities);
        let (number, probability) = rows::most(probabilities).ok_or(Error::Nothing)?;
        let labels = self.model.image().labels();
        let name = labels.and_then(|labels| labels.get(number)).unwrap_or_default();
        Ok(Label { number, name, probability, cut })
    }
}

impl<const N: usize> Embedder<'_, N> {
    /// Writes the vector of a text, of length 1, to the front of `vector`. Returns whether the text was cut.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, the text is too long, `vector` is shorter than that of the model, or the weights contain
    /// NaN.
    pub fn embed(&mut self, text: &str, vector: &mut [f32]) -> Result<bool, Error> {
        let text = encoded(self.model, text)?;
        self.embed_tokens(&text, vector)
    }

    /// [`TextReader::embed`] of tokens, without BOS and EOS.
    ///
    /// # Errors
    ///
    /// As [`TextReader::embed`]; a token is outside the vocabulary.
    pub fn embed_tokens(&mut self, text: &[u32], vector: &mut [f32]) -> Result<bool, Error> {
        let (found, cut) = self.read(text)?;
        rows::unit(copied(&found, vector)?).ok_or(Error::Nothing)?;
        Ok(cut)
    }
}
