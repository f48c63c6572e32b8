//! What every device program does: open the image, translate the sentences a step at a time, write what was found.
//!
//! There is no allocator, no `core::fmt` and no path that panics, so a firmware that links this has no panic in it.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod fingerprint;
mod sink;
mod summary;
mod translate;

pub use error::Error;
pub use fingerprint::Fingerprint;
pub use sink::{Sink, decimal, hex};
pub use summary::Summary;
pub use translate::{FEW, run};

use a2d_core::micro::Limits;

/// The limits of a translation: the only place of these programs where they are put together.
pub const fn limits(source: usize, target: usize, beam: usize, int8_cache: bool) -> Limits {
    Limits { source, target, beam, int8_cache }
}
