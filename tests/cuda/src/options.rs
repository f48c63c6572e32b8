//! Options from the environment.

use std::ffi::c_int;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The variables that the crate's documentation describes.
pub struct Options {
    /// Whether kernels run; otherwise they are only counted.
    pub run: bool,
    /// Whether the bytes that launches move are counted. Kernels do not run then.
    pub traffic: bool,
    /// The compute capability, ten times.
    pub capability: i32,
    /// The version of CUDA that the driver takes kernels of, as the driver tells it.
    pub version: c_int,
    /// The version of NVRTC's stand-in, told in the same way.
    pub compiler: Option<c_int>,
    /// Whether allocations, uploads and launches are reported.
    pub log: bool,
    /// Whether races between warps and between blocks are reported.
    pub check: bool,
    /// Whether blocks and warps run in reverse order.
    pub reverse: bool,
    /// The folder where modules are written.
    pub ptx: Option<PathBuf>,
    /// Bytes of memory of a device.
    pub memory: usize,
    /// The number of devices.
    pub devices: usize,
    /// Whether cuBLASLt computes products.
    pub products: bool,
    /// The first launch that fails, counted from one.
    pub fail: Option<usize>,
    /// The number of interpreter threads.
    pub threads: usize,
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Read once, on the first call.
pub fn options() -> &'static Options {
    static OPTIONS: OnceLock<Options> = OnceLock::new();
    let run = number("A2D_CUDA_RUN") != Some(0);
    OPTIONS.get_or_init(|| Options {
        run,
        traffic: !run && number("A2D_CUDA_TRAFFIC").is_some_and(|on| on != 0),
        capability: number("A2D_CUDA_CAPABILITY").map_or(90, |n| n as i32),
        version: number("A2D_CUDA_VERSION").map_or(13050, |n| n as c_int),
        compiler: number("A2D_CUDA_NVRTC").map(|n| n as c_int),
        log: std::env::var_os("A2D_CUDA_LOG").is_some(),
        check: number("A2D_CUDA_CHECK").is_some_and(|on| on != 0),
        reverse: number("A2D_CUDA_REVERSE").is_some_and(|on| on != 0),
        ptx: std::env::var_os("A2D_CUDA_PTX").map(PathBuf::from),
        memory: number("A2D_CUDA_MEMORY").unwrap_or(80 << 30),
        devices: number("A2D_CUDA_DEVICES").unwrap_or(1),
        products: number("A2D_CUDA_PRODUCTS") != Some(0),
        fail: number("A2D_CUDA_FAIL"),
        threads: number("A2D_CUDA_THREADS").unwrap_or_else(cores).max(1),
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
