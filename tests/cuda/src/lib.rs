//! A stand-in for CUDA's driver (libcuda): as much of its interface as CubeCL calls.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

unsafe extern "C" {
    fn mmap(at: *mut c_void, size: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn munmap(at: *mut c_void, size: usize) -> c_int;
}

type Result = c_int;
const SUCCESS: Result = 0;
const INVALID_VALUE: Result = 1;
const OUT_OF_MEMORY: Result = 2;
const NO_DEVICE: Result = 101;

struct Memory { sizes: HashMap<usize, usize>, live: usize, peak: usize }
static MEMORY: Mutex<Option<Memory>> = Mutex::new(None);
static LAUNCHES: AtomicUsize = AtomicUsize::new(0);
static COPIES: AtomicUsize = AtomicUsize::new(0);
static KERNELS: AtomicUsize = AtomicUsize::new(0);

fn env(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
}
fn total() -> usize { env("A2D_CUDA_MEMORY", 80 << 30) }

fn layout(size: usize) -> Layout { Layout::from_size_align(size.max(1), 512).unwrap() }

#[unsafe(no_mangle)] pub unsafe extern "C" fn cuInit(_: c_uint) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDriverGetVersion(v: *mut c_int) -> Result { unsafe { *v = 13000 }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDeviceGet(d: *mut c_int, n: c_int) -> Result {
    if n as usize >= env("A2D_CUDA_DEVICES", 1) { return NO_DEVICE; }
    unsafe { *d = n }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDeviceGetCount(n: *mut c_int) -> Result { unsafe { *n = env("A2D_CUDA_DEVICES", 1) as c_int }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, _: c_int) -> Result {
    let text = b"stand-in\0";
    for (i, &c) in text.iter().take(len as usize).enumerate() { unsafe { *name.add(i) = c as c_char } }
    SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _: c_int) -> Result { unsafe { *bytes = total() }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDeviceGetAttribute(v: *mut c_int, attribute: c_int, _: c_int) -> Result {
    let value = match attribute {
        1 => 1024, 2 | 3 => 1024, 4 => 64, 5 => i32::MAX, 6 | 7 => 65535,
        8 => 49152, 10 => 32, 12 => 65536, 16 => 132, 39 => 2048, 75 => 9, 76 => 0, 81 => 233472, 97 => 232448,
        115 => 1,
        _ => { eprintln!("attribute {attribute}"); 0 }
    };
    unsafe { *v = value }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(c: *mut *mut c_void, d: c_int) -> Result { unsafe { *c = (d as usize + 1) as *mut c_void }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(_: c_int) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuCtxSetCurrent(_: *mut c_void) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuCtxGetCurrent(c: *mut *mut c_void) -> Result { unsafe { *c = 1 as *mut c_void }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuCtxGetDevice(d: *mut c_int) -> Result { unsafe { *d = 0 }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, all: *mut usize) -> Result {
    let live = MEMORY.lock().unwrap().as_ref().map_or(0, |m| m.live);
    unsafe { *free = total() - live; *all = total() }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemAllocAsync(p: *mut u64, size: usize, _: *mut c_void) -> Result {
    let mut memory = MEMORY.lock().unwrap();
    let memory = memory.get_or_insert_with(|| Memory { sizes: HashMap::new(), live: 0, peak: 0 });
    if memory.live + size > total() { return OUT_OF_MEMORY; }
    let at = unsafe { mmap(std::ptr::null_mut(), size.max(1), 3, 0x4022, -1, 0) } as usize;
    if at == usize::MAX { return OUT_OF_MEMORY; }
    memory.sizes.insert(at, size);
    memory.live += size;
    memory.peak = memory.peak.max(memory.live);
    if std::env::var_os("A2D_CUDA_LOG").is_some() { eprintln!("alloc {size}"); }
    unsafe { *p = at as u64 }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemAlloc_v2(p: *mut u64, size: usize) -> Result { unsafe { cuMemAllocAsync(p, size, std::ptr::null_mut()) } }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemFreeAsync(p: u64, _: *mut c_void) -> Result {
    let mut memory = MEMORY.lock().unwrap();
    let Some(memory) = memory.as_mut() else { return INVALID_VALUE };
    let Some(size) = memory.sizes.remove(&(p as usize)) else { return INVALID_VALUE };
    memory.live -= size;
    unsafe { munmap(p as *mut c_void, size.max(1)) }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemFree_v2(p: u64) -> Result { unsafe { cuMemFreeAsync(p, std::ptr::null_mut()) } }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, n: usize, _: *mut c_void) -> Result {
    COPIES.fetch_add(1, Relaxed);
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, n) }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, n: usize, _: *mut c_void) -> Result {
    COPIES.fetch_add(1, Relaxed);
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, n) }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemAllocHost_v2(p: *mut *mut c_void, size: usize) -> Result {
    // The size is kept before the block, for its release.
    let at = unsafe { alloc_zeroed(layout(size + 512)) };
    unsafe { (at as *mut usize).write(size); *p = at.add(512) as *mut c_void }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuMemFreeHost(p: *mut c_void) -> Result {
    unsafe { let at = (p as *mut u8).sub(512); dealloc(at, layout((at as *mut usize).read() + 512)) }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuStreamCreate(s: *mut *mut c_void, _: c_uint) -> Result { unsafe { *s = 1 as *mut c_void }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuStreamWaitEvent(_: *mut c_void, _: *mut c_void, _: c_uint) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuStreamSynchronize(_: *mut c_void) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuEventCreate(e: *mut *mut c_void, _: c_uint) -> Result { unsafe { *e = 1 as *mut c_void }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuEventRecord(_: *mut c_void, _: *mut c_void) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuEventSynchronize(_: *mut c_void) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuEventDestroy_v2(_: *mut c_void) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuModuleLoadData(m: *mut *mut c_void, image: *const c_void) -> Result {
    let text = unsafe { CStr::from_ptr(image as *const c_char) };
    let n = KERNELS.fetch_add(1, Relaxed);
    if let Ok(dir) = std::env::var("A2D_CUDA_PTX") {
        let _ = std::fs::write(format!("{dir}/{n:04}.ptx"), text.to_bytes());
    }
    unsafe { *m = (n + 1) as *mut c_void }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuModuleGetFunction(f: *mut *mut c_void, m: *mut c_void, _: *const c_char) -> Result { unsafe { *f = m }; SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuFuncSetAttribute(_: *mut c_void, _: c_int, _: c_int) -> Result { SUCCESS }
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuLaunchKernel(f: *mut c_void, x: c_uint, y: c_uint, z: c_uint, bx: c_uint, by: c_uint, bz: c_uint, shared: c_uint, _: *mut c_void, _: *mut *mut c_void, _: *mut *mut c_void) -> Result {
    let n = LAUNCHES.fetch_add(1, Relaxed);
    if std::env::var_os("A2D_CUDA_LOG").is_some() {
        let memory = MEMORY.lock().unwrap().as_ref().map_or((0, 0), |m| (m.live, m.peak));
        eprintln!("launch {n} kernel {} grid {x} {y} {z} block {bx} {by} {bz} shared {shared} memory {memory:?}", f as usize - 1);
    }
    SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuGetErrorName(e: c_int, s: *mut *const c_char) -> Result {
    let name: &CStr = match e { OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY", NO_DEVICE => c"CUDA_ERROR_NO_DEVICE", _ => c"CUDA_ERROR_INVALID_VALUE" };
    unsafe { *s = name.as_ptr() }; SUCCESS
}
#[unsafe(no_mangle)] pub unsafe extern "C" fn cuGetErrorString(e: c_int, s: *mut *const c_char) -> Result { unsafe { cuGetErrorName(e, s) } }
