//! A stand-in for the CUDA driver (libcuda), cuBLASLt and NCCL: the part of their API that CubeCL and the GPU backend call, and
//! an interpreter of PTX that runs kernels on the CPU. With the real NVRTC, every kernel of the CUDA backend is compiled as for
//! a GPU and runs exactly: in its precisions, with tensor core instructions, in its memory spaces.
//!
//! It is stricter than a GPU. Instructions that it does not know fail to load. All bits of memory are set (NaN) until
//! it is written. Every access must be aligned and lie in an allocation. Matrix products need all lanes. A fault is
//! reported with its kernel, instruction, address, block and thread, and is sticky, as on a device. Speed is not
//! modelled, and approximate functions are more accurate than on a device.
//!
//! Environment variables:
//!
//! - `A2D_CUDA_RUN=0`: count kernels without running them; memory is zeros, allocated when touched.
//! - `A2D_CUDA_TRAFFIC=1`: with both, report the bytes that each launch moves, counted on some of its blocks.
//! - `A2D_CUDA_CAPABILITY=80`: ten times the compute capability (90).
//! - `A2D_CUDA_VERSION=12040`: the version of CUDA that the driver takes kernels of (13050).
//! - `A2D_CUDA_NVRTC=99000`: the version that a copy of this library tells under the name of NVRTC; it is broken without.
//! - `A2D_CUDA_PTX=FOLDER`: write the text of every module there.
//! - `A2D_CUDA_LOG=1`: report allocations, uploads and launches.
//! - `A2D_CUDA_CHECK=1`: report races in shared and global memory, and writes to memory read as constant. Slow.
//! - `A2D_CUDA_REVERSE=1`: run blocks and warps in reverse order.
//! - `A2D_CUDA_THREADS=N`: number of interpreter threads; by default all cores.
//! - `A2D_CUDA_MEMORY=BYTES`: memory of a device (80 GiB); allocations beyond it fail.
//! - `A2D_CUDA_DEVICES=N`: number of devices (1).
//! - `A2D_CUDA_PRODUCTS=0`: cuBLASLt has no algorithm for any product.
//! - `A2D_CUDA_FAIL=N`: the Nth launch and everything after it fails, as on a lost device.

mod driver;
pub mod float;
pub mod lt;
pub mod machine;
pub mod memory;
pub mod nccl;
mod nvrtc;
mod options;
pub mod ptx;
