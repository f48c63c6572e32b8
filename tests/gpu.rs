//! The GPU backend: the conformance suite and the golden cases.
//!
//! Runs on a software device, or on the one that `A2D_TEST_DEVICE` names (`cuda:0`, `wgpu:1`).

#[path = "gpu/compilers.rs"]
mod compilers;
#[path = "gpu/devices.rs"]
mod devices;
#[cfg(unix)]
#[path = "gpu/groups.rs"]
mod groups;
#[path = "gpu/kept.rs"]
mod kept;
#[path = "gpu/kernels.rs"]
mod kernels;
#[path = "gpu/precisions.rs"]
mod precisions;
mod suite;
#[path = "gpu/training.rs"]
mod training;

use a2d_core::backend::{Device as _, Train};
use a2d_core::shape::Shape;
use a2d_gpu::{Info, Precision, is_device_thread_name, list};
use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::skip::skipped;
use a2d_tests::helpers::{golden, golden_kd, gradients};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The device that tests run on.
fn device() -> Info {
    let found = list();
    let wanted = std::env::var("A2D_TEST_DEVICE").ok();
    let is_wanted = |info: &&Info| match &wanted {
        Some(name) => info.id.to_string() == *name,
        None => info.software,
    };
    let what = wanted.as_deref().unwrap_or("software device (Mesa's lavapipe is one)");
    let device = found.devices.iter().find(is_wanted);
    device.unwrap_or_else(|| panic!("no {what}: {found:?}")).clone()
}

/// Only one test at a time uses the device and its memory.
fn alone() -> MutexGuard<'static, ()> {
    static DEVICE: Mutex<()> = Mutex::new(());
    DEVICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` with a constructor of backends on the device, which takes a precision.
macro_rules! in_precision {
    ($make:ident => $body:expr) => {{
        let _alone = crate::alone();
        let device = crate::device();
        let $make = |precision| a2d_gpu::open(&device, precision).expect("a device with it");
        $body
    }};
}

/// Runs `body` with a constructor of f32 backends on the device.
macro_rules! on_device {
    ($make:ident => $body:expr) => {
        in_precision!(precise => {
            let $make = || precise(crate::Precision::F32);
            $body
        })
    };
}

suite!(gpu, on_device);

#[test]
fn gpu_agrees_with_the_authors() {
    on_device!(make => golden::run(make));
}

#[test]
fn distillation_agrees_with_the_formulas() {
    on_device!(make => {
        golden_kd::terms(make);
        golden_kd::controls(make);
        golden_kd::agreement(make);
        golden_kd::selection(make);
        golden_kd::models(make);
    });
}

#[test]
fn gradients_are_those_of_the_cpu() {
    on_device!(make => gradients::are_equal(|| Cpu::new(1), make));
}

#[test]
fn kernels_work_on_any_number_of_rows() {
    on_device!(make => kernels::work_on_any_number_of_rows(&mut make()));
}

#[test]
fn kernels_attend_with_any_heads() {
    on_device!(make => kernels::attend_with_any_heads(&mut make()));
}

/// Whether the device has no bf16, which is told.
fn lacks_bf16() -> bool {
    let lacks = !device().precisions.contains(&Precision::Bf16);
    if lacks {
        skipped("the device has no bf16");
    }
    lacks
}

#[test]
fn kernels_attend_in_bf16_as_the_cpu() {
    if lacks_bf16() {
        return;
    }
    in_precision!(make => kernels::attend_in_bf16_as_the_cpu(&mut make(Precision::Bf16)));
}

#[test]
fn kernels_project_and_attend() {
    on_device!(make => kernels::project_and_attend(&mut make()));
}

#[test]
fn kernels_project_and_attend_in_bf16_as_the_cpu() {
    if lacks_bf16() {
        return;
    }
    in_precision!(make => kernels::project_and_attend_in_bf16_as_the_cpu(&mut make(Precision::Bf16)));
}

#[test]
fn kernels_keep_caches() {
    in_precision!(make => {
        kernels::keep_caches(&mut make(Precision::F32), &mut Cpu::new(2), 3e-5);
        if device().precisions.contains(&Precision::Bf16) {
            // A number may be rounded to the other side.
            kernels::keep_caches(&mut make(Precision::Bf16), &mut Cpu::bf16(2), 1.0 / 128.0);
        }
    });
}

#[test]
fn kernels_compare_states() {
    on_device!(make => kernels::compare_states(&mut make()));
}

#[test]
fn kernels_align_many_layers() {
    on_device!(make => kernels::align_many_layers(&mut make()));
}

#[test]
fn kernels_compare_relations() {
    on_device!(make => kernels::compare_relations(&mut make()));
}

#[test]
fn kernels_take_any_vocabulary() {
    on_device!(make => kernels::take_any_vocabulary(&mut make()));
}

#[test]
fn kernels_step_several_models() {
    on_device!(make => kernels::step_several_models(&mut make()));
}

#[test]
fn kernels_step_with_gradients_in_place() {
    on_device!(make => kernels::step_with_gradients_in_place(&mut make()));
}

#[test]
fn training_follows_the_cpu() {
    on_device!(make => training::follows_the_cpu(make));
}

#[test]
fn training_goes_on_on_another_device() {
    on_device!(make => training::goes_on_on_another_device(make));
}

#[test]
fn training_takes_no_more_memory() {
    on_device!(make => training::takes_no_more_memory(make));
}

#[test]
fn products_round_their_operands() {
    in_precision!(make => for precision in device().precisions {
        precisions::round_their_operands(&mut make(precision), precision);
    });
}

#[test]
fn products_are_those_of_the_library_where_there_is_one() {
    in_precision!(make => for precision in device().precisions {
        precisions::are_of_the_library(&mut make(precision), precision);
    });
}

#[test]
fn products_leave_registers_to_a_unit() {
    in_precision!(make => for precision in device().precisions {
        let on_cuda = device().id.to_string().starts_with("cuda");
        precisions::leave_registers_to_a_unit(&make(precision), precision, on_cuda);
    });
}

#[test]
fn short_precisions_follow_single_precision() {
    let precisions = device().precisions;
    for (precision, most) in
        [(Precision::Tf32, 5e-4), (Precision::Bf16, 2e-3), (Precision::F16, 5e-3)]
    {
        if !precisions.contains(&precision) {
            skipped(&format!("the device has no {precision}"));
            continue;
        }
        in_precision!(make => {
            let (single, short) = (|| make(Precision::F32), || make(precision));
            let desk = training::short_precision_follows(single, short, most);
            if precision == Precision::Bf16 {
                training::bf16_is_that_of_the_cpu(&desk);
            }
        });
    }
}

/// A panic in one of these threads ends the program, so the names must be those that CubeCL gives.
#[test]
#[cfg(target_os = "linux")]
fn the_thread_that_drives_the_device_is_known_by_its_name() {
    on_device!(make => {
        let mut b = make();
        let x = b.tensor(&[1.0], Shape::vector(1));
        b.read(&x, &mut [0.0]).unwrap();
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default()
        };
        let names: Vec<String> = threads.map(name).collect();
        assert!(names.iter().any(|name| is_device_thread_name(name)), "{names:?}");
        assert!(!a2d_gpu::is_device_thread());
    });
}

#[test]
fn kernels_are_kept_from_process_to_process() {
    let _alone = alone();
    if !device().id.to_string().starts_with("cuda") {
        skipped("only CUDA's kernels are kept");
        return;
    }
    kept::from_process_to_process();
}

#[test]
#[ignore = "run by kernels_are_kept_from_process_to_process"]
fn a_process_compiles_a_kernel() {
    kept::compute();
}

#[test]
fn kernels_are_kept_whole_or_not_at_all() {
    kept::whole_or_not_at_all();
}

#[test]
#[cfg(unix)]
fn unused_folders_of_kernels_are_removed() {
    kept::unused_folders_are_removed();
}

#[test]
fn a_compiler_newer_than_the_driver_is_told() {
    compilers::one_newer_than_the_driver_is_told();
}

#[test]
fn the_toolkits_compiler_replaces_one_that_is_newer_than_the_driver() {
    let _alone = alone();
    compilers::the_toolkits_replaces_one_that_is_newer_than_the_driver();
}
