//! The findings in the texts, as JSON and as text.

use super::PrepareRequest;
use super::check::{Check, Flags};
use super::script::Script;
use crate::vocab::{LineForm, Touched};
use a2d_system::error::{Error, Result};
use a2d_system::text::Line;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Sample pairs per finding.
const SAMPLES: usize = 5;
/// Characters of a line in a sample.
const WIDTH: usize = 60;

/// The result of a preparation, stored in `report.json` and `data.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The extension of the source files.
    pub source_lang: String,
    /// The extension of the target files.
    pub target_lang: String,
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
    /// The source and the target file.
    pub files: [String; 2],
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
    pub(super) fn new(name: &str, files: [String; 2], clean: bool) -> Self {
        let finding = |check: Check| Finding {
            check,
            count: 0,
            share: 0.0,
            left_out: check.leaves_out(clean),
            samples: Vec::new(),
        };
        let findings = Check::ALL.map(finding).into();
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

    pub(super) fn end(&mut self, lines: usize) {
        self.lines = lines;
        for finding in &mut self.findings {
            finding.share = finding.count as f64 / lines.max(1) as f64;
        }
    }

    /// The description of a check in the text report.
    pub(super) fn says(&self, check: Check, max_length: usize) -> String {
        match check {
            Check::Unreadable => "not UTF-8, or over 1 MiB".into(),
            Check::Empty => "a side is empty".into(),
            Check::TooLong => format!("longer than {max_length} tokens"),
            Check::Unbalanced => "sides of very different length".into(),
            Check::Identical => "source and target are the same".into(),
            Check::Duplicate => "same as an earlier pair".into(),
            Check::Overlap => match self.name.as_str() {
                "train" => "a side is in the validation or test text".into(),
                "valid" => "a side is in the training text".into(),
                _ => "a side is in the training or validation text".into(),
            },
            Check::Encoding => "signs of a wrong encoding".into(),
            Check::Script => "a side in another script".into(),
            Check::NearDuplicate => "almost the same as an earlier pair".into(),
            Check::Ambiguous => "source of an earlier pair, another target".into(),
        }
    }
}

/// A printable excerpt of a line.
fn excerpt(line: Line<'_>) -> String {
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
        let findings =
            split.findings.iter().filter(|f| f.check.is_flaw() && !(clean && f.left_out));
        let Some(most) = findings.max_by_key(|finding| finding.count) else { return Ok(()) };
        let Split { name, flawed, lines, .. } = split;
        let (count, says) = (most.count, split.says(most.check, request.max_length));
        let at = most.samples.first().map_or(0, |sample| sample.line);
        Err(Error::misuse(format!(
            "{name}: {flawed} of {lines} pairs have flaws, most of them: {says} ({count}, the first \
             in line {at}); see {saved}"
        )))
    }

    /// Prints the report as text.
    ///
    /// # Errors
    ///
    /// `out` cannot be written.
    pub(super) fn tell(
        &self,
        request: &PrepareRequest,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let Vocabulary { size, byte_fallback, normalization, symbols, fingerprint, every } =
            &self.vocabulary;
        let bytes = if *byte_fallback { ", byte fallback" } else { "" };
        let form = format!(", normalization {normalization}");
        writeln!(out, "vocabulary: {size} tokens{bytes}{form}, fingerprint {fingerprint}")?;
        match symbols {
            0 if !request.protect.is_empty() => {
                writeln!(out, "  no protected text occurs twice in the training text")?
            }
            0 => {}
            _ => writeln!(out, "  {symbols} of them protected texts, kept whole")?,
        }
        if *every == 0 {
            writeln!(out, "  as it was given")?;
        } else if *every > 1 {
            writeln!(out, "  learnt from one in {every} pairs: the text is large")?;
        }
        if *every > 0 && *size < request.vocab_size {
            let asked = request.vocab_size;
            writeln!(out, "  fewer than the {asked} asked for: the text has no more")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))?;
        self.splits.iter().try_for_each(|split| split.tell(request, out))
    }
}

impl Split {
    fn tell(&self, request: &PrepareRequest, out: &mut dyn Write) -> std::io::Result<()> {
        let mean = |tokens: usize| tokens as f64 / self.kept.max(1) as f64;
        let (source, target) = (mean(self.source_tokens), mean(self.target_tokens));
        let Self { name, kept, lines, .. } = self;
        writeln!(
            out,
            "{name}: {kept} of {lines} pairs, {source:.1} source and {target:.1} target tokens each"
        )?;
        let found = self.findings.iter().filter(|finding| finding.count > 0);
        for Finding { check, count, share, left_out, samples } in found {
            let says = self.says(*check, request.max_length);
            let done = match name.as_str() {
                _ if !left_out => "",
                "train" => "  left out",
                // Scoring translates the whole text.
                _ => "  out of the loss, but scored",
            };
            writeln!(out, "  {says:<44} {count:>9} {:>7.3} %{done}", 100.0 * share)?;
            for Sample { line, source, target } in samples {
                writeln!(out, "    {line:>9}: {source} | {target}")?;
            }
        }
        let Normalized { spaces, invisible, composition } = self.normalized;
        let changes = [
            ("lines with other spaces, normalised", spaces),
            ("lines with invisible characters, dropped", invisible),
            ("lines with characters in another form", composition),
        ];
        for (says, count) in changes.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(
                out,
                "  {says:<44} {count:>9} {:>7.3} %",
                50.0 * count as f64 / *lines as f64
            )?;
        }
        if self.unknown > 0 {
            let says = "characters outside the vocabulary";
            writeln!(out, "  {says:<44} {:>9}", self.unknown)?;
        }
        Ok(())
    }
}
