//! The body of every device program: opens the image, translates the sentences step by step, writes the results.
//!
//! There is no allocator, no `core::fmt` and no path that panics, so firmware that links this crate has no panic.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod fingerprint;
mod sink;
mod summary;
mod translate;
mod verify;

pub use error::Error;
pub use fingerprint::Fingerprint;
pub use sink::{Sink, decimal, hex};
pub use summary::Summary;
pub use translate::{FEW, run};
pub use verify::verify;

use a2d_core::micro::Limits;

/// The limits of a translation; all device programs construct them here.
pub const fn limits(source: usize, target: usize, beam: usize, int8_cache: bool) -> Limits {
    Limits { source, target, beam, int8_cache }
}
