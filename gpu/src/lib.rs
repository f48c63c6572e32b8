//! The CubeCL backend: training on CUDA, Vulkan and Metal.
//!
//! [`list`] says what devices there are, [`pick`] which one to take, [`run`] does work on it.

#![deny(unsafe_code)]

mod adapters;
mod cuda;
mod device;
mod precision;
mod run;

pub use device::{Id, Info, Listing, free_memory, list, pick};
pub use precision::Precision;
pub use run::{Work, is_device_thread, run};
