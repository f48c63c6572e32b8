//! Where translations go.

use super::Translation;
use super::source::SourceLine;
use a2d_system::display::Throughput;
use a2d_system::error::{Error, Result};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// The translations of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Number of the line, from 1.
    pub number: usize,
    /// See [`SourceLine::hash`].
    pub hash: u64,
    /// The translations, best first.
    pub best: Vec<Translation>,
    /// Tokens of the line or, if it was split, of its longest sentence.
    pub tokens: usize,
}

/// A sink of translations.
pub trait Sink {
    /// Starts work of this recipe: the model and the search.
    ///
    /// # Errors
    ///
    /// The sink has translations of another recipe; it cannot be written.
    fn begin(&mut self, _recipe: &Value) -> Result<()> {
        Ok(())
    }

    /// Removes the first of the next lines of the text if the sink has their translations, and returns their tokens.
    ///
    /// # Errors
    ///
    /// The sink has translations of other lines.
    fn skip(&mut self, _lines: &mut Vec<SourceLine>) -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    /// Takes the translations of the next lines.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    fn take(&mut self, lines: Vec<Finished>) -> Result<()>;

    /// Takes note that there are no more lines.
    ///
    /// # Errors
    ///
    /// The translations cannot be written.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Sink for Vec<Finished> {
    fn take(&mut self, lines: Vec<Finished>) -> Result<()> {
        self.extend(lines);
        Ok(())
    }
}

/// How translations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The best translation of each line.
    Best,
    /// All, each with the number of its line and its score.
    Numbered,
}

impl Form {
    /// Writes the translations of line `number`.
    pub(super) fn write(
        self,
        number: usize,
        best: &[Translation],
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let mut write = |one: &Translation| match self {
            Self::Best => writeln!(out, "{}", one.text),
            Self::Numbered => writeln!(out, "{number}\t{:.4}\t{}", one.score, one.text),
        };
        best.iter().try_for_each(&mut write)
    }
}

/// Writes translations as they come.
pub struct Printed<'a> {
    /// Where they are written.
    pub out: &'a mut dyn Write,
    /// Its name in messages.
    pub name: &'a Path,
    /// How they are written.
    pub form: Form,
    /// The progress on the same terminal.
    pub progress: Throughput,
}

impl Sink for Printed<'_> {
    fn take(&mut self, lines: Vec<Finished>) -> Result<()> {
        let Self { out, form, progress, .. } = self;
        let written = progress.aside(|| {
            let mut write = |line: &Finished| form.write(line.number, &line.best, out);
            lines.iter().try_for_each(&mut write).and_then(|()| out.flush())
        });
        written.map_err(|e| Error::output("write", self.name, &e))
    }
}
