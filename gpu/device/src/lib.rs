//! The names of devices and precisions, which the command line, configuration files and the GPU backend share.

#![forbid(unsafe_code)]

mod device;
mod precision;

pub use device::Device;
pub use precision::Precision;
