//! The calls of the CUDA driver API.
//!
//! All work is synchronous: streams and events never wait.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use crate::machine::traffic::Traffic;
use crate::machine::{Fault, Launch};
use crate::memory::memory;
use crate::options::options;
use crate::ptx::module::{Kernel, parse};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Result = c_int;
const SUCCESS: Result = 0;
const INVALID_VALUE: Result = 1;
const OUT_OF_MEMORY: Result = 2;
const INVALID_DEVICE: Result = 101;
const INVALID_CONTEXT: Result = 201;
const INVALID_PTX: Result = 218;
const NOT_FOUND: Result = 500;
pub(crate) const LAUNCH_FAILED: Result = 719;

/// The largest shared memory of a block at compute capability 9.0.
const SHARED: c_uint = 232_448;

static LAUNCHES: AtomicUsize = AtomicUsize::new(0);
static MODULES: AtomicUsize = AtomicUsize::new(0);
/// The sticky error of a lost device, or `SUCCESS`.
static LOST: AtomicI32 = AtomicI32::new(SUCCESS);

/// A loaded module; modules are never unloaded.
struct Module {
    number: usize,
    kernels: Vec<Arc<Kernel>>,
}

/// The handle of a kernel.
struct Function {
    module: usize,
    name: String,
    /// None if kernels are not run (`A2D_CUDA_RUN=0`).
    kernel: Option<Arc<Kernel>>,
    /// The largest dynamic shared memory of a launch.
    shared: AtomicU32,
}

/// The default of the largest dynamic shared memory.
const SHARED_UNASKED: c_uint = 49152;
/// The function attribute that raises it.
const MAX_DYNAMIC_SHARED: c_int = 8;

/// Returns the error from a call if the device is lost.
macro_rules! alive {
    () => {
        match LOST.load(Relaxed) {
            SUCCESS => {}
            lost => return lost,
        }
    };
}

pub(crate) fn lose(code: Result, what: &str) -> Result {
    eprintln!("cuda: error {code}: {what}");
    LOST.store(code, Relaxed);
    code
}

/// The streams that something ran on. A stream is a number from 1.
static USED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
static STREAMS: AtomicUsize = AtomicUsize::new(0);

fn used() -> MutexGuard<'static, BTreeSet<usize>> {
    USED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether something ran on a stream.
pub(crate) fn is_used(stream: usize) -> bool {
    used().contains(&stream)
}

/// Counts a launch.
///
/// # Errors
///
/// The device is lost, or it is now, as asked.
pub(crate) fn begin_launch() -> std::result::Result<usize, Result> {
    match LOST.load(Relaxed) {
        SUCCESS => {}
        lost => return Err(lost),
    }
    let number = LAUNCHES.fetch_add(1, Relaxed) + 1;
    if options().fail.is_some_and(|first| number >= first) {
        return Err(lose(LAUNCH_FAILED, &format!("launch {number} fails as asked")));
    }
    Ok(number)
}

/// Says what a launch moves.
pub(crate) fn report(number: usize, Traffic { asked, moved }: Traffic) {
    eprintln!(
        "cuda: launch {number} reads {} and writes {} bytes, of {} and {} asked for",
        moved.read, moved.written, asked.read, asked.written
    );
}

// SAFETY, for all calls below: callers pass pointers that are valid for writes, as the driver API requires.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(_: c_uint) -> Result {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Result {
    unsafe { *version = options().version };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, number: c_int) -> Result {
    if number as usize >= options().devices {
        return INVALID_DEVICE;
    }
    unsafe { *device = number };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Result {
    unsafe { *count = options().devices as c_int };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, _: c_int) -> Result {
    for (i, &c) in b"stand-in\0".iter().take(len as usize).enumerate() {
        unsafe { *name.add(i) = c as c_char };
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _: c_int) -> Result {
    unsafe { *bytes = options().memory };
    SUCCESS
}

/// The attributes of an H100.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    attribute: c_int,
    _: c_int,
) -> Result {
    let found = match attribute {
        // Maximum threads per block, block dimensions, grid dimensions.
        1..=3 => 1024,
        4 => 64,
        5 => i32::MAX,
        6 | 7 => 65535,
        // Shared memory per block, warp size, registers per block, multiprocessors, threads per multiprocessor.
        8 => 49152,
        10 => 32,
        12 => 65536,
        16 => 132,
        39 => 2048,
        // Compute capability.
        75 => options().capability / 10,
        76 => options().capability % 10,
        // Shared memory per multiprocessor, and per block with opt-in.
        81 => 233_472,
        97 => SHARED as c_int,
        // Memory pools are supported.
        115 => 1,
        _ => {
            eprintln!("cuda: attribute {attribute} is asked for and not known");
            0
        }
    };
    unsafe { *value = found };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(
    context: *mut *mut c_void,
    device: c_int,
) -> Result {
    unsafe { *context = (device as usize + 1) as *mut c_void };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(_: c_int) -> Result {
    SUCCESS
}

thread_local! {
    /// The context that is the thread's current one: a device's number from 1, or 0.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The number of the thread's current device.
pub(crate) fn current_device() -> Option<usize> {
    CURRENT.get().checked_sub(1)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(context: *mut c_void) -> Result {
    CURRENT.set(context.addr());
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut *mut c_void) -> Result {
    unsafe { *context = std::ptr::without_provenance_mut(CURRENT.get()) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut c_int) -> Result {
    let Some(current) = current_device() else { return INVALID_CONTEXT };
    unsafe { *device = current as c_int };
    SUCCESS
}

/// The same in every process, as of one machine's devices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) -> Result {
    let mut found = *b"a2d's stand-in 0";
    found[15] += device as u8;
    unsafe { *uuid = found };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, all: *mut usize) -> Result {
    alive!();
    let total = options().memory;
    unsafe {
        *free = total.saturating_sub(memory().live);
        *all = total;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(at: *mut u64, size: usize, _: *mut c_void) -> Result {
    alive!();
    let Some(found) = memory().allocate(size) else { return OUT_OF_MEMORY };
    if options().log {
        eprintln!("cuda: {size} bytes at {found:#x}");
    }
    unsafe { *at = found };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(at: *mut u64, size: usize) -> Result {
    unsafe { cuMemAllocAsync(at, size, std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync(at: u64, _: *mut c_void) -> Result {
    if memory().release(at) { SUCCESS } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(at: u64) -> Result {
    unsafe { cuMemFreeAsync(at, std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: *mut c_void,
) -> Result {
    alive!();
    used().insert(stream.addr());
    if !memory().holds(to, bytes) {
        eprintln!("cuda: a copy of {bytes} bytes to {to:#x}: out of memory that is allocated");
        return INVALID_VALUE;
    }
    if options().log {
        let from =
            if is_pinned(from.addr(), bytes) { "" } else { " from memory that is not pinned" };
        eprintln!("cuda: {bytes} bytes uploaded{from}");
    }
    // SAFETY: the device range was checked to lie in an allocation; the host range is the caller's duty.
    unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), to as *mut u8, bytes) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    _: *mut c_void,
) -> Result {
    alive!();
    if !memory().holds(from, bytes) {
        eprintln!("cuda: a copy of {bytes} bytes from {from:#x}: out of memory that is allocated");
        return INVALID_VALUE;
    }
    if options().log {
        eprintln!("cuda: {bytes} bytes read back");
    }
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.cast::<u8>(), bytes) };
    SUCCESS
}

/// Pinned memory: the address of each allocation, and its size.
static PINNED: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn pinned() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    PINNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a range of the host's memory is pinned.
fn is_pinned(at: usize, bytes: usize) -> bool {
    let found = pinned().range(..=at).next_back().map(|(start, size)| start + size);
    found.is_some_and(|end| at + bytes <= end)
}

/// Bytes before each host allocation; they store its size.
const BEFORE: usize = 512;

fn host_layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(BEFORE)?, BEFORE).ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocHost_v2(to: *mut *mut c_void, size: usize) -> Result {
    let Some(layout) = host_layout(size) else { return OUT_OF_MEMORY };
    // SAFETY: the layout has room for the stored size and for `size` bytes.
    unsafe {
        let at = alloc_zeroed(layout);
        if at.is_null() {
            return OUT_OF_MEMORY;
        }
        at.cast::<usize>().write(size);
        *to = at.add(BEFORE).cast();
        pinned().insert((*to).addr(), size);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(at: *mut c_void) -> Result {
    pinned().remove(&at.addr());
    // SAFETY: `cuMemAllocHost_v2` allocated it and stored its size before it.
    unsafe {
        let at = at.cast::<u8>().sub(BEFORE);
        let Some(layout) = host_layout(at.cast::<usize>().read()) else { return INVALID_VALUE };
        dealloc(at, layout);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut *mut c_void, _: c_uint) -> Result {
    let number = STREAMS.fetch_add(1, Relaxed) + 1;
    unsafe { *stream = std::ptr::without_provenance_mut(number) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(_: *mut c_void, _: *mut c_void, _: c_uint) -> Result {
    alive!();
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(_: *mut c_void) -> Result {
    alive!();
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut *mut c_void, _: c_uint) -> Result {
    unsafe { *event = std::ptr::without_provenance_mut(1) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(_: *mut c_void, _: *mut c_void) -> Result {
    alive!();
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(_: *mut c_void) -> Result {
    alive!();
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(_: *mut c_void) -> Result {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(
    module: *mut *mut c_void,
    image: *const c_void,
) -> Result {
    alive!();
    // SAFETY: an image is zero-terminated text.
    let text = unsafe { CStr::from_ptr(image.cast()) }.to_string_lossy();
    let number = MODULES.fetch_add(1, Relaxed);
    if let Some(folder) = &options().ptx {
        let path = folder.join(format!("{number:04}.ptx"));
        if let Err(error) = std::fs::write(&path, text.as_bytes()) {
            eprintln!("cuda: {}: {error}", path.display());
        }
    }
    let wanted = options().run || options().traffic;
    let kernels = if wanted { parse(&text) } else { Ok(Vec::new()) };
    match kernels {
        Ok(kernels) => {
            let loaded = Box::new(Module { number, kernels });
            unsafe { *module = Box::into_raw(loaded).cast() };
            SUCCESS
        }
        Err(error) => {
            let line =
                text.lines().nth(error.line.saturating_sub(1) as usize).unwrap_or_default().trim();
            eprintln!("cuda: {number:04}.ptx:{}: {}: `{line}`", error.line, error.why);
            INVALID_PTX
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut *mut c_void,
    module: *mut c_void,
    name: *const c_char,
) -> Result {
    // SAFETY: modules are never unloaded, and the name is zero-terminated.
    let (module, name) =
        unsafe { (&*module.cast::<Module>(), CStr::from_ptr(name).to_string_lossy()) };
    let kernel = module.kernels.iter().find(|kernel| kernel.name == name).cloned();
    if options().run && kernel.is_none() {
        return NOT_FOUND;
    }
    let shared = SHARED_UNASKED.into();
    let found = Box::new(Function { module: module.number, name: name.into(), kernel, shared });
    unsafe { *function = Box::into_raw(found).cast() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(
    function: *mut c_void,
    attribute: c_int,
    value: c_int,
) -> Result {
    alive!();
    if attribute == MAX_DYNAMIC_SHARED {
        if !(0..=SHARED as c_int).contains(&value) {
            return INVALID_VALUE;
        }
        // SAFETY: functions are never freed.
        unsafe { &*function.cast::<Function>() }.shared.store(value as u32, Relaxed);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: *mut c_void,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    stream: *mut c_void,
    params: *mut *mut c_void,
    _: *mut *mut c_void,
) -> Result {
    let number = match begin_launch() {
        Ok(number) => number,
        Err(lost) => return lost,
    };
    used().insert(stream.addr());
    // SAFETY: functions are never freed.
    let function = unsafe { &*function.cast::<Function>() };
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let threads = block.iter().try_fold(1u32, |all, &n| all.checked_mul(n)).unwrap_or(0);
    if grid.contains(&0)
        || !(1..=1024).contains(&threads)
        || shared > function.shared.load(Relaxed)
        || grid[1].max(grid[2]) > 65535
    {
        eprintln!(
            "cuda: a launch of grid {grid:?}, block {block:?}, {shared} bytes of shared memory"
        );
        return INVALID_VALUE;
    }
    let begun = std::time::Instant::now();
    // SAFETY: the caller passes all parameters of the kernel.
    let done = function
        .kernel
        .as_deref()
        .map_or(Ok(None), |kernel| unsafe { run(kernel, grid, block, shared as usize, params) });
    if options().log {
        let name = &function.name;
        let (live, peak) = {
            let memory = memory();
            (memory.live, memory.peak)
        };
        eprintln!(
            "cuda: launch {number} of {:04}.ptx {name}: grid {grid:?}, block {block:?}, {shared} bytes shared, {:?}; \
             {live} bytes of memory, {peak} at most",
            function.module,
            begun.elapsed()
        );
        if let Ok(Some(traffic)) = done {
            report(number, traffic);
        }
    }
    match done {
        Ok(_) => SUCCESS,
        Err(fault) => lose(fault.code, &fault.what),
    }
}

/// Runs a kernel, or counts what it would move.
unsafe fn run(
    kernel: &Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    shared: usize,
    params: *mut *mut c_void,
) -> std::result::Result<Option<Traffic>, Fault> {
    let mut held = vec![0; kernel.param_bytes()];
    for (i, param) in kernel.params.iter().enumerate() {
        // SAFETY: the caller passes a pointer to each parameter, valid for its size.
        let from =
            unsafe { std::slice::from_raw_parts((*params.add(i)).cast::<u8>(), param.bytes) };
        held[param.at..][..param.bytes].copy_from_slice(from);
    }
    // Launches are synchronous, so the memory of a running kernel is not freed.
    let ranges = memory().ranges();
    let launch = Launch { kernel, grid, block, shared, params: held, ranges };
    if options().run { launch.run().map(|()| None) } else { launch.traffic().map(Some) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: c_int, name: *mut *const c_char) -> Result {
    let found: &CStr = match error {
        SUCCESS => c"CUDA_SUCCESS",
        INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
        INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        INVALID_CONTEXT => c"CUDA_ERROR_INVALID_CONTEXT",
        INVALID_PTX => c"CUDA_ERROR_INVALID_PTX",
        NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
        700 => c"CUDA_ERROR_ILLEGAL_ADDRESS",
        715 => c"CUDA_ERROR_ILLEGAL_INSTRUCTION",
        716 => c"CUDA_ERROR_MISALIGNED_ADDRESS",
        LAUNCH_FAILED => c"CUDA_ERROR_LAUNCH_FAILED",
        _ => c"CUDA_ERROR_UNKNOWN",
    };
    unsafe { *name = found.as_ptr() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: c_int, text: *mut *const c_char) -> Result {
    unsafe { cuGetErrorName(error, text) }
}
