//! The adapters of Vulkan (Metal on a Mac), in an order that is stable while the hardware is the same.

#[cfg(feature = "wgpu")]
use super::listing::Info;
use super::listing::Listing;
#[cfg(feature = "wgpu")]
use a2d_device::{Device, Precision};
#[cfg(feature = "wgpu")]
use a2d_gemm::By;
#[cfg(feature = "wgpu")]
use cubecl::wgpu::{AutoGraphicsApi, GraphicsApi, WgpuDevice};
#[cfg(feature = "wgpu")]
use wgpu::{DeviceType, Features, Instance, InstanceDescriptor};

#[cfg(not(feature = "wgpu"))]
pub fn list(listing: &mut Listing) {
    listing.missing.push("Vulkan: not in this build".to_owned());
}

/// Adds the adapters, or the note that there is none.
#[cfg(feature = "wgpu")]
pub fn list(listing: &mut Listing) {
    let found = adapters();
    if found.iter().all(|(info, _)| info.software) {
        let api = if cfg!(target_os = "macos") { "Metal" } else { "Vulkan" };
        let adapter = if found.is_empty() { "no adapter" } else { "only a software adapter" };
        listing.missing.push(format!("{api}: {adapter}"));
    }
    listing.devices.extend(found.into_iter().map(|(info, _)| info));
}

/// CubeCL's name for the adapter of this number.
#[cfg(feature = "wgpu")]
pub fn nth(number: u32) -> Option<WgpuDevice> {
    adapters().into_iter().nth(number as usize).map(|(_, device)| device)
}

/// Each adapter with CubeCL's name for it: its kind, and its index among its kind.
#[cfg(feature = "wgpu")]
fn adapters() -> Vec<(Info, WgpuDevice)> {
    let backend = AutoGraphicsApi::backend();
    let instance = Instance::new(InstanceDescriptor {
        backends: backend.into(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let all = cubecl::future::block_on(instance.enumerate_adapters(backend.into()));
    let of = |kind, device: fn(usize) -> WgpuDevice| {
        let all = all.iter().filter(move |adapter| adapter.get_info().device_type == kind);
        all.enumerate().map(move |(place, adapter)| (adapter, device(place)))
    };
    let hardware = of(DeviceType::DiscreteGpu, WgpuDevice::DiscreteGpu)
        .chain(of(DeviceType::IntegratedGpu, WgpuDevice::IntegratedGpu))
        .chain(of(DeviceType::VirtualGpu, WgpuDevice::VirtualGpu));
    // CubeCL can open one software adapter, the first.
    let software = of(DeviceType::Cpu, |_| WgpuDevice::Cpu).take(1);
    let numbered = hardware.chain(software).enumerate();
    numbered.map(|(number, (adapter, device))| (info(number, adapter), device)).collect()
}

#[cfg(feature = "wgpu")]
fn info(number: usize, adapter: &wgpu::Adapter) -> Info {
    let info = adapter.get_info();
    let half = adapter.features().contains(Features::SHADER_F16);
    let half = half.then_some(Precision::F16);
    let id = Device::Wgpu(number as u32);
    Info {
        id,
        name: info.name,
        software: info.device_type == DeviceType::Cpu,
        memory: None,
        precisions: [Precision::F32].into_iter().chain(half).collect(),
        products: By::of(id),
        compiler: None,
    }
}
