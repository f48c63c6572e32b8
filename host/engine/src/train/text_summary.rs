//! Summary of finished runs of text models: accuracy, or likeness to the teacher.

use super::summary::{Entry, Role, SAMPLES, Summary, list, save_scores, scored_text};
use super::warnings;
use crate::texts::{Judged, Likeness, Read, Reader, judge, labels, read_lines};
use a2d_core::backend::Train;
use a2d_data::vocab::Vocab;
use a2d_run::config::Task;
use a2d_score::{mcnemar, only_right};
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::output::thousands;
use a2d_system::signals;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// A named number, and its decimal places.
struct Score {
    key: &'static str,
    title: &'static str,
    value: f64,
    places: usize,
}

/// A run's scores.
struct Scored {
    size: usize,
    found: Found,
    texts_per_second: f64,
    scores: Vec<Score>,
    against: Option<Against>,
}

/// What a model makes of the texts.
enum Found {
    Labels(Judged),
    Vectors(Read),
}

impl Found {
    fn labels(&self) -> Option<&Judged> {
        match self {
            Self::Labels(labels) => Some(labels),
            Self::Vectors(_) => None,
        }
    }

    fn vectors(&self) -> Option<&Read> {
        match self {
            Self::Labels(_) => None,
            Self::Vectors(vectors) => Some(vectors),
        }
    }
}

/// A comparison with the student trained alone.
struct Against {
    /// The difference in accuracy, in percent.
    difference: f64,
    /// By McNemar's exact test.
    p_value: f64,
}

impl Against {
    /// Whether the difference is more than chance.
    fn is_significant(&self) -> bool {
        self.p_value < 0.05
    }
}

/// Reads the test set (or the validation set if there is no test set) with the best checkpoint of every run and writes
/// each run's `scores.json`. Prints a table and samples, or a list with `json`.
///
/// # Errors
///
/// A run cannot be read; a file or `out` cannot be written.
pub(super) fn write<B: Train>(b: &mut B, summary: Summary<'_>) -> Result<()> {
    let Summary { entries, run, data, display, json, out } = summary;
    let Some((split, text)) = scored_text(data)? else { return Ok(()) };
    let truth = (run.task == Task::Classify).then(|| labels::numbers(&data.vocab, &text.target));
    let truth = truth.transpose()?;
    let texts = Texts { split, lines: &text.source, truth: truth.as_deref(), vocab: &data.vocab };
    let mut all: Vec<Scored> = Vec::new();
    for entry in &entries {
        let mut scored = texts.read(b, entry, display)?;
        scored.scores = match &scored.found {
            Found::Vectors(own) => likeness(own, all.first().and_then(|of| of.found.vectors())),
            Found::Labels(labels) => judged(labels),
        };
        let alone = entries.iter().zip(&all).find(|(of, _)| of.role == Role::Alone);
        let alone = alone.filter(|_| entry.role == Role::Student);
        let alone = alone.and_then(|(_, alone)| alone.found.labels());
        scored.against = scored.found.labels().zip(alone).map(|(own, alone)| against(own, alone));
        save_scores(&entry.folder, scored.json(split))?;
        all.push(scored);
    }
    let warnings = warned(&entries, &all);
    if json {
        warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
    }
    let written = match json {
        true => list(&entries, all.iter().map(|scored| scored.json(split)), out),
        false => texts
            .table(&entries, &all, out)
            .and_then(|()| warnings.iter().try_for_each(|one| writeln!(out, "warning: {one}")))
            .and_then(|()| texts.samples(&entries, &all, out)),
    };
    written.map_err(|e| Error::output("write", Path::new("the results"), &e))
}

/// What is wrong with the teacher of a classifier, and with the student, beside the student trained alone.
fn warned(entries: &[Entry<'_>], all: &[Scored]) -> Vec<String> {
    let of = |role| entries.iter().position(|entry| entry.role == role).map(|i| &all[i]);
    let accuracy = |scored: &Scored| Some(scored.scores.first()?.value);
    let [teacher, alone] = [Role::Teacher, Role::Alone].map(|role| of(role).and_then(accuracy));
    let teacher = teacher.zip(alone);
    let teacher = teacher.and_then(|(own, alone)| warnings::no_better(own, alone, "accuracy"));
    let against = of(Role::Student).and_then(|student| student.against.as_ref());
    let student =
        against.and_then(|of| warnings::of_student(of.difference, "accuracy", of.is_significant()));
    teacher.into_iter().chain(student).collect()
}

/// The texts of a split.
struct Texts<'a> {
    split: &'a str,
    lines: &'a [String],
    /// The numbers of the labels, for a classification.
    truth: Option<&'a [u32]>,
    vocab: &'a Vocab,
}

impl Texts<'_> {
    fn read<B: Train>(&self, b: &mut B, entry: &Entry<'_>, display: &Display) -> Result<Scored> {
        let Self { split, lines, .. } = *self;
        let Reader { model, vocab, size } = Reader::open(b, &entry.folder)?;
        let count =
            display.count(&format!("{}: scoring the {split} set", entry.label), lines.len());
        let done = |lines| {
            count.add(lines);
            signals::go_on()
        };
        let start = Instant::now();
        let found = match self.truth {
            Some(truth) => Found::Labels(judge(b, (&model, &vocab), lines, truth, &done)?),
            None => Found::Vectors(read_lines(b, &model, &vocab, lines, &done)?),
        };
        let texts_per_second = lines.len() as f64 / start.elapsed().as_secs_f64().max(1e-9);
        Ok(Scored { size, found, texts_per_second, scores: Vec::new(), against: None })
    }
}

/// The scores of labels.
fn judged(of: &Judged) -> Vec<Score> {
    vec![
        percent("accuracy", "accuracy", of.confusion.accuracy()),
        percent("macro F1", "macro F1", of.confusion.macro_f1()),
        percent("calibration error", "ECE", of.calibration),
    ]
}

fn percent(key: &'static str, title: &'static str, share: f64) -> Score {
    Score { key, title, value: 100.0 * share, places: 2 }
}

/// How alike the vectors are to the teacher's, the first run's.
fn likeness(own: &Read, teacher: Option<&Read>) -> Vec<Score> {
    let Likeness { cosine, rank } = Likeness::of(own, teacher.unwrap_or(own));
    let score = |key, value| Score { key, title: key, value, places: 4 };
    let cosine = cosine.map(|value| score("cosine", value));
    cosine.into_iter().chain(rank.map(|value| score("Spearman", value))).collect()
}

fn against(own: &Judged, alone: &Judged) -> Against {
    let [gained, lost] = only_right(&own.right, &alone.right);
    let difference = 100.0 * (gained as f64 - lost as f64) / own.right.len().max(1) as f64;
    Against { difference, p_value: mcnemar(gained, lost) }
}

impl Scored {
    fn json(&self, split: &str) -> Map<String, Value> {
        let scores = self.scores.iter().map(|of| json!({"name": of.key, "score": of.value}));
        let mut object = Map::from_iter([
            ("split".to_owned(), json!(split)),
            ("parameters".to_owned(), json!(self.size)),
            ("texts_per_second".to_owned(), json!(self.texts_per_second)),
            ("scores".to_owned(), scores.collect()),
        ]);
        if let Some(Against { difference, p_value }) = &self.against {
            let test = "McNemar, exact";
            let told =
                json!({"run": "alone", "difference": difference, "p_value": p_value, "test": test});
            object.insert("against".to_owned(), told);
        }
        object
    }
}

impl Texts<'_> {
    fn table(&self, entries: &[Entry<'_>], all: &[Scored], out: &mut dyn Write) -> io::Result<()> {
        let width = width(entries);
        write!(out, "{:width$}  {:>10}", "model", "parameters")?;
        let titles = all.last().map(|of| &of.scores[..]).unwrap_or_default();
        titles.iter().try_for_each(|score| write!(out, "  {:>9}", score.title))?;
        writeln!(out, "  {:>8}", "texts/s")?;
        for (entry, scored) in entries.iter().zip(all) {
            write!(out, "{:width$}  {:>10}", entry.label, thousands(scored.size))?;
            for Score { value, places, .. } in &scored.scores {
                write!(out, "  {value:>9.places$}")?;
            }
            writeln!(out, "  {:>8.0}", scored.texts_per_second)?;
        }
        writeln!(out, "({} set, {} texts)", self.split, thousands(self.lines.len()))?;
        for (entry, scored) in entries.iter().zip(all) {
            let Some(against) = &scored.against else { continue };
            let not = if against.is_significant() { "" } else { "not " };
            let Against { difference, p_value } = against;
            let told = format!("{difference:+.2} accuracy, p = {p_value:.3} by McNemar's test");
            writeln!(out, "{} against the student alone: {told}, {not}significant", entry.label)?;
        }
        Ok(())
    }

    /// Some texts with their labels.
    fn samples(
        &self,
        entries: &[Entry<'_>],
        all: &[Scored],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Self { lines, truth: Some(truth), vocab, .. } = *self else { return Ok(()) };
        let name = |label: u32| vocab.target().piece(label).unwrap_or_default();
        let width = width(entries);
        for k in 0..SAMPLES.min(lines.len()) {
            let i = (2 * k + 1) * lines.len() / (2 * SAMPLES);
            writeln!(out, "\n{:width$}  {}", "text", lines[i])?;
            writeln!(out, "{:width$}  {}", "label", name(truth[i]))?;
            for (entry, scored) in entries.iter().zip(all) {
                let Found::Labels(found) = &scored.found else { continue };
                writeln!(out, "{:width$}  {}", entry.label, name(found.labels[i]))?;
            }
        }
        Ok(())
    }
}

/// The width of the first column.
fn width(entries: &[Entry<'_>]) -> usize {
    entries.iter().map(|e| e.label.len()).max().unwrap_or(0).max(5)
}
