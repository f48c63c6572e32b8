//! Summary of finished runs of text models: accuracy, or likeness to the teacher.

use super::summary::{Entry, Role, SAMPLES, Summary, list, save_scores, scored_text};
use super::warnings;
use crate::texts::{Judged, Likeness, Read, Reader, labels, read_lines};
use a2d_core::backend::Train;
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
    read: Read,
    texts_per_second: f64,
    scores: Vec<Score>,
    /// The label of each text; empty for vectors.
    labels: Vec<String>,
    /// The texts whose label is right.
    right: Vec<bool>,
    against: Option<Against>,
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
    let mut all: Vec<Scored> = Vec::new();
    for entry in &entries {
        let mut scored = read(b, entry, &text.source, split, display)?;
        match run.task {
            Task::Embed => scored.scores = likeness(&scored.read, all.first().map(|of| &of.read)),
            _ => judge(&mut scored, data, &text.target)?,
        }
        let alone = entries.iter().zip(&all).find(|(of, _)| of.role == Role::Alone);
        let alone = alone.filter(|_| entry.role == Role::Student).map(|(_, alone)| alone);
        scored.against = alone.map(|alone| against(&scored.right, &alone.right));
        save_scores(&entry.folder, scored.json(split))?;
        all.push(scored);
    }
    let warnings = warned(&entries, &all);
    if json {
        warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
    }
    let written = match json {
        true => list(&entries, all.iter().map(|scored| scored.json(split)), out),
        false => table(&entries, &all, split, out)
            .and_then(|()| warnings.iter().try_for_each(|one| writeln!(out, "warning: {one}")))
            .and_then(|()| samples(&entries, &all, [&text.source, &text.target], out)),
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

fn read<B: Train>(
    b: &mut B,
    entry: &Entry<'_>,
    texts: &[String],
    split: &str,
    display: &Display,
) -> Result<Scored> {
    let Reader { model, vocab, size } = Reader::open(b, &entry.folder)?;
    let count = display.count(&format!("{}: scoring the {split} set", entry.label), texts.len());
    let done = |lines| {
        count.add(lines);
        signals::go_on()
    };
    let start = Instant::now();
    let read = read_lines(b, &model, &vocab, texts, &done)?;
    let texts_per_second = texts.len() as f64 / start.elapsed().as_secs_f64().max(1e-9);
    let (scores, labels, right) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Scored { size, read, texts_per_second, scores, labels, right, against: None })
}

/// Scores the labels of a classifier.
fn judge(scored: &mut Scored, data: &a2d_run::prepared::Prepared, truth: &[String]) -> Result<()> {
    let vocab = &data.vocab;
    let truth = labels::numbers(vocab, truth)?;
    let Judged { labels, right, confusion, calibration } = Judged::of(&scored.read, &truth);
    scored.scores = vec![
        percent("accuracy", "accuracy", confusion.accuracy()),
        percent("macro F1", "macro F1", confusion.macro_f1()),
        percent("calibration error", "ECE", calibration),
    ];
    let name = |label: &u32| vocab.target().piece(*label).unwrap_or_default().to_owned();
    scored.labels = labels.iter().map(name).collect();
    scored.right = right;
    Ok(())
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

fn against(own: &[bool], alone: &[bool]) -> Against {
    let [gained, lost] = only_right(own, alone);
    let difference = 100.0 * (gained as f64 - lost as f64) / own.len().max(1) as f64;
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

fn table(
    entries: &[Entry<'_>],
    all: &[Scored],
    split: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = entries.iter().map(|e| e.label.len()).max().unwrap_or(0).max(5);
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
    let texts = all.first().map_or(0, |of| of.read.rows().len());
    writeln!(out, "({split} set, {} texts)", thousands(texts))?;
    for (entry, scored) in entries.iter().zip(all) {
        let Some(against) = &scored.against else { continue };
        let not = if against.is_significant() { "" } else { "not " };
        let Against { difference, p_value } = against;
        let told = format!("{difference:+.2} accuracy, p = {p_value:.3} by McNemar's test");
        writeln!(out, "{} against the student alone: {told}, {not}significant", entry.label)?;
    }
    Ok(())
}

fn samples(
    entries: &[Entry<'_>],
    all: &[Scored],
    [texts, labels]: [&[String]; 2],
    out: &mut dyn Write,
) -> io::Result<()> {
    if all.iter().any(|scored| scored.labels.is_empty()) {
        return Ok(());
    }
    let width = entries.iter().map(|e| e.label.len()).max().unwrap_or(0).max(5);
    for k in 0..SAMPLES.min(texts.len()) {
        let i = (2 * k + 1) * texts.len() / (2 * SAMPLES);
        writeln!(out, "\n{:width$}  {}", "text", texts[i])?;
        writeln!(out, "{:width$}  {}", "label", labels[i])?;
        for (entry, scored) in entries.iter().zip(all) {
            writeln!(out, "{:width$}  {}", entry.label, scored.labels[i])?;
        }
    }
    Ok(())
}
