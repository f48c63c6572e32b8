//! `a2d compare`: systems against a baseline.

use crate::cli::{CompareArgs, Globals};
use crate::score::{Watch, compare};
use crate::system::error::Result;
use std::io::Write;

/// Runs it.
///
/// # Errors
///
/// As [`compare::run`]; options that contradict each other (misuse).
pub fn run(args: CompareArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    compare::run(&args.try_into()?, Watch::Command { quiet: globals.quiet }, out)
}
