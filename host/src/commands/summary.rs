//! What was reached: scores on the test set, sizes, speed, samples.

use crate::config::Run;
use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::prepared::{Parallel, Prepared};
use crate::run_dir::RunDir;
use crate::score::{self, Score};
use crate::signals;
use crate::translate::{Options, Translator, translate_lines};
use a2d_core::backend::Train;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Sentences shown with every model's translation.
const SAMPLES: usize = 4;

/// A finished run under its name.
pub struct Entry<'a> {
    /// What the table calls it.
    pub label: &'a str,
    /// Its folder.
    pub folder: PathBuf,
}

/// A run's scores.
struct Scored {
    size: usize,
    bleu: Score,
    chrf: Score,
    tokens_per_second: f64,
    lines: Vec<String>,
}

/// Translates the test set (without one, the validation set) with every run's best checkpoint, writes each run's
/// `scores.json`, and prints a table and samples.
///
/// Errors: a run that cannot be read, a file or `out` that cannot be written.
pub fn write<B: Train>(
    b: &mut B,
    entries: &[Entry<'_>],
    run: &Run,
    data: &Prepared,
    out: &mut dyn Write,
) -> Result<()> {
    let (split, text) = match data.text("test")? {
        Some(text) => ("test", text),
        None => match data.text("valid")? {
            Some(text) => ("valid", text),
            None => return Ok(()),
        },
    };
    let options = Options::of(&run.train);
    let scored = entries
        .iter()
        .map(|entry| score_run(b, entry, split, &text, &options))
        .collect::<Result<Vec<_>>>()?;
    let written = table(entries, &scored, split, &options, out)
        .and_then(|()| samples(entries, &scored, &text, out));
    written.map_err(|e| Error::output("write", Path::new("the results"), &e))
}

fn score_run<B: Train>(
    b: &mut B,
    entry: &Entry<'_>,
    split: &str,
    text: &Parallel,
    options: &Options,
) -> Result<Scored> {
    let translator = Translator::open(b, &entry.folder)?;
    let start = Instant::now();
    let found = translate_lines(
        b,
        &translator.model,
        &translator.vocab,
        &text.source,
        options,
        &mut |_| signals::go_on(),
    )?;
    let seconds = start.elapsed().as_secs_f64();
    let best = |line: Vec<crate::translate::Translation>| {
        line.into_iter().next().map(|t| t.text).unwrap_or_default()
    };
    let lines: Vec<String> = found.lines.into_iter().map(best).collect();
    let references = [text.target.clone()];
    let scored = Scored {
        size: translator.size,
        bleu: score::bleu(&lines, &references)?,
        chrf: score::chrf(&lines, &references)?,
        tokens_per_second: found.tokens as f64 / seconds,
        lines,
    };
    save_scores(&entry.folder, split, &scored)?;
    Ok(scored)
}

fn save_scores(folder: &Path, split: &str, scored: &Scored) -> Result<()> {
    let scores: Vec<_> = [&scored.bleu, &scored.chrf]
        .map(|s| json!({"name": s.name, "score": s.score, "signature": s.signature}))
        .into();
    let text = json!({
        "split": split,
        "parameters": scored.size,
        "tokens_per_second": scored.tokens_per_second,
        "scores": scores,
    });
    write_whole(&RunDir::open(folder)?.scores(), |out| writeln!(out, "{text:#}"))
}

fn table(
    entries: &[Entry<'_>],
    scored: &[Scored],
    split: &str,
    options: &Options,
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
            s.bleu.score,
            s.chrf.score,
            s.tokens_per_second
        )?;
    }
    let beam = options.search.beam;
    writeln!(out, "({split} set, beam {beam}; {})", scored[0].bleu.signature)
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

/// `1234567` as `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
