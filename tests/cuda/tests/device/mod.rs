//! Memory of the stand-in's device, for tests of its libraries.

use std::ffi::c_void;

#[allow(non_snake_case)]
unsafe extern "C" {
    fn cuMemAlloc_v2(at: *mut u64, bytes: usize) -> i32;
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: usize) -> i32;
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: usize) -> i32;
}

pub const SUCCESS: i32 = 0;

/// The stream that memory is filled on, and one that nothing runs on.
pub const STREAM: usize = 1;
pub const UNUSED: usize = 2;

/// Memory of the device for four numbers.
pub fn memory(numbers: [f32; 4]) -> u64 {
    let mut at = 0;
    // SAFETY: both pointers are valid for what is passed.
    let codes = unsafe {
        [
            cuMemAlloc_v2(&raw mut at, 16),
            cuMemcpyHtoDAsync_v2(at, numbers.as_ptr().cast(), 16, STREAM),
        ]
    };
    assert_eq!(codes, [SUCCESS; 2]);
    at
}

pub fn read(at: u64) -> [f32; 4] {
    let mut numbers = [0.0f32; 4];
    // SAFETY: there is room for what is read.
    let code = unsafe { cuMemcpyDtoHAsync_v2(numbers.as_mut_ptr().cast(), at, 16, STREAM) };
    assert_eq!(code, SUCCESS);
    numbers
}
