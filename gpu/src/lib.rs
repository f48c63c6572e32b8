//! The CubeCL backend: training on CUDA, and on Vulkan, Metal and DX12 through wgpu.
//!
//! [`Gpu`] has every operation of `a2d_core::backend` as kernels of its own, one family a file in `kernels`; matrix
//! products come from `cubek`, behind `gemm`. Tensors, tokens, moments and losses stay on the device.

#![deny(unsafe_code)]

mod backend;
mod gemm;
mod grid;
mod kernels;
mod row;
mod tensor;

pub use backend::Gpu;
pub use a2d_gemm::{Device, Precision};
pub use tensor::{Index, Tensor};

#[doc(hidden)]
pub fn software() -> Gpu<cubecl::wgpu::WgpuRuntime> {
    use cubecl::prelude::*;
    let d = cubecl::wgpu::WgpuDevice::Cpu;
    Gpu::new(cubecl::wgpu::WgpuRuntime::client(&d), Precision::F32)
}
