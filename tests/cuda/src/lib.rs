//! A stand-in for CUDA's driver (libcuda): as much of its interface as CubeCL calls, and an interpreter of PTX that
//! runs kernels on the processor. With the real NVRTC, every kernel of the CUDA backend is compiled as for a graphics
//! card, and run as exactly: in its precisions, through its tensor cores' instructions, in its memory spaces.
//!
//! It is strict where a graphics card is not: what it does not understand fails to load; memory holds no numbers
//! before it is written (all bits are set); every access has to lie in an allocation and be aligned; products of
//! matrices need all lanes. A fault is told with its kernel, instruction, address, block and thread, and stays, as a
//! device's does. It is no model of speed, and rounds approximate functions better than a device.
//!
//! The environment says how:
//!
//! - `A2D_CUDA_RUN=0`: kernels are counted and not run; memory is zeros that cost nothing until they are touched.
//! - `A2D_CUDA_PTX=FOLDER`: every module's text is written there.
//! - `A2D_CUDA_LOG=1`: allocations, uploads and launches are told.
//! - `A2D_CUDA_CHECK=1`: tells where warps of a block access the same shared memory with no barrier between them,
//!   where blocks access the same global memory, and where a kernel writes what it reads as constant. Slow.
//! - `A2D_CUDA_REVERSE=1`: blocks and warps take turns from the last one on.
//! - `A2D_CUDA_THREADS=N`: how many threads interpret; all of the processor's otherwise.
//! - `A2D_CUDA_MEMORY=BYTES`: what a device has (80 GiB); allocations beyond it fail.
//! - `A2D_CUDA_DEVICES=N`: how many devices there are (1).
//! - `A2D_CUDA_FAIL=N`: the Nth launch fails, and everything after it: a device that is lost.

mod driver;
pub mod float;
pub mod machine;
pub mod memory;
mod options;
pub mod ptx;
