//! `a2d watch`: a running job, seen from its folder.

use crate::cli::WatchArgs;
use crate::report::watch::{WatchRequest, watch};
use crate::system::error::Result;
use std::io::Write;

/// Runs it.
///
/// # Errors
///
/// As [`watch`].
pub fn run(args: WatchArgs, out: &mut dyn Write) -> Result<()> {
    let WatchArgs { run, once, interval, json } = args;
    watch(&WatchRequest { run, once, interval, json }, out)
}
