//! Opening a device, and work on it whatever its kind.

use crate::{Device, Gpu, Id, Info, Precision};
use a2d_core::backend::Train;
use cubecl::prelude::{ComputeClient, Runtime};

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
        Id::Cuda(number) => {
            use cubecl::cuda::{CudaDevice, CudaRuntime};
            Ok(on(CudaRuntime::client(&CudaDevice::new(number as usize)), precision, work))
        }
        #[cfg(feature = "wgpu")]
        Id::Wgpu(number) => {
            let device = crate::adapters::nth(number);
            let device =
                device.ok_or_else(|| format!("there is no device {} any more", info.id))?;
            Ok(on(cubecl::wgpu::WgpuRuntime::client(&device), precision, work))
        }
        #[allow(unreachable_patterns)] // where all kinds are built in
        id => Err(format!("{id} is of a kind that this build lacks")),
    }
}

fn on<R: Device, W: Work>(client: ComputeClient<R>, precision: Precision, work: W) -> W::Output {
    work.go(&mut Gpu::new(client, precision))
}

/// Whether this is a thread on which CubeCL drives a device. It catches panics there and goes on, with whatever is
/// in the buffers: whoever hears of one must end the program.
pub fn is_device_thread() -> bool {
    let current = std::thread::current();
    current.name().is_some_and(|name| name.starts_with("DSD-") || name.starts_with("DSU-"))
}
