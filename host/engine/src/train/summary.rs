//! Summary of finished runs: test scores, sizes, speed and samples.

use super::against::Against;
use super::text_summary;
use super::warnings;
use crate::backend::device::Chosen;
use crate::backend::work::Work;
use crate::translate::{SearchOptions, Translated, Translation, Translator, translate_lines};
use a2d_core::backend::Train;
use a2d_run::config::{Precision, RunConfig};
use a2d_run::prepared::{Parallel, Prepared};
use a2d_run::run_dir::RunDir;
use a2d_score::{Bleu, Quality, Score};
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::files::write_whole;
use a2d_system::output::thousands;
use a2d_system::signals;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

pub use super::entry::{Entry, Role};

/// Number of sample sentences.
pub(super) const SAMPLES: usize = 4;

/// A run's scores.
struct Scored {
    size: usize,
    quality: Quality,
    tokens_per_second: f64,
    /// The comparison with the student trained alone, if there is one.
    against: Option<Against>,
    lines: Vec<String>,
}

/// A summary of several runs.
///
/// Translates the test set (or the validation set if there is no test set) with the best checkpoint of every run and
/// writes each run's `scores.json`. Prints a table and samples, or with `json` a list of the score files' contents with
/// the runs' names.
pub struct Summary<'a> {
    /// The runs.
    pub entries: Vec<Entry<'a>>,
    /// Configuration of the search.
    pub run: &'a RunConfig,
    /// Configuration of the data.
    pub data: &'a Prepared,
    /// Display for progress.
    pub display: &'a Display,
    /// Whether to print JSON.
    pub json: bool,
    /// Output of the summary.
    pub out: &'a mut dyn Write,
}

impl Summary<'_> {
    /// Writes the summary. Models run on `device`.
    ///
    /// # Errors
    ///
    /// A run cannot be read; a file or `out` cannot be written.
    pub fn write(self, device: &Chosen) -> Result<()> {
        device.run(Precision::F32, self)
    }
}

impl Work for Summary<'_> {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        if self.run.task.is_of_texts() {
            return text_summary::write(b, self);
        }
        let Self { entries, run, data, display, json, out } = self;
        let Some((split, text)) = scored_text(data)? else { return Ok(()) };
        let options = SearchOptions::of(&run.train);
        let bleu = Bleu { tokenizer: run.data.tokenizer(), ..Bleu::default() };
        let scoring = Scoring { split, text, options, bleu, display };
        let alone = entries.iter().position(|entry| entry.role == Role::Alone);
        let mut scored: Vec<Scored> = Vec::new();
        for entry in &entries {
            let alone = alone.filter(|_| entry.role == Role::Student);
            let baseline = alone.and_then(|i| scored.get(i)).map(|scored| &scored.lines[..]);
            scored.push(scoring.score(b, entry, baseline)?);
        }
        let warnings = warned(&entries, &scored);
        let written = if json {
            warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
            list(&entries, scored.iter().map(|scored| scored.json(split)), out)
        } else {
            table(&entries, &scored, split, &options, out)
                .and_then(|()| warnings.iter().try_for_each(|one| writeln!(out, "warning: {one}")))
                .and_then(|()| samples(&entries, &scored, &scoring.text, out))
        };
        written.map_err(|e| Error::output("write", Path::new("the results"), &e))
    }
}

/// The text to score on, and the name of its split: the test text, or else the validation text.
pub(super) fn scored_text(data: &Prepared) -> Result<Option<(&'static str, Parallel)>> {
    for split in ["test", "valid"] {
        if let Some(text) = data.text(split)? {
            return Ok(Some((split, text)));
        }
    }
    Ok(None)
}

/// What is wrong with the teacher, and with the student beside the one trained alone.
fn warned(entries: &[Entry<'_>], scored: &[Scored]) -> Vec<String> {
    let of = |role| entries.iter().position(|entry| entry.role == role).map(|i| &scored[i]);
    let quality = |scored: &Scored| warnings::pair(&scored.quality);
    let alone = of(Role::Alone).map(quality);
    let teacher = of(Role::Teacher).and_then(|scored| warnings::of_teacher(quality(scored), alone));
    let against = of(Role::Student).and_then(|scored| scored.against.as_ref());
    let student = against.and_then(|against| {
        warnings::of_student(against.difference, "BLEU", against.is_significant())
    });
    teacher.into_iter().chain(student).collect()
}

/// What all runs are scored on, and how.
struct Scoring<'a> {
    split: &'static str,
    text: Parallel,
    options: SearchOptions,
    bleu: Bleu,
    display: &'a Display,
}

impl Scoring<'_> {
    /// Scores a run, also against the translations of `baseline`, and saves the scores.
    fn score<B: Train>(
        &self,
        b: &mut B,
        entry: &Entry<'_>,
        baseline: Option<&[String]>,
    ) -> Result<Scored> {
        let Self { text, bleu, .. } = self;
        let translator = Translator::open(b, &entry.folder)?;
        let start = Instant::now();
        let found = self.translate(b, entry, &translator)?;
        let seconds = start.elapsed().as_secs_f64();
        let best = |line: Vec<Translation>| line.into_iter().next().map(|t| t.text);
        let lines: Vec<_> =
            found.lines.into_iter().map(|line| best(line).unwrap_or_default()).collect();
        let references = [text.target.clone()];
        let against = baseline.map(|baseline| Against::of(bleu, &lines, baseline, &references));
        let scored = Scored {
            size: translator.size,
            quality: Quality::of(bleu, &lines, &references)?,
            tokens_per_second: found.tokens as f64 / seconds,
            against: against.transpose()?,
            lines,
        };
        save_scores(&entry.folder, scored.json(self.split))?;
        Ok(scored)
    }

    fn translate<B: Train>(
        &self,
        b: &mut B,
        entry: &Entry<'_>,
        translator: &Translator<B::Tensor>,
    ) -> Result<Translated> {
        let Self { split, text, options, display, .. } = self;
        let what = format!("{}: scoring the {split} set", entry.label);
        let count = display.count(&what, text.source.len());
        let done = |lines| {
            count.add(lines);
            signals::go_on()
        };
        let Translator { model, vocab, .. } = translator;
        translate_lines(b, model, vocab, &text.source, options, &done)
    }
}

/// Writes a run's `scores.json`.
pub(super) fn save_scores(folder: &Path, scores: Map<String, Value>) -> Result<()> {
    let text = Value::Object(scores);
    write_whole(&RunDir::open(folder)?.scores(), |out| writeln!(out, "{text:#}"))
}

impl Scored {
    fn json(&self, split: &str) -> Map<String, Value> {
        let score = |s: &Score| json!({"name": s.name, "score": s.score, "signature": s.signature});
        let entries = [
            ("split", json!(split)),
            ("parameters", json!(self.size)),
            ("tokens_per_second", json!(self.tokens_per_second)),
            ("scores", json!([score(&self.quality.bleu), score(&self.quality.chrf)])),
        ];
        let against = self.against.as_ref().map(|against| ("against", against.json()));
        let entries = entries.into_iter().chain(against);
        entries.map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// Prints the contents of each run's `scores.json`, with the run's name and folder.
pub(super) fn list(
    entries: &[Entry<'_>],
    scores: impl Iterator<Item = Map<String, Value>>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let object = |(entry, scores): (&Entry<'_>, Map<String, Value>)| {
        let run = entry.folder.display().to_string();
        let mut object = Map::from_iter([
            ("model".to_owned(), json!(entry.label)),
            ("run".to_owned(), json!(run)),
        ]);
        object.extend(scores);
        Value::Object(object)
    };
    let list: Vec<_> = entries.iter().zip(scores).map(object).collect();
    writeln!(out, "{:#}", Value::Array(list))
}

fn table(
    entries: &[Entry<'_>],
    scored: &[Scored],
    split: &str,
    options: &SearchOptions,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let width = entries.iter().map(|e| e.label.len()).max().unwrap_or(0).max(5);
    writeln!(
        out,
        "{:width$}  {:>10}  {:>6}  {:>6}  {:>9}",
        "model", "parameters", "BLEU", "chrF2", "tokens/s"
    )?;
    for (entry, s) in entries.iter().zip(scored) {
        writeln!(
            out,
            "{:width$}  {:>10}  {:>6.2}  {:>6.2}  {:>9.0}",
            entry.label,
            thousands(s.size),
            s.quality.bleu.score,
            s.quality.chrf.score,
            s.tokens_per_second
        )?;
    }
    let beam = options.search.beam;
    writeln!(out, "({split} set, beam {beam}; {})", scored[0].quality.bleu.signature)?;
    for (entry, s) in entries.iter().zip(scored) {
        let Some(against) = &s.against else { continue };
        writeln!(out, "{} against the student alone: {}", entry.label, against.told())?;
    }
    Ok(())
}

fn samples(
    entries: &[Entry<'_>],
    scored: &[Scored],
    text: &Parallel,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let width = entries.iter().map(|e| e.label.len()).max().unwrap_or(0).max(9);
    for k in 0..SAMPLES.min(text.source.len()) {
        let i = (2 * k + 1) * text.source.len() / (2 * SAMPLES);
        writeln!(out, "\n{:width$}  {}", "source", text.source[i])?;
        writeln!(out, "{:width$}  {}", "reference", text.target[i])?;
        for (entry, s) in entries.iter().zip(scored) {
            writeln!(out, "{:width$}  {}", entry.label, s.lines[i])?;
        }
    }
    Ok(())
}
