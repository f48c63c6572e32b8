//! What was written for another toolkit, and what was checked before.

use crate::interop::model::Portable;
use crate::system::error::{Error, Result};
use crate::system::output::thousands;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Files with their sizes, what the model has, and what its user must know.
pub(super) struct Written<'a> {
    path: &'a Path,
    files: Vec<(PathBuf, u64)>,
    tensors: usize,
    parameters: usize,
    vocabulary: [usize; 2],
    notes: Vec<&'a str>,
}

impl<'a> Written<'a> {
    /// `model`, which is at `path` now.
    ///
    /// # Errors
    ///
    /// `path` cannot be read.
    pub fn new(path: &'a Path, model: &Portable<'_>, notes: Vec<&'a str>) -> Result<Self> {
        let sizes = model.pieces.sizes();
        Ok(Self {
            path,
            files: files(path).map_err(|e| Error::output("read", path, &e))?,
            tensors: model.parameters.len(),
            parameters: model.parameters.values().map(|(_, values)| values.len()).sum(),
            vocabulary: [sizes.source, sizes.target],
            notes,
        })
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Prints one object.
    pub fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let file = |(path, bytes): &(PathBuf, u64)| json!({"path": path.display().to_string(), "bytes": bytes});
        let [source, target] = self.vocabulary;
        let all = json!({
            "path": self.path.display().to_string(), "bytes": self.bytes(),
            "files": self.files.iter().map(file).collect::<Vec<Value>>(),
            "tensors": self.tensors, "parameters": self.parameters,
            "vocabulary": {"source": source, "target": target},
            "notes": self.notes,
        });
        writeln!(out, "{all}")
    }

    /// Prints lines.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {} bytes", self.path.display(), self.bytes())?;
        for (path, bytes) in self.files.iter().filter(|(path, _)| path != self.path) {
            writeln!(out, "  {}: {bytes} bytes", path.display())?;
        }
        let [tensors, parameters] = [self.tensors, self.parameters].map(thousands);
        let tokens = match self.vocabulary {
            [source, target] if source == target => thousands(source),
            sizes => sizes.map(thousands).join(" and "),
        };
        writeln!(
            out,
            "checked: {tensors} tensors of {parameters} parameters have their shapes, {tokens} tokens are distinct"
        )?;
        self.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }
}

/// The file `path`, or the files of the folder, by name.
fn files(path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        paths = entries.collect::<io::Result<_>>()?;
        paths.sort_unstable();
    }
    paths.into_iter().map(|path| fs::metadata(&path).map(|file| (path, file.len()))).collect()
}
