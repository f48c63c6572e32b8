//! SIGINT, SIGTERM and SIGHUP: recorded, so that training can save before it stops.

use crate::display;
use crate::error::{Error, Result};
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of the stack of the thread that waits for the second signal.
const STACK: usize = 1 << 18;

/// The termination signal received; 0 if none.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Installs the handlers: the first SIGINT, SIGTERM or SIGHUP is recorded, the second clears the progress bar and ends
/// the process at once. A SIGHUP ignored through `nohup` stays ignored.
///
/// # Errors
///
/// The operating system rejects the handler.
pub fn install() -> Result<()> {
    let signal = SIGNAL.get_or_init(Arc::default);
    let numbers = [SIGINT, SIGTERM].into_iter().chain((!ignored(SIGHUP)).then_some(SIGHUP));
    let numbers: Vec<_> = numbers.collect();
    for &number in &numbers {
        flag::register_usize(number, signal.clone(), number as usize).map_err(refused)?;
    }
    second(&numbers).map_err(refused)
}

/// Ends the process at the second of the signals. A handler may not write to the terminal, so a thread does: it gets a
/// byte for each signal.
#[cfg(unix)]
fn second(numbers: &[i32]) -> std::io::Result<()> {
    use std::io::Read;
    let (mut received, sent) = std::os::unix::net::UnixStream::pair()?;
    for &number in numbers {
        low_level::pipe::register(number, sent.try_clone()?)?;
    }
    let wait = move || {
        if received.read_exact(&mut [0; 2]).is_ok() {
            display::clear();
            low_level::exit(128 + stop_requested().unwrap_or(SIGINT));
        }
    };
    std::thread::Builder::new().stack_size(STACK).spawn(wait).map(drop)
}

#[cfg(not(unix))]
fn second(numbers: &[i32]) -> std::io::Result<()> {
    let again = Arc::new(AtomicBool::new(false));
    numbers.iter().try_for_each(|&number| {
        // Actions run in the order of registration, so the conditional one comes first.
        flag::register_conditional_shutdown(number, 128 + number, again.clone())?;
        flag::register(number, again.clone()).map(drop)
    })
}

/// Turns two fatal signals into failures: a file above the shell's size limit (SIGXFSZ becomes a write error), and out
/// of memory (SIGABRT becomes exit code 1, after Rust's own message with the size).
///
/// # Errors
///
/// The operating system rejects the handler.
pub fn survive() -> Result<()> {
    let on = Arc::new(AtomicBool::new(true));
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGXFSZ, on.clone()).map_err(refused)?;
    flag::register_conditional_shutdown(SIGABRT, 1, on).map(drop).map_err(refused)
}

fn refused(error: std::io::Error) -> Error {
    Error::failed(format!("cannot watch for signals: {error}"))
}

/// Whether the process was started with `signal` ignored. Known on Linux only.
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The termination signal received since [`install`], if any.
pub fn stop_requested() -> Option<i32> {
    let number = SIGNAL.get()?.load(Ordering::SeqCst);
    (number != 0).then_some(number as i32)
}

/// Fails if a termination signal was received.
///
/// # Errors
///
/// [`Error::Interrupted`] with the signal's number.
pub fn go_on() -> Result<()> {
    stop_requested().map_or(Ok(()), |signal| Err(Error::Interrupted(signal)))
}
