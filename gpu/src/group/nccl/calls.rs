//! Calls of NCCL, which is opened when a program runs.

use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

/// The library's file; the second is in its package for developers only.
const FILES: [&str; 2] = ["libnccl.so.2", "libnccl.so"];

/// The variable that turns the library off.
const SWITCH: &str = "A2D_NCCL";

/// `ncclRemoteError`: another process has failed.
const REMOTE: c_int = 6;

/// `ncclFloat32` and `ncclSum`.
const FLOAT: c_int = 7;
const SUM: c_int = 0;

/// `ncclUniqueId`: what the processes of a group find each other by.
#[repr(C)]
#[derive(Clone, Copy)]
struct Id([u8; 128]);

impl From<[u64; 16]> for Id {
    fn from(words: [u64; 16]) -> Self {
        let mut bytes = [0; 128];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(bytes)
    }
}

impl From<Id> for [u64; 16] {
    fn from(Id(bytes): Id) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        std::array::from_fn(|i| u64::from_le_bytes(words[i]))
    }
}

type Comm = *mut c_void;

/// Why a call failed.
#[derive(Debug)]
pub struct Failure {
    pub why: String,
    /// Whether it is another process that failed.
    pub elsewhere: bool,
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.why
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self { why, elsewhere: false }
    }
}

/// The functions that are called.
struct Functions {
    get_version: unsafe extern "C" fn(*mut c_int) -> c_int,
    get_unique_id: unsafe extern "C" fn(*mut Id) -> c_int,
    comm_init_rank: unsafe extern "C" fn(*mut Comm, c_int, Id, c_int) -> c_int,
    all_reduce: unsafe extern "C" fn(u64, u64, usize, c_int, c_int, Comm, usize) -> c_int,
    comm_get_async_error: unsafe extern "C" fn(Comm, *mut c_int) -> c_int,
    comm_destroy: unsafe extern "C" fn(Comm) -> c_int,
    get_error_string: unsafe extern "C" fn(c_int) -> *const c_char,
}

impl Functions {
    /// The functions of the library, or what is missing.
    fn load() -> Result<Self, String> {
        if std::env::var(SWITCH).is_ok_and(|on| on == "0") {
            return Err(format!("{SWITCH}=0"));
        }
        // SAFETY: loading NCCL runs no code that asks anything of this program.
        let open = |file: &&str| unsafe { Library::new(*file) }.ok();
        let found = FILES.iter().find_map(open).ok_or("there is no NCCL (libnccl.so.2)")?;
        // It stays loaded.
        let library = Box::leak(Box::new(found));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type is that of NCCL's header, the same in all its versions.
                *unsafe { library.get($name) }
                    .map_err(|_| format!("libnccl lacks {}", String::from_utf8_lossy($name)))?
            };
        }
        Ok(Self {
            get_version: function!(b"ncclGetVersion"),
            get_unique_id: function!(b"ncclGetUniqueId"),
            comm_init_rank: function!(b"ncclCommInitRank"),
            all_reduce: function!(b"ncclAllReduce"),
            comm_get_async_error: function!(b"ncclCommGetAsyncError"),
            comm_destroy: function!(b"ncclCommDestroy"),
            get_error_string: function!(b"ncclGetErrorString"),
        })
    }

    /// The library, loaded once.
    fn get() -> Result<&'static Self, &'static str> {
        static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();
        LOADED.get_or_init(Self::load).as_ref().map_err(String::as_str)
    }

    /// What a code means, unless it means success.
    fn check(&self, call: &str, code: c_int) -> Result<(), Failure> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the library returns a constant text for every code.
        let text = unsafe { CStr::from_ptr((self.get_error_string)(code)) };
        let why = format!("{call}: {}", text.to_string_lossy());
        Err(Failure { why, elsewhere: code == REMOTE })
    }
}

/// The library's version.
///
/// # Errors
///
/// There is no library, or it lacks a function.
pub fn version() -> Result<String, String> {
    let library = Functions::get()?;
    let mut version = 0;
    // SAFETY: the pointer is valid for the call.
    let code = unsafe { (library.get_version)(&raw mut version) };
    library.check("ncclGetVersion", code)?;
    Ok(format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100))
}

/// A new group's name.
///
/// # Errors
///
/// NCCL's, which opens a socket for it.
pub fn new_id() -> Result<[u64; 16], String> {
    let library = Functions::get()?;
    let mut id = Id([0; 128]);
    // SAFETY: the pointer is valid for the call.
    let code = unsafe { (library.get_unique_id)(&raw mut id) };
    library.check("ncclGetUniqueId", code)?;
    Ok(id.into())
}

/// A process's place in a group. Never freed but by [`Communicator::leave`]: that waits for the other processes, which may be dead.
#[derive(Clone, Copy)]
pub struct Communicator(&'static Functions, Comm);

// SAFETY: a communicator may be used on any thread, by one at a time; asking for its error is allowed at any time.
unsafe impl Send for Communicator {}
// SAFETY: as above.
unsafe impl Sync for Communicator {}

impl Communicator {
    /// Joins process `number` of `size` on the current device, and waits for the others.
    ///
    /// # Errors
    ///
    /// NCCL's.
    pub fn join(id: [u64; 16], number: usize, size: usize) -> Result<Self, String> {
        let library = Functions::get()?;
        let mut comm = std::ptr::null_mut();
        let (number, size) = (number as c_int, size as c_int);
        // SAFETY: the pointer is valid for the call.
        let code = unsafe { (library.comm_init_rank)(&raw mut comm, size, id.into(), number) };
        library.check("ncclCommInitRank", code)?;
        Ok(Self(library, comm))
    }

    /// Launches the sum of `len` floats at `at` over all processes, in place.
    ///
    /// # Safety
    ///
    /// The memory is the device's, and nothing frees it before the stream has come to here.
    ///
    /// # Errors
    ///
    /// NCCL's.
    pub unsafe fn sum(&self, at: u64, len: usize, stream: usize) -> Result<(), Failure> {
        let Self(library, comm) = *self;
        // SAFETY: the communicator is alive; the rest is the caller's duty.
        let code = unsafe { (library.all_reduce)(at, at, len, FLOAT, SUM, comm, stream) };
        library.check("ncclAllReduce", code)
    }

    /// Whether all is well with what was launched.
    ///
    /// # Errors
    ///
    /// What failed since.
    pub fn check(&self) -> Result<(), Failure> {
        let Self(library, comm) = *self;
        let mut failed = 0;
        // SAFETY: the communicator is alive, and the pointer is valid for the call.
        let code = unsafe { (library.comm_get_async_error)(comm, &raw mut failed) };
        library.check("ncclCommGetAsyncError", code)?;
        library.check("ncclAllReduce", failed)
    }

    /// Frees it, and waits for the others to do so. No copy of it may be used after this.
    pub fn leave(self) {
        let Self(library, comm) = self;
        // SAFETY: the communicator is alive. A failure leaves nothing to be done.
        let _ = unsafe { (library.comm_destroy)(comm) };
    }
}
