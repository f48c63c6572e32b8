//! The CubeCL backend: training on CUDA, and on Vulkan and Metal through wgpu.
//!
//! [`list`] says what devices there are, [`pick`] which one to take, [`run`] does work on it. [`Gpu`] has every operation
//! of `a2d_core::backend` as kernels of its own, one family a file in `kernels`; matrix products come from `cubek`, behind
//! `gemm`. Tensors, tokens, moments and losses stay on the device.

#![deny(unsafe_code)]

mod adapters;
mod backend;
mod cuda;
mod device;
mod gemm;
mod grid;
mod kernels;
mod precision;
mod row;
mod run;
mod tensor;

pub use backend::Gpu;
pub use device::{Id, Info, Listing, free_memory, list, pick};
pub use gemm::Device;
pub use precision::Precision;
pub use run::{Work, is_device_thread, run};
pub use tensor::{Index, Tensor};

#[doc(hidden)]
pub fn software() -> Gpu<cubecl::wgpu::WgpuRuntime> {
    use cubecl::prelude::*;
    let d = cubecl::wgpu::WgpuDevice::Cpu;
    Gpu::new(cubecl::wgpu::WgpuRuntime::client(&d), Precision::F32)
}
