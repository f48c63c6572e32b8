//! The sentences on a page.

use super::subject::Subject;
use a2d_run::config::Task;
use a2d_run::prepared::{self, Parallel};
use a2d_system::error::{Error, Result};
use a2d_system::text;
use std::path::Path;

/// The default number of sentences.
const SAMPLES: usize = 9;

/// By default every third sentence is shown with attention maps.
const EVERY: usize = 3;

/// The sentences to show.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentences {
    /// Their text: `test`, `valid` or the name of a file.
    pub name: String,
    /// Their line numbers, from 1.
    pub numbers: Vec<usize>,
    /// The source sentences.
    pub source: Vec<String>,
    /// Their reference translations or labels, if known.
    pub reference: Option<Vec<String>>,
    /// The indices of the sentences shown with attention maps.
    pub looked_at: Vec<usize>,
}

/// The lines of `text` with the numbers `lines` (from 1); by default some evenly spaced ones.
///
/// # Errors
///
/// Misuse: a line number is out of range, or there is no text for `lines`.
pub fn choose(text: Option<&Text>, lines: Option<&[usize]>) -> Result<Option<Sentences>> {
    match text {
        Some(text) => text.pick(lines).map(Some),
        None if lines.is_some() => Err(Error::misuse(
            "--sentences: no run has its text any more; give one with --text FILE",
        )),
        None => Ok(None),
    }
}

/// Lines to choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// `test`, `valid` or the name of a file.
    pub name: String,
    /// The source sentences.
    pub source: Vec<String>,
    /// Their reference translations or labels, if known.
    pub target: Option<Vec<String>>,
}

impl Text {
    /// The lines of a file.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { name: text::name(path), source: text::read_lines(path)?, target: None })
    }

    /// The test or validation text of the first run that has one. A run that has none gets a note.
    pub fn of_runs(subjects: &mut [Subject]) -> Option<Self> {
        subjects.iter_mut().find_map(Self::of)
    }

    fn of(subject: &mut Subject) -> Option<Self> {
        let (config, dir) = (subject.config.as_ref()?, subject.dir.folder());
        let (folder, task) = (prepared::folder_of(config, dir), config.task);
        let found = ["test", "valid"].into_iter().find_map(|split| {
            let text = prepared::text_of(config, dir, split).transpose()?;
            Some(text.map(|text| (split, text)))
        });
        let Some((split, text)) = subject.noted(found.transpose()).flatten() else {
            let note = format!("no text in {}: it gives no sentences to show", folder.display());
            subject.notes.push(note);
            return None;
        };
        let Parallel { source, target } = text;
        let target = (task != Task::Embed).then_some(target);
        let fits = target.as_ref().is_none_or(|target| target.len() == source.len());
        (fits && !source.is_empty()).then(|| Self { name: split.to_owned(), source, target })
    }

    fn pick(&self, lines: Option<&[usize]>) -> Result<Sentences> {
        let count = self.source.len();
        let numbers = match lines {
            Some(lines) => lines.to_vec(),
            None => spread(count),
        };
        if let Some(number) = numbers.iter().find(|&&number| number == 0 || number > count) {
            let name = &self.name;
            return Err(Error::misuse(format!("--sentences {number}: {name} has {count} lines")));
        }
        let step = if lines.is_some() { 1 } else { EVERY };
        let of = |lines: &[String]| numbers.iter().map(|&n| lines[n - 1].clone()).collect();
        Ok(Sentences {
            source: of(&self.source),
            reference: self.target.as_deref().map(of),
            looked_at: (0..numbers.len()).step_by(step).collect(),
            name: self.name.clone(),
            numbers,
        })
    }
}

/// Evenly spaced line numbers.
fn spread(count: usize) -> Vec<usize> {
    let shown = SAMPLES.min(count);
    (0..shown).map(|k| (2 * k + 1) * count / (2 * shown) + 1).collect()
}
