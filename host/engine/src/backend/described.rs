//! What `a2d devices` says of a GPU.

use a2d_device::Device;

/// A GPU as listed by `a2d devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The name on the command line.
    pub device: Device,
    /// The product name.
    pub name: String,
    /// Whether it is a software renderer that runs on the CPU.
    pub software: bool,
    /// Memory in bytes, if the driver reports it.
    pub memory: Option<u64>,
    /// Supported precisions.
    pub precisions: Vec<String>,
    /// What computes matrix products, with its version.
    pub products: String,
    /// What compiles kernels, with its version, on CUDA.
    pub compiler: Option<String>,
}
