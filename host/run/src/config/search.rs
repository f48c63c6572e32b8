//! The settings of beam search.

use a2d_core::micro::Options;
use serde::{Deserialize, Serialize};

/// The settings of a beam search, shared by configuration, command line and stored translations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BeamSearch {
    /// Beam size: hypotheses kept at every step; 1 is greedy search.
    pub beam: usize,
    /// Length penalty: hypothesis scores are divided by length to this power.
    pub length_penalty: f64,
    /// Longest translation: this times the source's length ...
    pub max_length_a: f64,
    /// ... plus this.
    pub max_length_b: f64,
}

impl BeamSearch {
    /// A beam of 5. The other values are the core's defaults.
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
