//! Triples of source, translation and reference, in COMET's input format.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input;
use a2d_system::error::{Error, Result};
use a2d_system::files::{has_place, write_output};
use a2d_system::text;

/// The arguments for writing triples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The source text.
    pub source: PathBuf,
    /// One output file per hypothesis, in the same order.
    pub files: Vec<PathBuf>,
}

/// A line of the file, with COMET's field names.
#[derive(Serialize)]
struct Triple<'a> {
    src: &'a str,
    mt: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
}

impl Export {
    /// Checks before long work that every file can be written.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] unless there are one reference and one distinct file per hypothesis; [`Error::Failed`] for a
    /// folder that does not exist.
    pub fn check(&self, hypotheses: usize, references: usize) -> Result<()> {
        let refuse = |text: String| Err(Error::misuse(format!("--export-triples {text}")));
        if references > 1 {
            return refuse(format!("takes one reference, found {references}"));
        }
        if self.files.len() != hypotheses {
            let files = self.files.len();
            return refuse(format!(
                "needs a file for each of {hypotheses} hypotheses, found {files}"
            ));
        }
        for (k, file) in self.files.iter().enumerate() {
            if text::is_stdin(file) {
                return refuse("needs a file: standard output is for the scores".into());
            }
            if self.files[..k].contains(file) {
                return refuse(format!("has {} twice", file.display()));
            }
            has_place(file)?;
        }
        Ok(())
    }

    /// Writes one JSON object per line, `{"src", "mt", "ref"}`, for each of `hypotheses`. The first hypothesis was read
    /// from `first`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a source that cannot be read or has another number of lines;
    /// [`Error::Failed`] for a file that cannot be written.
    pub fn write(
        &self,
        first: &Path,
        hypotheses: &[Vec<String>],
        reference: &[String],
    ) -> Result<()> {
        let source = input::read_parallel(&self.source, first, reference)?;
        for (file, hypothesis) in self.files.iter().zip(hypotheses) {
            write_output(file, |out| {
                for ((src, mt), reference) in source.iter().zip(hypothesis).zip(reference) {
                    serde_json::to_writer(&mut *out, &Triple { src, mt, reference })?;
                    writeln!(out)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
