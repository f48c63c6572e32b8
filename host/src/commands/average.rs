//! `a2d average`: one model out of the last checkpoints of a run.

use crate::cli::AverageArgs;
use crate::run::average::{AverageRequest, average};
use crate::system::error::Result;
use std::io::Write;

/// Runs it.
///
/// # Errors
///
/// As [`average`].
pub fn run(args: AverageArgs, out: &mut dyn Write) -> Result<()> {
    let AverageArgs { run, last, out: folder } = args;
    average(&AverageRequest { run, last, out: folder }, out)
}
