//! Which devices there are, and which is taken.

use a2d_gpu::{Id, Info, Listing, Precision, list, pick};
use a2d_host::config;

/// A graphics card with CUDA, the same through Vulkan, and lavapipe; or fewer of them.
fn listing(devices: &[usize], missing: &[&str]) -> Listing {
    let info = |id, name: &str, software, precisions: &[Precision]| Info {
        id,
        name: name.into(),
        software,
        memory: None,
        precisions: precisions.to_vec(),
    };
    let all = [
        info(Id::Cuda(0), "NVIDIA H200", false, &Precision::ALL),
        info(Id::Wgpu(0), "NVIDIA H200", false, &[Precision::F32, Precision::F16]),
        info(Id::Wgpu(1), "llvmpipe", true, &[Precision::F32, Precision::F16]),
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
    assert_eq!(picked(&all, None), Ok(Id::Cuda(0)));
    assert_eq!(picked(&all, Some(Id::Wgpu(1))), Ok(Id::Wgpu(1)));
    assert_eq!(
        picked(&all, Some(Id::Cuda(3))),
        Err("there is no device cuda:3; there is cuda:0, wgpu:0, wgpu:1".into())
    );
    assert_eq!(picked(&listing(&[1, 2], &[]), None), Ok(Id::Wgpu(0)));
    let software = listing(&[2], &["CUDA: no NVIDIA driver (libcuda)", "Vulkan: only software"]);
    let told = picked(&software, None).unwrap_err();
    assert!(told.contains("no NVIDIA driver") && told.ends_with("--device wgpu:1"), "{told}");
    let none = listing(&[], &["CUDA: no NVIDIA driver (libcuda)", "Vulkan: no adapter"]);
    let told = picked(&none, None).unwrap_err();
    assert_eq!(told, "there is no GPU (CUDA: no NVIDIA driver (libcuda); Vulkan: no adapter)");

    let vulkan = all.pick(Some(Id::Wgpu(0))).unwrap();
    assert_eq!(all.check(&vulkan, Precision::F16), Ok(()));
    let told = all.check(&vulkan, Precision::Bf16).unwrap_err();
    assert_eq!(told, "wgpu:0 (NVIDIA H200) has no bf16, cuda:0 has; use f32");
    let told = software.check(&vulkan, Precision::Tf32).unwrap_err();
    assert!(told.contains("no device here has"), "{told}");
}

#[test]
fn looking_for_devices_panics_nowhere() {
    let Listing { devices, missing } = list();
    let cuda = devices.iter().any(|info| matches!(info.id, Id::Cuda(_)));
    assert_ne!(cuda, missing.iter().any(|text| text.starts_with("CUDA")), "{missing:?}");
    let first = devices.iter().position(|info| info.software).unwrap_or(devices.len());
    assert!(devices[first..].iter().all(|info| info.software), "software comes last");
    for info in &devices {
        assert!(info.precisions.contains(&Precision::F32), "{info:?}");
        assert_eq!(pick(Some(info.id)).as_ref(), Ok(info), "the order stays");
    }
}

#[test]
fn precisions_have_names() {
    for (name, ours) in [
        ("f32", config::Precision::F32),
        ("tf32", config::Precision::Tf32),
        ("bf16", config::Precision::Bf16),
        ("f16", config::Precision::F16),
    ] {
        let theirs: Precision = name.parse().unwrap();
        assert_eq!((ours.to_string(), theirs.to_string()), (name.into(), name.into()));
    }
    assert!("f64".parse::<Precision>().unwrap_err().contains("tf32"));
}
