//! The devices of this machine.

pub(crate) mod adapters;
#[cfg(feature = "cuda")]
#[cfg_attr(not(target_os = "linux"), path = "no_alias.rs")]
#[allow(unsafe_code)]
mod alias;
pub(crate) mod compiler;
mod cuda;
pub(crate) mod listing;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
mod nvrtc;

use a2d_device::Device;
use listing::{Info, Listing};

/// Finds the devices; never panics, whatever is not installed.
pub fn list() -> Listing {
    let mut listing = Listing::default();
    cuda::list(&mut listing);
    adapters::list(&mut listing);
    listing
}

/// [`Listing::pick`] on this machine's devices.
///
/// # Errors
///
/// Those of [`Listing::pick`].
pub fn pick(asked: Option<Device>) -> Result<Info, String> {
    list().pick(asked)
}

/// Free bytes of a device's memory, where the driver reports them.
pub fn free_memory(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(number) => cuda::free_memory(number),
        Device::Cpu | Device::Wgpu(_) => None,
    }
}

/// What tells a device from all others, on any machine; none where the driver does not say.
pub fn identity(device: Device) -> Option<[u8; 16]> {
    match device {
        Device::Cuda(number) => cuda::identity(number),
        Device::Cpu | Device::Wgpu(_) => None,
    }
}
