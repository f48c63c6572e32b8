//! Names for shared libraries on systems that know none but their own.

use std::io::{ErrorKind, Result};
use std::path::Path;

/// # Errors
///
/// Always: the loader is not glibc's.
pub fn name(_: &Path, _: &str) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}
