//! Panics as one-line errors: a bug is reported like any other failure.

use crate::backend::gpu;
use crate::system::error::{Error, Result};
use crate::system::output;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

/// The first panic is the cause; others follow from it.
static FIRST: Once = Once::new();

/// Prints panics as one line on standard error. A panic on a thread that drives a device ends the program at once:
/// other threads would continue with undefined device memory. Files are never half-written.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        if gpu::is_device_thread() {
            FIRST.call_once(|| tell_of_device(info));
            std::process::exit(1);
        }
        FIRST.call_once(|| tell(info));
    }));
}

/// Runs `work`. Returns `None` after a panic in it or in a thread that it waits for; the panic has been printed.
pub fn guard(work: impl FnOnce() -> Result<()>) -> Option<Result<(), Error>> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn tell_of_device(info: &PanicHookInfo<'_>) {
    // The messages of panics that wrap CubeCL's own say nothing.
    let text = one_line(info).replace("called `Result::unwrap()` on an `Err` value: ", "");
    let text = text.trim_end_matches(" No backtrace available");
    let _ = writeln!(output::stderr(), "error: {}", gpu::failed(text));
}

fn tell(info: &PanicHookInfo<'_>) {
    let text = one_line(info);
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    let report = "please report this with the command that led to it";
    let place = place.unwrap_or_default();
    let text = output::one_line(&text);
    let _ = writeln!(output::stderr(), "internal error: {text}{place}; {report}");
}

fn one_line(info: &PanicHookInfo<'_>) -> String {
    let text = payload(info).unwrap_or("unknown cause");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn payload<'a>(info: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = info.payload();
    payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied())
}
