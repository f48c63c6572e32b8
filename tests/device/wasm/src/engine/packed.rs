//! Packed weights.

use super::{LAYERS, Static};
use crate::failure::Failure;
use crate::memory::place;
use a2d_core::micro::{Error, Limits, Options, TextLimits};
use a2d_packed::{Isa, Weights};

/// Translates one sentence at a time.
pub type Translator = a2d_packed::Translator<'static, LAYERS>;

/// A sentence in progress.
pub type Job<'t> = a2d_packed::Job<'t, 'static, LAYERS>;

/// Classifies one text at a time.
pub type Classifier = a2d_packed::Classifier<'static, LAYERS>;

/// A model, and its weights, packed.
pub struct Loaded {
    model: Static,
    weights: &'static Weights<'static>,
}

impl Loaded {
    /// Packs the weights of a model.
    ///
    /// # Errors
    ///
    /// Memory cannot grow.
    pub fn new(model: Static) -> Result<Self, Failure> {
        let weights = Weights::new(model, Isa::best()).map_err(|_| Failure::Memory)?;
        Ok(Self { model, weights: place(weights).ok_or(Failure::Memory)? })
    }

    /// The model.
    pub fn model(&self) -> Static {
        self.model
    }

    /// A translator over the packed weights.
    ///
    /// # Errors
    ///
    /// A limit is 0, or memory cannot grow.
    pub fn open(&self, limits: Limits) -> Result<Translator, Failure> {
        let open = Translator::new(self.model, self.weights, limits, Options::default());
        open.map_err(|error| match error {
            Error::Arena { .. } => Failure::Memory,
            error => error.into(),
        })
    }

    /// A classifier over the packed weights, which cuts texts that are too long.
    ///
    /// # Errors
    ///
    /// The model has no labels, or the limit is below 2.
    pub fn classifier(&self, limits: TextLimits) -> Result<Classifier, Failure> {
        Ok(Classifier::new(self.model, self.weights, limits)?.cutting())
    }
}
