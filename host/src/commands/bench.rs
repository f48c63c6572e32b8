//! `host bench`.
use crate::cli::{BenchArgs, Globals};
use crate::error::{Error, Result};
use std::io::Write;

/// Placeholder until the bench branch is merged.
pub fn run(_: BenchArgs, _: &Globals, _: &mut dyn Write) -> Result<()> {
    Err(Error::failed("not merged yet"))
}
