//! `a2d score`: translations against references, in sacreBLEU's metrics.

use crate::cli::{Globals, ScoreArgs};
use crate::score::{Watch, command};
use crate::system::error::Result;
use std::io::Write;

/// Runs it.
///
/// # Errors
///
/// As [`command::run`]; options that contradict each other (misuse).
pub fn run(args: ScoreArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    command::run(&args.try_into()?, Watch::Command { quiet: globals.quiet }, out)
}
