//! The findings in the texts, as JSON.

use super::PrepareRequest;
use super::check::{Check, Flags};
use super::script::Script;
use crate::task::Task;
use crate::vocab::{BOS, LineForm, Touched, UNK};
use a2d_system::error::{Error, Result};
use a2d_system::text::Line;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// Sample pairs per finding.
const SAMPLES: usize = 5;
/// Characters of a line in a sample.
const WIDTH: usize = 60;

/// The result of a preparation, stored in `report.json` and `data.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the data are for.
    #[serde(default, skip_serializing_if = "is_translation")]
    pub task: Task,
    /// The extension of the source files.
    pub source_lang: String,
    /// The extension of the target files.
    pub target_lang: String,
    /// The labels of texts to classify, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// Warnings about the training text as a whole.
    pub warnings: Vec<String>,
    /// `train`, `valid` and, if given, `test`.
    pub splits: Vec<Split>,
}

/// The vocabulary of a prepared folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// The number of tokens. It can be smaller than requested.
    pub size: usize,
    /// Whether unknown characters are encoded as bytes.
    pub byte_fallback: bool,
    /// How lines are normalised.
    #[serde(default = "unnormalized")]
    pub normalization: LineForm,
    /// The number of texts that are kept whole, see [`super::PrepareRequest::protect`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub symbols: usize,
    /// [`crate::vocab::Vocab::fingerprint`].
    pub fingerprint: String,
    /// The vocabulary was learnt from every n-th pair of the training text: 1 up to [`super::MOST_LEARNT_FROM`], more
    /// for larger texts, 0 for an existing vocabulary.
    pub every: usize,
}

/// The findings in a split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// `train`, `valid` or `test`.
    pub name: String,
    /// The source and the target file, or the file of the texts.
    pub files: Vec<String>,
    /// The most frequent script of source and target; `None` if no line has enough letters.
    pub scripts: [Option<Script>; 2],
    /// Pairs read.
    pub lines: usize,
    /// Pairs written to the token file.
    pub kept: usize,
    /// Pairs with a flaw that were not excluded by `--clean`.
    pub flawed: usize,
    /// Source tokens kept, without end-of-sentence tokens.
    pub source_tokens: usize,
    /// Target tokens kept, without end-of-sentence tokens.
    pub target_tokens: usize,
    /// The tokens of the longest source kept, before texts are cut.
    #[serde(default)]
    pub longest: usize,
    /// Texts kept of each label, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<usize>,
    /// Unknown tokens.
    pub unknown: usize,
    /// Lines that normalisation changes, on both sides together.
    #[serde(default)]
    pub normalized: Normalized,
    /// One finding per check, including checks that found nothing.
    pub findings: Vec<Finding>,
}

/// Lines changed by normalisation, by kind of change. A line can have several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Normalized {
    /// Tabs, no-break spaces, repeated spaces, spaces at an end.
    pub spaces: usize,
    /// Dropped invisible characters: soft hyphens, byte-order marks, control characters.
    pub invisible: usize,
    /// Characters replaced by the normal form: decomposed letters; with NFKC also ligatures and other compatibility
    /// characters.
    pub composition: usize,
}

impl Normalized {
    /// Counts a line.
    pub(super) fn add(&mut self, line: Touched) {
        self.spaces += usize::from(line.spaces);
        self.invisible += usize::from(line.invisible);
        self.composition += usize::from(line.composition);
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

pub(super) fn is_translation(task: &Task) -> bool {
    *task == Task::Translate
}

/// The default for folders written before the field existed.
pub(super) fn unnormalized() -> LineForm {
    LineForm::None
}

/// The number of pairs flagged by a check, and the first few of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// The number of pairs. A pair can be in several findings.
    pub count: usize,
    /// The share of all pairs, 0 to 1.
    pub share: f64,
    /// Whether these pairs are excluded from the token file. The text used for scoring keeps all lines.
    pub left_out: bool,
    /// The first five pairs.
    pub samples: Vec<Sample>,
}

/// A pair of lines. Long lines are cut, invisible characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The line number, from 1.
    pub line: usize,
    /// The source.
    pub source: String,
    /// The target.
    pub target: String,
}

impl Split {
    /// No findings yet. `clean`: whether pairs with flaws are excluded.
    pub(super) fn new(name: &str, files: Vec<String>, task: Task, clean: bool) -> Self {
        let finding = |check: Check| Finding {
            check,
            count: 0,
            share: 0.0,
            left_out: check.leaves_out(task, clean),
            samples: Vec::new(),
        };
        let checks = Check::ALL.into_iter().filter(|check| check.applies(task));
        let findings = checks.map(finding).collect();
        Self { name: name.to_owned(), files, findings, ..Self::default() }
    }

    /// The finding of a check.
    pub fn finding(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }

    pub(super) fn note(&mut self, flags: Flags, i: usize, pair: [Line<'_>; 2]) {
        for finding in self.findings.iter_mut().filter(|finding| flags.has(finding.check)) {
            finding.count += 1;
            if finding.samples.len() < SAMPLES {
                let [source, target] = pair.map(excerpt);
                finding.samples.push(Sample { line: i + 1, source, target });
            }
        }
    }

    /// Counts a pair that is kept. `whole`: the tokens of the source before a text is cut.
    pub(super) fn keep(&mut self, task: Task, [source, target]: [&[u32]; 2], whole: usize) {
        let unknown = |ids: &[u32]| ids.iter().filter(|id| **id == UNK).count();
        self.kept += 1;
        self.longest = self.longest.max(whole);
        self.source_tokens += source.strip_prefix(&[BOS]).unwrap_or(source).len();
        self.unknown += unknown(source);
        match task {
            Task::Translate => {
                self.target_tokens += target.len();
                self.unknown += unknown(target);
            }
            Task::Classify => self.labels[target[0] as usize] += 1,
            Task::Embed => {}
        }
    }

    pub(super) fn end(&mut self, lines: usize) {
        self.lines = lines;
        for finding in &mut self.findings {
            finding.share = finding.count as f64 / lines.max(1) as f64;
        }
    }
}

/// A printable excerpt of a line.
pub(super) fn excerpt(line: Line<'_>) -> String {
    let mut text = String::new();
    let bytes = match line {
        Line::Text(text) => text.as_bytes(),
        Line::Bytes(bytes) => bytes,
        Line::TooLong => b"(over 1 MiB)",
    };
    let mut left = WIDTH;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                text.push('…');
                return text;
            }
            left -= 1;
            match c {
                '\u{FEFF}' | '\u{2028}' | '\u{2029}' => text.extend(c.escape_unicode()),
                _ if c.is_control() => text.extend(c.escape_default()),
                _ => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

impl Report {
    /// Fails if more than `percent` of the pairs of a split have flaws, or if there is a warning.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] with the warning or the most frequent flaw; it refers to the report in `saved`.
    pub(super) fn check(&self, percent: f64, request: &PrepareRequest, saved: &Path) -> Result<()> {
        let saved = saved.display();
        if let Some(warning) = self.warnings.first() {
            return Err(Error::misuse(format!("{warning}; see {saved}")));
        }
        let share = |split: &Split| split.flawed as f64 / split.lines as f64;
        let worst = self.splits.iter().filter(|split| 100.0 * share(split) > percent);
        let Some(split) = worst.max_by(|a, b| share(a).total_cmp(&share(b))) else { return Ok(()) };
        let clean = request.clean && split.name == "train";
        let findings = split
            .findings
            .iter()
            .filter(|f| f.check.is_flaw(request.task) && !(clean && f.left_out));
        let Some(most) = findings.max_by_key(|finding| finding.count) else { return Ok(()) };
        let Split { name, flawed, lines, .. } = split;
        let (count, says) = (most.count, split.says(most.check, request));
        let at = most.samples.first().map_or(0, |sample| sample.line);
        Err(Error::misuse(format!(
            "{name}: {flawed} of {lines} {} have flaws, most of them: {says} ({count}, the first \
             in line {at}); see {saved}",
            request.task.items()
        )))
    }
}
