//! Reads the texts for `a2d score` and `a2d compare`.

use std::path::{Path, PathBuf};

use a2d_system::error::{Error, Result};
use a2d_system::text;

/// The lines of a text; `-` is standard input.
///
/// # Errors
///
/// [`Error::Misuse`] for a file that cannot be read, is not UTF-8 or is empty.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let lines = text::read_lines(path)?;
    if lines.is_empty() {
        return Err(Error::misuse(format!("nothing to score in {}", text::name(path))));
    }
    Ok(lines)
}

/// The lines of a text that must have as many lines as `of`, which was read from `first`.
///
/// # Errors
///
/// As [`read`], and [`Error::Misuse`] for another number of lines.
pub fn read_parallel(path: &Path, first: &Path, of: &[String]) -> Result<Vec<String>> {
    let lines = read(path)?;
    if lines.len() == of.len() {
        return Ok(lines);
    }
    Err(Error::misuse(format!(
        "different numbers of lines: {} in {}, {} in {}",
        of.len(),
        text::name(first),
        lines.len(),
        text::name(path)
    )))
}

/// Checks that standard input is used at most once.
///
/// # Errors
///
/// [`Error::Misuse`] if more than one of the files is `-`.
pub fn check_stdin<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    if files.into_iter().filter(|path| text::is_stdin(path)).count() > 1 {
        return Err(Error::misuse("only one of the files can be `-` (standard input)"));
    }
    Ok(())
}
