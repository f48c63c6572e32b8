//! How translations are searched for.

use a2d_core::micro::Options;
use serde::{Deserialize, Serialize};

/// The settings of a beam search, as a configuration, the command line and the recipe of translations have them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BeamSearch {
    /// Hypotheses kept at every step; 1: greedy.
    pub beam: usize,
    /// Exponent of the length that a hypothesis' score is divided by.
    pub length_penalty: f64,
    /// Longest translation: this times the source's length ...
    pub max_length_a: f64,
    /// ... plus this.
    pub max_length_b: f64,
}

impl BeamSearch {
    /// A beam of 5; the rest as an embedded translator has it.
    pub const DEFAULT: Self = Self {
        beam: 5,
        length_penalty: Options::DEFAULT.length_penalty as f64,
        max_length_a: Options::DEFAULT.max_length_a,
        max_length_b: Options::DEFAULT.max_length_b,
    };
}

impl Default for BeamSearch {
    fn default() -> Self {
        Self::DEFAULT
    }
}
