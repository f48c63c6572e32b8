//! What computes: the loops of a board, or packed weights.

use a2d_core::micro::Model;

#[cfg(not(feature = "packed"))]
#[path = "board.rs"]
mod one;
#[cfg(feature = "packed")]
#[path = "packed.rs"]
mod one;

pub use one::{Classifier, Job, Loaded, Translator};

/// Layers of the largest model, on each side.
pub const LAYERS: usize = 12;

/// A model that outlives all calls.
type Static = &'static Model<'static, LAYERS>;
