//! Opening a device.

use crate::{Device, Gpu, Info, Precision};
use a2d_gemm::Client;
use cubecl::prelude::Runtime;

/// Opens a device that [`crate::list`] has found; its matrix products round their operands to `precision`.
///
/// # Errors
///
/// One line: the device lacks the precision, is gone, or is of a kind that this build lacks.
pub fn open(info: &Info, precision: Precision) -> Result<Gpu, String> {
    if !info.precisions.contains(&precision) {
        return Err(format!("{} has no {precision}", info.id));
    }
    Ok(Gpu::new(client(info.id)?, info.id, precision))
}

/// CubeCL panics for a CUDA device that is not there, so the device must be one that was found.
pub(crate) fn client(device: Device) -> Result<Client, String> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => {
            let device = cubecl::cuda::CudaDevice::new(number as usize);
            Ok(Client::Cuda(a2d_gemm::CudaRuntime::client(&device)))
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu(number) => {
            let found = crate::devices::adapters::nth(number);
            let found = found.ok_or_else(|| format!("there is no device {device} any more"))?;
            Ok(Client::Wgpu(a2d_gemm::WgpuRuntime::client(&found)))
        }
        device => Err(format!("{device} is of a kind that this build lacks")),
    }
}

/// Whether the current thread is one on which CubeCL drives a device. CubeCL catches panics there and continues with
/// undefined buffers, so the program must end on a panic of such a thread.
pub fn is_device_thread() -> bool {
    std::thread::current().name().is_some_and(is_device_thread_name)
}

/// Whether a thread of this name is one of [`is_device_thread`]. CubeCL names them `DSD-` or `DSU-` and a device.
pub fn is_device_thread_name(name: &str) -> bool {
    name.starts_with("DSD-") || name.starts_with("DSU-")
}
