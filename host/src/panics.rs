//! A bug ends the program with one line, as any other failure does.

use crate::error::{Error, Result};
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

/// The first panic is the cause; others follow from it.
static FIRST: Once = Once::new();

/// Panics are told as one line on standard error.
pub fn install() {
    std::panic::set_hook(Box::new(|info| FIRST.call_once(|| tell(info))));
}

/// Runs `work`; a panic in it, or in a thread it waits for, has been told and ends in `None`.
pub fn guard(work: impl FnOnce() -> Result<()>) -> Option<Result<(), Error>> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn tell(info: &PanicHookInfo<'_>) {
    let text = payload(info).unwrap_or("unknown cause").replace('\n', " ");
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    let report = "please report this with the command that led to it";
    let place = place.unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "internal error: {text}{place}; {report}");
}

fn payload<'a>(info: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = info.payload();
    payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied())
}
