//! The GPU backend: the suite that every backend passes, and the authors' values.
//!
//! On a software device, or on the one that `A2D_TEST_DEVICE` names (`cuda:0`, `wgpu:1`).

mod suite;

use a2d_gpu::{Id, Precision, list};
use a2d_tests::helpers::golden;

/// The device that tests run on.
fn device() -> Id {
    let found = list();
    let wanted = std::env::var("A2D_TEST_DEVICE").ok();
    let is_wanted = |info: &&a2d_gpu::Info| match &wanted {
        Some(name) => info.id.to_string() == *name,
        None => info.software,
    };
    let what = wanted.as_deref().unwrap_or("software device (Mesa's lavapipe is one)");
    found.devices.iter().find(is_wanted).unwrap_or_else(|| panic!("no {what}: {found:?}")).id
}

/// Runs `body` with a maker of backends on the device.
macro_rules! on_device {
    ($make:ident => $body:expr) => {
        match crate::device() {
            crate::Id::Cuda(number) => {
                let $make = || a2d_gpu::cuda(number, crate::Precision::F32);
                $body
            }
            crate::Id::Wgpu(number) => {
                let $make = || a2d_gpu::wgpu(number, crate::Precision::F32).expect("an adapter");
                $body
            }
        }
    };
}

suite!(gpu, on_device);

#[test]
fn gpu_agrees_with_the_authors() {
    on_device!(make => golden::run(make));
}
