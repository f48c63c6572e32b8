//! What of CUDA is installed. Checked before CubeCL is used, which panics where something is missing.

#[cfg(feature = "cuda")]
use super::compiler::{Compiler, Version};
use super::listing::Listing;
#[cfg(feature = "cuda")]
use super::{listing::Info, nvrtc};
#[cfg(feature = "cuda")]
use a2d_device::{Device, Precision};
#[cfg(feature = "cuda")]
use a2d_gemm::By;

#[cfg(not(feature = "cuda"))]
pub fn list(listing: &mut Listing) {
    listing.missing.push("CUDA: not in this build".to_owned());
}

#[cfg(not(feature = "cuda"))]
pub fn free_memory(_: u32) -> Option<u64> {
    None
}

#[cfg(not(feature = "cuda"))]
pub fn identity(_: u32) -> Option<[u8; 16]> {
    None
}

/// Adds CUDA's devices, or what is missing to use them.
#[cfg(feature = "cuda")]
pub fn list(listing: &mut Listing) {
    match missing() {
        missing if !missing.is_empty() => listing.missing.extend(missing),
        _ => match devices() {
            Ok(devices) => listing.devices.extend(devices),
            Err(error) => listing.missing.push(format!("CUDA: {error}")),
        },
    }
}

/// What is not installed.
#[cfg(feature = "cuda")]
fn missing() -> Vec<String> {
    if !driver::is_there() {
        return vec!["CUDA: no NVIDIA driver (libcuda)".to_owned()];
    }
    let mut missing = Vec::new();
    if nvrtc::load(driver::version()).is_none() {
        missing.push("CUDA: no NVRTC (libnvrtc)".to_owned());
    }
    let headers = cubecl::cuda::install::cuda_path();
    if !headers.is_some_and(|path| path.join("include/cuda_runtime.h").is_file()) {
        missing.push("CUDA: no headers (cuda_runtime.h; CUDA_PATH says where)".to_owned());
    }
    missing
}

#[cfg(feature = "cuda")]
fn devices() -> Result<Vec<Info>, String> {
    let count = cudarc::driver::CudaContext::device_count().map_err(error_name)?;
    if count == 0 {
        return Err("no device".to_owned());
    }
    (0..count).map(device).collect()
}

#[cfg(feature = "cuda")]
fn device(number: i32) -> Result<Info, String> {
    let device = cudarc::driver::result::device::get(number).map_err(error_name)?;
    let (memory, capability) = driver::properties(device).map_err(error_name)?;
    let id = Device::Cuda(number as u32);
    Ok(Info {
        id,
        name: cudarc::driver::result::device::get_name(device).map_err(error_name)?,
        software: false,
        memory: Some(memory),
        precisions: match capability.0 {
            8.. => Precision::ALL.to_vec(),
            7 => vec![Precision::F32, Precision::F16],
            _ => vec![Precision::F32],
        },
        products: By::of(id),
        compiler: compiler(capability),
    })
}

#[cfg(feature = "cuda")]
fn compiler(capability: Version) -> Option<Compiler> {
    let driver = driver::version();
    let nvrtc = nvrtc::load(driver)?;
    let older = if nvrtc > driver { nvrtc::folder(driver) } else { None };
    Some(Compiler { nvrtc, driver, capability, older })
}

/// Free bytes of a device's memory.
#[cfg(feature = "cuda")]
pub fn free_memory(number: u32) -> Option<u64> {
    let context = cudarc::driver::CudaContext::new(number as usize).ok()?;
    context.mem_get_info().ok().map(|(free, _)| free as u64)
}

/// The UUID of a device.
#[cfg(feature = "cuda")]
pub fn identity(number: u32) -> Option<[u8; 16]> {
    use cudarc::driver::result::device::{get, get_uuid};
    let uuid = get(number as i32).and_then(get_uuid).ok()?;
    Some(uuid.bytes.map(|byte| byte.cast_unsigned()))
}

#[cfg(feature = "cuda")]
fn error_name(error: cudarc::driver::DriverError) -> String {
    let name = error.error_name().ok().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| format!("{error:?}"))
}

/// Calls of the driver, which are unsafe.
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
mod driver {
    use crate::devices::compiler::Version;
    use cudarc::driver::sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    use cudarc::driver::{DriverError, result, sys};

    pub fn is_there() -> bool {
        // SAFETY: loads the driver's library, which allows that at any time, and calls nothing.
        unsafe { sys::is_culib_present() }
    }

    /// The newest version of CUDA whose kernels the driver takes.
    pub fn version() -> Version {
        let mut version = 0;
        // SAFETY: the driver is there, and writes a number.
        unsafe { sys::cuDriverGetVersion(&mut version) };
        Version(version / 1000, version % 1000 / 10)
    }

    /// Bytes of memory, and the compute capability.
    pub fn properties(device: sys::CUdevice) -> Result<(u64, Version), DriverError> {
        // SAFETY: `device` comes from the driver, and all calls are queries.
        unsafe {
            let memory = result::device::total_mem(device)? as u64;
            let of = |attribute| result::device::get_attribute(device, attribute);
            Ok((memory, Version(of(MAJOR)?, of(MINOR)?)))
        }
    }
}
