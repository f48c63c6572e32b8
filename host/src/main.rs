//! The command `host`. The same program as `a2d`.

use std::process::ExitCode;

fn main() -> ExitCode {
    a2d_host::process::run_as("host", env!("A2D_COMMIT"))
}
