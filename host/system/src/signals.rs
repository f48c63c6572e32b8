//! Ctrl-C, a terminal that is closed, and the like: noted while work goes on, so that it can be saved first.

use crate::error::{Error, Result};
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The signal that asked for the end; 0: none.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From now on the first SIGINT, SIGTERM or SIGHUP is noted and the second ends the process at once. A SIGHUP that
/// `nohup` keeps away stays away.
///
/// Errors: the system refuses.
pub fn install() -> Result<()> {
    let signal = SIGNAL.get_or_init(Arc::default);
    let again = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM].into_iter().chain((!ignored(SIGHUP)).then_some(SIGHUP)) {
        // Actions run in the order of their registration: the end must be looked at first.
        flag::register_conditional_shutdown(number, 128 + number, again.clone())
            .and_then(|_| flag::register(number, again.clone()))
            .and_then(|_| flag::register_usize(number, signal.clone(), number as usize))
            .map_err(refused)?;
    }
    Ok(())
}

/// Makes failures of what would end the process where it stands: a file that grows beyond a limit of the shell
/// (SIGXFSZ: writing fails), and memory that is not there (SIGABRT: exit code 1; Rust's own line says of how much).
///
/// Errors: the system refuses.
pub fn survive() -> Result<()> {
    let on = Arc::new(AtomicBool::new(true));
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGXFSZ, on.clone()).map_err(refused)?;
    flag::register_conditional_shutdown(SIGABRT, 1, on).map(drop).map_err(refused)
}

fn refused(error: std::io::Error) -> Error {
    Error::failed(format!("cannot watch for signals: {error}"))
}

/// Whether the process was started so that `signal` does nothing, as far as the system tells (Linux).
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The signal that asked for the end, if one did since [`install`].
pub fn stop_requested() -> Option<i32> {
    let number = SIGNAL.get()?.load(Ordering::SeqCst);
    (number != 0).then_some(number as i32)
}

/// Goes on unless a signal asked for the end.
///
/// Errors: one did.
pub fn go_on() -> Result<()> {
    stop_requested().map_or(Ok(()), |signal| Err(Error::Interrupted(signal)))
}
