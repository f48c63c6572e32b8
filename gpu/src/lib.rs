//! The CubeCL backend: training on CUDA, and on Vulkan and Metal through wgpu.
//!
//! [`list`] says what devices there are, [`pick`] which one to take, [`run`] does work on it, as a [`Gpu`]: every
//! operation of `a2d_core::backend` as kernels of its own, one family a file in `kernels`; matrix products come from
//! [`a2d_gemm`]. Tensors, tokens, moments and losses stay on the device.

#![deny(unsafe_code)]

mod adapters;
mod backend;
mod cuda;
mod device;
mod failure;
mod gemm;
mod grid;
mod kernels;
mod memory;
mod row;
mod run;
mod short;
mod tensor;

pub use a2d_gemm::{Device, Precision};
pub use backend::Gpu;
pub use device::{Id, Info, Listing, free_memory, list, pick};
pub use failure::{failed, name_in_failures};
#[cfg(feature = "cuda")]
pub use run::cuda;
#[cfg(feature = "wgpu")]
pub use run::wgpu;
pub use run::{Work, is_device_thread, run};
pub use tensor::{Index, Tensor};
