//! Tests that find out while they run that the machine lacks what they need.

use std::io::Write;

/// Says on the standard error that the test which calls this checked nothing, and why. The test harness hides what a
/// passing test prints by `eprintln!`, so this writes to the stream itself.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(std::io::stderr(), "skipped: {test}: {why}")
        .expect("the standard error can be written");
}
