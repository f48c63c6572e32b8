//! Stub for MPI in a build without the feature `distributed`.

use super::World;
use a2d_system::error::{Error, Result};

/// # Errors
///
/// Misuse: always. The message says how to get a build with MPI.
pub fn start() -> Result<Box<dyn World>> {
    let build =
        "build it with `--features distributed` (an MPI library and libclang must be there)";
    Err(Error::misuse(format!("this build trains in one process only: {build}")))
}
