//! Summary of finished runs: test scores, sizes, speed and samples.

use crate::backend::device::Chosen;
use crate::backend::work::Work;
use crate::translate::{SearchOptions, Translator, translate_lines};
use a2d_core::backend::Train;
use a2d_run::config::{Precision, RunConfig};
use a2d_run::prepared::{Parallel, Prepared};
use a2d_run::run_dir::RunDir;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Quality, Score};
use a2d_system::error::{Error, Result};
use a2d_system::files::write_whole;
use a2d_system::output::thousands;
use a2d_system::signals;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Number of sample sentences.
const SAMPLES: usize = 4;

/// A finished run with its name.
pub struct Entry<'a> {
    /// Name in the table.
    pub label: &'a str,
    /// The run's folder.
    pub folder: PathBuf,
}

/// A run's scores.
struct Scored {
    size: usize,
    quality: Quality,
    tokens_per_second: f64,
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
        let Self { entries, run, data, json, out } = self;
        let (split, text) = match data.text("test")? {
            Some(text) => ("test", text),
            None => match data.text("valid")? {
                Some(text) => ("valid", text),
                None => return Ok(()),
            },
        };
        let options = SearchOptions::of(&run.train);
        let scored = entries
            .iter()
            .map(|entry| score_run(b, entry, split, &text, &options, run.data.tokenizer()))
            .collect::<Result<Vec<_>>>()?;
        let written = if json {
            list(&entries, &scored, split, out)
        } else {
            table(&entries, &scored, split, &options, out)
                .and_then(|()| samples(&entries, &scored, &text, out))
        };
        written.map_err(|e| Error::output("write", Path::new("the results"), &e))
    }
}

fn score_run<B: Train>(
    b: &mut B,
    entry: &Entry<'_>,
    split: &str,
    text: &Parallel,
    options: &SearchOptions,
    tokenizer: Tokenizer,
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
    let bleu = Bleu { tokenizer, ..Bleu::default() };
    let scored = Scored {
        size: translator.size,
        quality: Quality::of(&bleu, &lines, &references)?,
        tokens_per_second: found.tokens as f64 / seconds,
        lines,
    };
    save_scores(&entry.folder, split, &scored)?;
    Ok(scored)
}

fn save_scores(folder: &Path, split: &str, scored: &Scored) -> Result<()> {
    let text = Value::Object(scored.json(split));
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
        entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
    }
}

fn list(
    entries: &[Entry<'_>],
    scored: &[Scored],
    split: &str,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let object = |(entry, scored): (&Entry<'_>, &Scored)| {
        let run = entry.folder.display().to_string();
        let mut object = Map::from_iter([
            ("model".to_owned(), json!(entry.label)),
            ("run".to_owned(), json!(run)),
        ]);
        object.extend(scored.json(split));
        Value::Object(object)
    };
    let list: Vec<_> = entries.iter().zip(scored).map(object).collect();
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
    writeln!(out, "({split} set, beam {beam}; {})", scored[0].quality.bleu.signature)
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
