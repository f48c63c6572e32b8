//! Work that any backend can do.

use a2d_core::backend::Train;
use a2d_system::error::Result;

/// Something to be done on whichever backend was chosen.
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it.
    fn go<B: Train>(self, b: &mut B) -> Result<Self::Output>;
}
