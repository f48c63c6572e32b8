//! Skips tests at run time, where the machine lacks what they need.

use std::io::Write;

/// Reports on standard error that the calling test is skipped, and why. The test harness hides what a passing test
/// prints by `eprintln!`, so this writes to the stream itself.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(std::io::stderr(), "skipped: {test}: {why}")
        .expect("the standard error can be written");
}
