//! Source, translation and reference side by side, as COMET takes them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input;
use a2d_system::error::{Error, Result};
use a2d_system::files::{has_place, write_output};
use a2d_system::text;

/// Where triples go and what they need, as asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The text that was translated.
    pub source: PathBuf,
    /// A file for each hypothesis, in their order.
    pub files: Vec<PathBuf>,
}

/// A line of the file; the names are COMET's.
#[derive(Serialize)]
struct Triple<'a> {
    src: &'a str,
    mt: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
}

impl Export {
    /// Looks before long work whether every file can be written.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless there is one reference, and a file for each hypothesis that is
    /// none of the others; [`Error::Failed`] for a place that does not exist.
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

    /// Writes a JSON object a line, `{"src", "mt", "ref"}`, for each of `hypotheses`; the first one
    /// was read from `first`.
    ///
    /// # Errors
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
