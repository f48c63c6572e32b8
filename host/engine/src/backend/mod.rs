//! The devices that a command can compute on.

pub mod described;
pub mod device;
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
pub mod gpu;
#[cfg(feature = "gpu")]
pub mod kernels;
pub mod work;

pub use a2d_cpu as cpu;
