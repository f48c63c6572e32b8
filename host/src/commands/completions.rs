//! `a2d completions`: the completion script of a shell.

use crate::cli::{self, CompletionsArgs};
use crate::system::error::{Error, Result};
use crate::system::program;
use std::io::Write;
use std::path::Path;

/// Writes the script.
///
/// # Errors
///
/// `out` cannot be written.
pub fn run(args: CompletionsArgs, out: &mut dyn Write) -> Result<()> {
    // The generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), program::name(), &mut script);
    out.write_all(&script).map_err(|e| Error::output("write", Path::new("the script"), &e))
}
