//! The loops of a board, in an arena.

use super::{LAYERS, Static};
use crate::failure::Failure;
use crate::memory::Region;
use a2d_core::micro::{self, Limits, Options, TextLimits};

/// Translates one sentence at a time.
pub type Translator = micro::Translator<'static, 'static, LAYERS>;

/// A sentence in progress.
pub type Job<'t> = micro::Job<'t, 'static, LAYERS>;

/// Classifies one text at a time.
pub type Classifier = micro::Classifier<'static, 'static, LAYERS>;

/// A model.
pub struct Loaded(Static);

impl Loaded {
    /// A model, as it is.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new(model: Static) -> Result<Self, Failure> {
        Ok(Self(model))
    }

    /// The model.
    pub fn model(&self) -> Static {
        self.0
    }

    /// A translator in newly grown memory.
    ///
    /// # Errors
    ///
    /// A limit is 0, or memory cannot grow.
    pub fn open(&self, limits: Limits) -> Result<Translator, Failure> {
        let arena = Region::grow(self.0.arena_bytes(&limits)).ok_or(Failure::Memory)?;
        Ok(Translator::new(self.0, arena.into_bytes(), limits, Options::default())?)
    }

    /// A classifier in newly grown memory, which cuts texts that are too long.
    ///
    /// # Errors
    ///
    /// The model has no labels, the limit is below 2, or memory cannot grow.
    pub fn classifier(&self, limits: TextLimits) -> Result<Classifier, Failure> {
        let arena = Region::grow(self.0.text_arena_bytes(&limits)).ok_or(Failure::Memory)?;
        Ok(Classifier::new(self.0, arena.into_bytes(), limits)?.cutting())
    }
}
