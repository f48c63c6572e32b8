//! The command `a2d`.

use std::process::ExitCode;

fn main() -> ExitCode {
    a2d_host::process::run_as("a2d", env!("A2D_COMMIT"))
}
