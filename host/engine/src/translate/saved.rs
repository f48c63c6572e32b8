//! Translations for a file. They are saved line by line, and the file is written when all are there.

use super::Translation;
use super::sink::{Finished, Form, Sink};
use super::source::SourceLine;
use a2d_run::partial::{Partial, Unit};
use a2d_system::error::{Error, Result};
use a2d_system::files::write_output;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Translations for a file, saved under another name until all are there.
pub struct Saved {
    output: PathBuf,
    form: Form,
    resume: bool,
    partial: Option<Partial>,
    /// The translations of an earlier process that were not compared with the text yet.
    known: Box<dyn Iterator<Item = Result<Kept>>>,
}

/// The saved translations of a line.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    best: Vec<Translation>,
    tokens: usize,
    /// See [`SourceLine::hash`].
    source: u64,
}

impl Saved {
    /// Translations for the file `output`. With `resume` they are saved in `output.partial`, after those that an earlier
    /// process saved there; else under a temporary name.
    pub fn new(output: &Path, form: Form, resume: bool) -> Self {
        let known = Box::new(std::iter::empty());
        Self { output: output.to_owned(), form, resume, partial: None, known }
    }

    /// Keeps what is saved in `output.partial`, and says so; `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn keep(self) -> Result<Option<String>> {
        let Some(partial) = self.partial.filter(|partial| partial.done() > 0) else {
            return Ok(None);
        };
        let (lines, path) = (partial.done(), partial.path().display().to_string());
        Ok(Some(match partial.keep()? {
            Some(_) => {
                let lines = if lines == 1 {
                    "first line is".into()
                } else {
                    format!("first {lines} lines are")
                };
                format!("the {lines} kept in {path}: go on with --resume")
            }
            None => format!("{path} exists and was left as it is"),
        }))
    }

    fn partial(&mut self) -> Result<&mut Partial> {
        self.partial.as_mut().ok_or_else(|| Error::failed("translations before their recipe"))
    }

    fn write(&mut self) -> Result<()> {
        let (mut lines, mut failed) = (self.partial()?.items::<Kept>()?.zip(1..), None);
        let form = self.form;
        let written = write_output(&self.output, |out| {
            lines.try_for_each(|(kept, number)| match kept {
                Ok(kept) => form.write(number, &kept.best, out),
                Err(error) => {
                    failed = Some(error);
                    Err(std::io::ErrorKind::InvalidData.into())
                }
            })
        });
        failed.map_or(written, Err)
    }

    /// The error of saved translations that are not those of the text.
    fn other(&self, why: &str) -> Error {
        let path = path(&self.output);
        let help = "remove it, or choose another output";
        Error::misuse(format!("{} is of other text: {why}; {help}", path.display()))
    }
}

impl Sink for Saved {
    fn begin(&mut self, recipe: &Value) -> Result<()> {
        let path = path(&self.output);
        let partial = if self.resume {
            let partial = Partial::open(&path, recipe, Unit::Item)?;
            self.known = Box::new(partial.items()?);
            partial
        } else {
            Partial::temporary(&path, recipe, Unit::Item)?
        };
        self.partial = Some(partial);
        Ok(())
    }

    fn skip(&mut self, lines: &mut Vec<SourceLine>) -> Result<Vec<usize>> {
        let mut tokens = Vec::new();
        for line in lines.iter() {
            let Some(kept) = self.known.next() else { break };
            let kept = kept?;
            if kept.source != line.hash {
                return Err(self.other("a line has changed that it has the translation of"));
            }
            tokens.push(kept.tokens);
        }
        lines.drain(..tokens.len());
        Ok(tokens)
    }

    fn take(&mut self, lines: Vec<Finished>) -> Result<()> {
        let kept = |Finished { best, tokens, hash, .. }| Kept { best, tokens, source: hash };
        let kept: Vec<_> = lines.into_iter().map(kept).collect();
        self.partial()?.append(&kept)
    }

    fn end(&mut self) -> Result<()> {
        if self.known.next().is_some() {
            return Err(self.other("it has more lines"));
        }
        self.write()?;
        self.partial.take().map_or(Ok(()), Partial::remove)
    }
}

/// Path of the translations saved before `output` is complete.
fn path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
