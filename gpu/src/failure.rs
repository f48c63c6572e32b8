//! Why a device failed, in one line that names it: CubeCL reports the failure where a result is read, with a backtrace
//! and the kernel's source.

use crate::Info;
use a2d_core::backend::Lost;
use cubecl::server::{LaunchError, ServerError};
use std::sync::OnceLock;

/// Number and name of the device in use.
static IN_USE: OnceLock<String> = OnceLock::new();

/// The first failure; others follow from it.
static FIRST: OnceLock<String> = OnceLock::new();

/// Names the device that failures are reported of, once.
pub fn name_in_failures(info: &Info) {
    IN_USE.get_or_init(|| format!("{}, {}", info.id, info.name));
}

/// A failure of the device in use, for this reason.
pub fn failed(why: &str) -> String {
    format!("the GPU ({}) failed: {why}", IN_USE.get().map_or("none", String::as_str))
}

/// The first failure, from what CubeCL reports.
pub(crate) fn lost(error: ServerError) -> Lost {
    lost_for(&reason(&error))
}

/// The first failure, which is this one if there was none.
pub(crate) fn lost_for(why: &str) -> Lost {
    Lost(FIRST.get_or_init(|| failed(why)))
}

fn reason(error: &ServerError) -> String {
    match error {
        ServerError::ServerUnhealthy { errors, .. } if !errors.is_empty() => reason(&errors[0]),
        ServerError::Generic { reason, .. }
        | ServerError::Launch(
            LaunchError::OutOfMemory { reason, .. } | LaunchError::Unknown { reason, .. },
        ) => first_line(reason),
        ServerError::Launch(LaunchError::CompilationError(error)) => {
            compilation(&error.to_string())
        }
        other => causes(&other.to_string()),
    }
}

/// What a compiler says, and of which kernel.
fn compilation(text: &str) -> String {
    let said = text.lines().find(|line| line.contains("error:"));
    let said = said.map_or_else(|| causes(text), |line| line.trim().to_owned());
    match entry(text) {
        Some(kernel) => format!("the kernel {kernel} does not compile: {said}"),
        None => format!("a kernel does not compile: {said}"),
    }
}

/// The name of the kernel whose source `text` has in CUDA's C++: the last word before its parameters, which begin a line.
fn entry(text: &str) -> Option<&str> {
    let (_, declared) = text.rsplit_once("__global__")?;
    let before = declared.lines().next()?.trim_end_matches(['(', ' ']);
    before.rsplit([')', ' ']).next().filter(|name| !name.is_empty())
}

/// The line after the last "Caused by:", or the first.
fn causes(text: &str) -> String {
    let text = text.split("Backtrace").next().unwrap_or_default();
    first_line(text.rsplit("Caused by:").next().unwrap_or(text))
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown cause").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NVRTC: &str =
        "An error caused the compilation to fail\nCaused by:\n  [Compilation Error] 
    default_program(1): catastrophic error: #error directive: broken header
    default_program(9): error: two errors
[Source]  
#include <cuda_bf16.h>
// what a __global__ function may call
__device__ int make(int);
extern \"C\" __global__ void __launch_bounds__(256)cast_kernel_f_bf16 (
  float const* a) {}
Backtrace:\nfrom here";

    #[test]
    fn a_kernel_that_does_not_compile_is_named() {
        let told = "the kernel cast_kernel_f_bf16 does not compile: default_program(1): catastrophic error: #error \
            directive: broken header";
        assert_eq!(compilation(NVRTC), told);
        let wgsl = "An error caused the compilation to fail\nCaused by:\n  WGSL compilation failed for kernel `add`: \
            bad\nBacktrace:\nfrom here";
        let told = "a kernel does not compile: WGSL compilation failed for kernel `add`: bad";
        assert_eq!(compilation(wgsl), told);
    }

    #[test]
    fn the_innermost_cause_is_told() {
        assert_eq!(causes("A\nCaused by:\n  B\nCaused by:\n  C, d\nBacktrace:\nE"), "C, d");
        assert_eq!(causes("A only"), "A only");
        assert_eq!(causes(""), "unknown cause");
    }
}
