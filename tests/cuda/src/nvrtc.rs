//! The version of an NVRTC that compiles nothing, for a copy of this library under its name.

use crate::options::options;
use std::ffi::c_int;

const SUCCESS: c_int = 0;
const INTERNAL_ERROR: c_int = 11;

/// # Safety
///
/// As NVRTC's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcVersion(major: *mut c_int, minor: *mut c_int) -> c_int {
    let Some(version) = options().compiler else { return INTERNAL_ERROR };
    unsafe { (*major, *minor) = (version / 1000, version % 1000 / 10) };
    SUCCESS
}
