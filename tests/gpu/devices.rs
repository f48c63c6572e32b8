//! Listing devices and choosing one.

use a2d_gpu::{By, Device, Info, Listing, Precision, list, pick};
use clap::ValueEnum;

/// A listing of some of: a GPU with CUDA, the same GPU through Vulkan, and lavapipe.
fn listing(devices: &[usize], missing: &[&str]) -> Listing {
    let info = |id, name: &str, software, precisions: &[Precision]| Info {
        id,
        name: name.into(),
        software,
        memory: None,
        precisions: precisions.to_vec(),
        products: By::Cubek(None),
        compiler: None,
    };
    let all = [
        info(Device::Cuda(0), "NVIDIA H200", false, &Precision::ALL),
        info(Device::Wgpu(0), "NVIDIA H200", false, &[Precision::F32, Precision::F16]),
        info(Device::Wgpu(1), "llvmpipe", true, &[Precision::F32, Precision::F16]),
    ];
    Listing {
        devices: devices.iter().map(|&i| all[i].clone()).collect(),
        missing: missing.iter().map(|&text| text.into()).collect(),
    }
}

#[test]
fn the_best_gpu_is_taken_and_software_only_by_name() {
    let all = listing(&[0, 1, 2], &[]);
    let picked = |listing: &Listing, asked| listing.pick(asked).map(|info| info.id);
    assert_eq!(picked(&all, None), Ok(Device::Cuda(0)));
    assert_eq!(picked(&all, Some(Device::Wgpu(1))), Ok(Device::Wgpu(1)));
    assert_eq!(
        picked(&all, Some(Device::Cuda(3))),
        Err("there is no device cuda:3; there is cuda:0, wgpu:0, wgpu:1".into())
    );
    assert_eq!(picked(&listing(&[1, 2], &[]), None), Ok(Device::Wgpu(0)));
    let software = listing(&[2], &["CUDA: no NVIDIA driver (libcuda)", "Vulkan: only software"]);
    let told = picked(&software, None).unwrap_err();
    assert!(told.contains("no NVIDIA driver") && told.ends_with("--device wgpu:1"), "{told}");
    let none = listing(&[], &["CUDA: no NVIDIA driver (libcuda)", "Vulkan: no adapter"]);
    let told = picked(&none, None).unwrap_err();
    assert_eq!(told, "there is no GPU (CUDA: no NVIDIA driver (libcuda); Vulkan: no adapter)");

    let vulkan = all.pick(Some(Device::Wgpu(0))).unwrap();
    assert_eq!(all.check(&vulkan, Precision::F16), Ok(()));
    let told = all.check(&vulkan, Precision::Bf16).unwrap_err();
    assert_eq!(told, "wgpu:0 (NVIDIA H200) has no bf16, cuda:0 has; use f32");
    let told = software.check(&vulkan, Precision::Tf32).unwrap_err();
    assert!(told.contains("no device here has"), "{told}");
}

#[test]
fn looking_for_devices_panics_nowhere() {
    let Listing { devices, missing } = list();
    let cuda = devices.iter().any(|info| matches!(info.id, Device::Cuda(_)));
    assert_ne!(cuda, missing.iter().any(|text| text.starts_with("CUDA")), "{missing:?}");
    let first = devices.iter().position(|info| info.software).unwrap_or(devices.len());
    assert!(devices[first..].iter().all(|info| info.software), "software comes last");
    for info in &devices {
        assert!(info.precisions.contains(&Precision::F32), "{info:?}");
        assert_eq!(pick(Some(info.id)).as_ref(), Ok(info), "the order stays");
    }
}

#[test]
fn a_missing_library_is_told_in_one_line() {
    let missing = By::Cubek(Some("there is no cuBLASLt (libcublasLt)".into()));
    let note = missing.note().unwrap();
    assert_eq!(note, "there is no cuBLASLt (libcublasLt): matrix products are computed by cubek");
    assert_eq!(missing.to_string(), "cubek");
    let there = By::CublasLt("13.5.0".into());
    assert_eq!((there.note(), there.to_string()), (None, "cuBLASLt 13.5.0".into()));
    let turned_off = By::Cubek(None);
    assert_eq!(turned_off.note(), None);
    assert_eq!(By::of(Device::Wgpu(0)), turned_off, "no other runtime misses it");
}

#[test]
fn precisions_have_names() {
    assert_eq!(Precision::ALL.map(|p| p.to_string()), ["f32", "tf32", "bf16", "f16"]);
    for precision in Precision::ALL {
        let name = precision.to_string();
        assert_eq!(Precision::from_str(&name, false), Ok(precision));
        assert_eq!(serde_json::to_value(precision).unwrap(), serde_json::json!(name));
    }
    assert!(Precision::from_str("f64", false).is_err());
}
