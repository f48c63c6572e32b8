//! The sentences on a page.

use super::subject::Subject;
use a2d_run::prepared;
use a2d_system::error::{Error, Result};
use a2d_system::text;
use std::path::Path;

/// The default number of translated sentences.
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
    /// Their reference translations, if known.
    pub reference: Option<Vec<String>>,
    /// The indices of the sentences shown with attention maps.
    pub looked_at: Vec<usize>,
}

/// Chooses sentences: `lines` (from 1) of the file `text`, or of the first text of a run; by default some evenly spaced
/// lines.
///
/// # Errors
///
/// Misuse: the file cannot be read, a line number is out of range, or no text is found for `lines`.
pub fn choose(
    subjects: &mut [Subject],
    lines: Option<&[usize]>,
    text: Option<&Path>,
) -> Result<Option<Sentences>> {
    let text = match text {
        Some(path) => {
            Some(RunText { name: text::name(path), source: text::read_lines(path)?, target: None })
        }
        None => subjects.iter_mut().find_map(RunText::of),
    };
    match text {
        Some(text) => text.pick(lines).map(Some),
        None if lines.is_some() => Err(Error::misuse(
            "--sentences: no run has its text any more; give one with --text FILE",
        )),
        None => Ok(None),
    }
}

struct RunText {
    name: String,
    source: Vec<String>,
    target: Option<Vec<String>>,
}

impl RunText {
    /// The test or validation text of a run.
    fn of(subject: &mut Subject) -> Option<Self> {
        let (config, dir) = (subject.config.as_ref()?, subject.dir.folder());
        let folder = prepared::folder_of(config, dir);
        let found = ["test", "valid"].into_iter().find_map(|split| {
            let text = prepared::text_of(config, dir, split).transpose()?;
            Some(text.map(|text| (split, text)))
        });
        let Some((split, text)) = subject.noted(found.transpose()).flatten() else {
            let note = format!("no text in {}: it gives no sentences to show", folder.display());
            subject.notes.push(note);
            return None;
        };
        let usable = text.source.len() == text.target.len() && !text.source.is_empty();
        let text = Self { name: split.to_owned(), source: text.source, target: Some(text.target) };
        usable.then_some(text)
    }

    fn pick(self, lines: Option<&[usize]>) -> Result<Sentences> {
        let count = self.source.len();
        let numbers = match lines {
            Some(lines) => lines.to_vec(),
            None => spread(count),
        };
        if let Some(number) = numbers.iter().find(|&&number| number == 0 || number > count) {
            let name = self.name;
            return Err(Error::misuse(format!("--sentences {number}: {name} has {count} lines")));
        }
        let step = if lines.is_some() { 1 } else { EVERY };
        let of = |lines: &[String]| numbers.iter().map(|&n| lines[n - 1].clone()).collect();
        Ok(Sentences {
            source: of(&self.source),
            reference: self.target.as_deref().map(of),
            looked_at: (0..numbers.len()).step_by(step).collect(),
            name: self.name,
            numbers,
        })
    }
}

/// Evenly spaced line numbers.
fn spread(count: usize) -> Vec<usize> {
    let shown = SAMPLES.min(count);
    (0..shown).map(|k| (2 * k + 1) * count / (2 * shown) + 1).collect()
}
