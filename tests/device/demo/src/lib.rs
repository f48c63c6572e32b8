//! The body of every device program: opens the image, translates the sentences step by step, writes the results. With the
//! feature `text` the image is of a classifier, and the sentences are classified.
//!
//! There is no allocator, no `core::fmt` and no path that panics, so firmware that links this crate has no panic.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "text")]
mod classify;
mod error;
mod fingerprint;
mod sink;
mod summary;
#[cfg(not(feature = "text"))]
mod translate;
mod verify;

#[cfg(feature = "text")]
pub use classify::{Limits, UNIT, record, run};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use sink::{Sink, decimal, hex};
pub use summary::{FEW, Summary};
#[cfg(not(feature = "text"))]
pub use translate::{Limits, UNIT, limits, run};
pub use verify::verify;
