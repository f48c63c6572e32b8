//! The verb `host score`: hypotheses and references from files, scores to a writer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::triples::Export;
use super::{Metric, Options, Score, corpus, input, sentences};
use a2d_system::error::{Error, Result};

pub use super::input::check_stdin;
pub use super::options::METRICS;

/// What to score, as asked for on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The translations to score, one a line; `-` is standard input.
    pub hypothesis: PathBuf,
    /// The references, each a file with as many lines; one of the files may be `-`.
    pub references: Vec<PathBuf>,
    /// Names out of [`METRICS`], in the order wanted.
    pub metrics: Vec<String>,
    /// The settings of the metrics.
    pub options: Options,
    /// Every line by itself, not the corpus.
    pub sentence: bool,
    /// A JSON list of `{"name", "score", "signature"}` with unrounded scores, not sacreBLEU's lines;
    /// of lines by themselves, `"scores"` is the list of theirs.
    pub json: bool,
    /// Nothing but the numbers.
    pub score_only: bool,
    /// Decimal places of the scores, but in JSON.
    pub places: usize,
    /// Triples to be written too.
    pub export: Option<Export>,
}

/// Scores what `request` names and writes the result to `out`.
///
/// # Errors
/// [`Error::Misuse`] for an unknown metric, a file that cannot be read or is not UTF-8, an empty
/// file, or files with different numbers of lines; [`Error::Failed`] if something cannot be written.
pub fn run(request: &Request, out: &mut dyn Write) -> Result<()> {
    let metrics = metrics_of_lines(request)?;
    let source = request.export.iter().map(|export| &export.source);
    check_stdin(request.references.iter().chain([&request.hypothesis]).chain(source))?;
    if let Some(export) = &request.export {
        export.check(1, request.references.len())?;
    }
    let hypotheses = input::read(&request.hypothesis)?;
    let read = |path: &PathBuf| input::read_parallel(path, &request.hypothesis, &hypotheses);
    let references = request.references.iter().map(read).collect::<Result<Vec<_>>>()?;
    let written = if request.sentence {
        let scores = scores_with(&metrics, |metric| sentences(metric, &hypotheses, &references))?;
        write_sentences(&scores, request, out)
    } else {
        let scores = scores_with(&metrics, |metric| corpus(metric, &hypotheses, &references))?;
        write(&scores, request, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))?;
    match &request.export {
        Some(export) => export.write(&request.hypothesis, &[hypotheses], &references[0]),
        None => Ok(()),
    }
}

fn metrics_of_lines(request: &Request) -> Result<Vec<Box<dyn Metric>>> {
    let mut options = request.options;
    options.bleu.effective_order |= request.sentence;
    options.metrics(&request.metrics)
}

fn scores_with<T>(
    metrics: &[Box<dyn Metric>],
    score: impl Fn(&dyn Metric) -> Result<T>,
) -> Result<Vec<T>> {
    metrics.iter().map(|metric| score(&**metric)).collect()
}

fn write(scores: &[Score], request: &Request, out: &mut dyn Write) -> io::Result<()> {
    if request.json {
        return write_json(scores, out);
    }
    scores.iter().try_for_each(|score| writeln!(out, "{}", printed(score, request)))
}

/// Writes the scores of all lines: `scores[m]` are those of a metric. Each line has those of all
/// metrics, with tabs between.
fn write_sentences(
    scores: &[Vec<Score>],
    request: &Request,
    out: &mut dyn Write,
) -> io::Result<()> {
    if request.json {
        return write_pretty(&scores.iter().map(|of| json_of_lines(of)).collect::<Vec<_>>(), out);
    }
    (0..scores.first().map_or(0, Vec::len)).try_for_each(|line| {
        let texts: Vec<_> = scores.iter().map(|of| printed(&of[line], request)).collect();
        writeln!(out, "{}", texts.join("\t"))
    })
}

fn printed(score: &Score, request: &Request) -> String {
    let places = request.places;
    if request.score_only {
        format!("{:.places$}", score.score)
    } else {
        format!("{score:.places$}")
    }
}

fn json_of_lines(of: &[Score]) -> serde_json::Value {
    let scores: Vec<_> = of.iter().map(|score| score.score).collect();
    json!({"name": of[0].name, "scores": scores, "signature": of[0].signature})
}

/// Writes scores as sacreBLEU's lines.
pub fn write_lines(scores: &[Score], out: &mut dyn Write) -> io::Result<()> {
    scores.iter().try_for_each(|score| writeln!(out, "{score}"))
}

/// Writes scores as a JSON list.
pub fn write_json(scores: &[Score], out: &mut dyn Write) -> io::Result<()> {
    let list: Vec<_> = scores
        .iter()
        .map(|s| json!({"name": s.name, "score": s.score, "signature": s.signature}))
        .collect();
    write_pretty(&list, out)
}

/// Writes a JSON list, a field a line.
pub(super) fn write_pretty(list: &[serde_json::Value], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &list)?;
    writeln!(out)
}
