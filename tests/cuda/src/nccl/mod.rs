//! The calls of NCCL that the GPU backend makes, between processes of one machine.
//!
//! Stricter than the library: misuse is reported and loses the device. A sum must be on a stream that something else ran on,
//! with its group's device as the current one, and its memory where an allocation is; all processes leave a group together.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

mod hub;

use crate::driver::{self, LAUNCH_FAILED};
use crate::memory::memory;
use crate::options::options;
use hub::{Ask, Line};
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Status = c_int;
const SUCCESS: Status = hub::SUCCESS;
const UNHANDLED_CUDA_ERROR: Status = 1;
const SYSTEM_ERROR: Status = 2;
const INVALID_ARGUMENT: Status = 4;
const REMOTE_ERROR: Status = 6;

/// The version of the library.
const VERSION: c_int = 23_007;

/// `ncclFloat32` and `ncclSum`.
const FLOAT: c_int = 7;
const SUM: c_int = 0;

/// `ncclUniqueId`: the name of a group.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Id(pub [u8; 128]);

/// A handle: no address, so that what is destroyed is never mistaken for what is alive.
type Handle = usize;

/// A process's place in a group.
struct Communicator {
    line: Mutex<Line>,
    number: c_int,
    size: c_int,
    device: usize,
    failed: AtomicI32,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The communicators that are alive.
static ALIVE: Mutex<BTreeMap<Handle, Arc<Communicator>>> = Mutex::new(BTreeMap::new());

/// Reports misuse, which loses the device.
fn invalid(call: &str, what: &str) -> Status {
    driver::lose(LAUNCH_FAILED, &format!("{call}: {what}"));
    INVALID_ARGUMENT
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetVersion(version: *mut c_int) -> Status {
    // SAFETY: callers pass a pointer that is valid for writes, as the library requires.
    unsafe { *version = VERSION };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetUniqueId(to: *mut Id) -> Status {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("a2d-nccl-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let mut id = Id([0; 128]);
    id.0[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: as above.
    unsafe { *to = id };
    match hub::open(&id.0) {
        Ok(()) => SUCCESS,
        Err(error) => {
            eprintln!("cuda: ncclGetUniqueId: {error}");
            SYSTEM_ERROR
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommInitRank(
    to: *mut Handle,
    size: c_int,
    id: Id,
    number: c_int,
) -> Status {
    let Some(device) = driver::current_device() else {
        return invalid("ncclCommInitRank", "there is no current device");
    };
    if !(0..size).contains(&number) {
        return invalid("ncclCommInitRank", &format!("process {number} of {size}"));
    }
    let line = match Line::join(&id.0, [number as u64, size as u64, device as u64]) {
        Ok((line, SUCCESS)) => line,
        Ok((_, code)) => return code,
        Err(error) => {
            eprintln!("cuda: ncclCommInitRank: {error}");
            return SYSTEM_ERROR;
        }
    };
    let (line, failed) = (Mutex::new(line), AtomicI32::new(SUCCESS));
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let handle = 64 * (COUNT.fetch_add(1, Relaxed) + 1);
    locked(&ALIVE).insert(handle, Arc::new(Communicator { line, number, size, device, failed }));
    if options().log {
        eprintln!("cuda: ncclCommInitRank: process {number} of {size}, device {device}");
    }
    // SAFETY: as above.
    unsafe { *to = handle };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclAllReduce(
    from: u64,
    to: u64,
    count: usize,
    kind: c_int,
    op: c_int,
    handle: Handle,
    stream: usize,
) -> Status {
    const CALL: &str = "ncclAllReduce";
    let Ok(launch) = driver::begin_launch() else { return UNHANDLED_CUDA_ERROR };
    let Some(communicator) = locked(&ALIVE).get(&handle).cloned() else {
        return invalid(CALL, "the communicator is not alive");
    };
    let Communicator { number, size, device, .. } = *communicator;
    let holds = |at: u64| at % 4 == 0 && memory().holds(at, 4 * count);
    let overlaps = from != to && from.abs_diff(to) < 4 * count as u64;
    let wrong = [
        (kind != FLOAT || op != SUM, "not the sum of floats"),
        (driver::current_device() != Some(device), "another device is the current one"),
        (!driver::is_used(stream), "a stream that nothing else runs on"),
        (count == 0 || !holds(from) || !holds(to), "memory that is not allocated"),
        (overlaps, "memory that overlaps"),
    ];
    if let Some((_, what)) = wrong.iter().find(|(wrong, _)| *wrong) {
        return invalid(CALL, what);
    }
    let begun = std::time::Instant::now();
    // SAFETY: the memory is checked, and all work is synchronous.
    let own = unsafe { std::slice::from_raw_parts(from as *const f32, count) };
    let (code, sums) = match locked(&communicator.line).ask(Ask::Sum, own) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("cuda: {CALL}: {error}");
            communicator.failed.store(REMOTE_ERROR, Relaxed);
            return REMOTE_ERROR;
        }
    };
    if code != SUCCESS {
        return invalid(CALL, &format!("the others do not sum {count} floats"));
    }
    // SAFETY: as above; nothing refers to the memory any more.
    unsafe { std::ptr::copy_nonoverlapping(sums.as_ptr(), to as *mut f32, count) };
    if options().log {
        eprintln!(
            "cuda: launch {launch} of {CALL}: {count} floats, process {number} of {size}, {:?}",
            begun.elapsed()
        );
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommGetAsyncError(handle: Handle, failed: *mut Status) -> Status {
    let Some(communicator) = locked(&ALIVE).get(&handle).cloned() else {
        return invalid("ncclCommGetAsyncError", "the communicator is not alive");
    };
    // SAFETY: as above.
    unsafe { *failed = communicator.failed.load(Relaxed) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommDestroy(handle: Handle) -> Status {
    let Some(communicator) = locked(&ALIVE).remove(&handle) else {
        return invalid("ncclCommDestroy", "the communicator is not alive");
    };
    let answer = locked(&communicator.line).ask(Ask::Leave, &[]);
    match answer {
        Ok((SUCCESS, _)) => SUCCESS,
        Ok(_) => invalid("ncclCommDestroy", "the others do not leave"),
        Err(error) => {
            eprintln!("cuda: ncclCommDestroy: {error}");
            REMOTE_ERROR
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetErrorString(code: Status) -> *const c_char {
    let text = match code {
        SUCCESS => c"no error",
        UNHANDLED_CUDA_ERROR => c"unhandled cuda error",
        SYSTEM_ERROR => c"unhandled system error",
        INVALID_ARGUMENT => c"invalid argument",
        hub::INVALID_USAGE => c"invalid usage",
        REMOTE_ERROR => c"remote process exited or there was a network error",
        _ => c"unknown result code",
    };
    text.as_ptr()
}
