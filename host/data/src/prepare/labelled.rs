//! Lines of texts to classify: `LABEL<TAB>TEXT`.

use crate::task::Task;
use a2d_system::error::Result;
use a2d_system::text::{read_lines, refused};
use std::path::Path;

/// Why a line has no label.
pub(super) const NO_TAB: &str = "no tab between label and text: expected LABEL<TAB>TEXT";

/// The label and the text of a line; `None` without a tab. Further tabs are part of the text.
pub(super) fn parted(line: &str) -> Option<[&str; 2]> {
    line.split_once('\t').map(|(label, text)| [label, text])
}

/// The texts of a file, and their labels in a classification.
///
/// # Errors
///
/// Misuse: the file cannot be read, or a line has no label.
pub fn read(task: Task, path: &Path) -> Result<[Vec<String>; 2]> {
    let lines = read_lines(path)?;
    if task != Task::Classify {
        return Ok([lines, Vec::new()]);
    }
    let [mut texts, mut labels] = [Vec::new(), Vec::new()];
    for (i, line) in lines.iter().enumerate() {
        let [label, text] = parted(line).ok_or_else(|| refused(path, i + 1, NO_TAB))?;
        texts.push(text.to_owned());
        labels.push(label.to_owned());
    }
    Ok([texts, labels])
}
