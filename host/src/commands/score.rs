//! `a2d score`: translations against references, in sacreBLEU's metrics.

use crate::cli::ScoreArgs;
use crate::score::command;
use crate::system::error::Result;
use std::io::Write;

/// Runs it.
///
/// # Errors
///
/// As [`command::run`]; options that contradict each other (misuse).
pub fn run(args: ScoreArgs, out: &mut dyn Write) -> Result<()> {
    command::run(&args.try_into()?, out)
}
