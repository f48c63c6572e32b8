//! The CubeCL backend: training on CUDA, and on Vulkan and Metal through wgpu.
//!
//! [`list`] finds the devices, [`pick`] chooses one, [`open`] opens it as a [`Gpu`]. The operations of
//! `a2d_core::backend` are kernels in `kernels`, one family a file; matrix products come from [`a2d_gemm`]. Tensors,
//! tokens, moments and losses stay on the device.
//!
//! Only launches are generic over CubeCL's runtimes: see `context`.

#![deny(unsafe_code)]

#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
compile_error!("a2d-gpu needs the feature cuda or the feature wgpu");

mod backend;
mod beside;
pub mod compiled;
mod context;
mod devices;
mod failure;
mod gemm;
mod gradients;
mod grid;
mod group;
mod index;
mod kernels;
mod open;
mod pool;
mod rounded;
mod row;
mod stack;
mod tensor;
mod terms;
mod upload;
mod view;

pub use a2d_device::{Device, Precision};
pub use a2d_gemm::{By, Form};
pub use backend::Gpu;
pub use devices::compiler::{Compiler, Version};
pub use devices::listing::{Info, Listing};
pub use devices::{free_memory, identity, list, pick};
pub use failure::{failed, name_in_failures};
pub use group::{Seat, new_id, version as nccl};
pub use index::Index;
pub use open::{is_device_thread, is_device_thread_name, open};
pub use tensor::Tensor;
