//! Ctrl-C and the like: noted while work goes on, so that it can be saved first.

use crate::error::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The signal that asked for the end; 0: none.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From now on the first SIGINT or SIGTERM is noted and the second ends the process at once.
///
/// Errors: the system refuses.
pub fn install() -> Result<()> {
    let signal = SIGNAL.get_or_init(Arc::default);
    let refused = |e: std::io::Error| Error::failed(format!("cannot watch for signals: {e}"));
    let again = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        // Actions run in the order of their registration: the end must be looked at first.
        flag::register_conditional_shutdown(number, 128 + number, again.clone())
            .and_then(|_| flag::register(number, again.clone()))
            .and_then(|_| flag::register_usize(number, signal.clone(), number as usize))
            .map_err(refused)?;
    }
    Ok(())
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
