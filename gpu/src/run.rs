//! Opening a device, and work on it whatever its kind.

use crate::{Gpu, Id, Info, Precision};
use a2d_core::backend::Train;
use cubecl::prelude::Runtime;

/// Something to be done on a device.
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it.
    fn go<B: Train>(self, b: &mut B) -> Self::Output;
}

/// Does `work` on a device, which computes with `precision`.
///
/// Errors, one line each: the device has gone or is of a kind that this build lacks, or has no such precision.
pub fn run<W: Work>(info: &Info, precision: Precision, work: W) -> Result<W::Output, String> {
    if !info.precisions.contains(&precision) {
        return Err(format!("{} has no {precision}", info.id));
    }
    match info.id {
        #[cfg(feature = "cuda")]
        Id::Cuda(number) => Ok(work.go(&mut cuda(number, precision))),
        #[cfg(feature = "wgpu")]
        Id::Wgpu(number) => Ok(work.go(&mut wgpu(number, precision)?)),
        #[allow(unreachable_patterns)] // where all kinds are built in
        id => Err(format!("{id} is of a kind that this build lacks")),
    }
}

/// A device of CUDA that [`crate::list`] has found: CubeCL panics where there is none.
#[cfg(feature = "cuda")]
pub fn cuda(number: u32, precision: Precision) -> Gpu<cubecl::cuda::CudaRuntime> {
    let device = cubecl::cuda::CudaDevice::new(number as usize);
    Gpu::new(cubecl::cuda::CudaRuntime::client(&device), precision)
}

/// An adapter by its place in [`crate::list`].
///
/// Errors, one line: it has gone.
#[cfg(feature = "wgpu")]
pub fn wgpu(number: u32, precision: Precision) -> Result<Gpu<cubecl::wgpu::WgpuRuntime>, String> {
    let device = crate::adapters::nth(number);
    let device =
        device.ok_or_else(|| format!("there is no device {} any more", Id::Wgpu(number)))?;
    Ok(Gpu::new(cubecl::wgpu::WgpuRuntime::client(&device), precision))
}

/// Whether this is a thread on which CubeCL drives a device. It catches panics there and goes on, with whatever is
/// in the buffers: whoever hears of one must end the program.
pub fn is_device_thread() -> bool {
    let current = std::thread::current();
    current.name().is_some_and(|name| name.starts_with("DSD-") || name.starts_with("DSU-"))
}
