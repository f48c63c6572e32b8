//! The command `a2d score`: reads hypotheses and references and writes scores.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::triples::Export;
use super::{Metric, MetricOptions, Score, Watch, corpus_watched, input, sentences};
use a2d_system::error::{Error, Result};

pub use super::input::check_stdin;
pub use super::options::METRICS;

/// The arguments of `a2d score`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    /// The translations or labels to score, one per line; `-` is standard input.
    pub hypothesis: PathBuf,
    /// The reference files, with as many lines as the hypothesis. One of all files may be `-`.
    pub references: Vec<PathBuf>,
    /// Names from [`METRICS`], in output order.
    pub metrics: Vec<String>,
    /// The settings of the metrics.
    pub options: MetricOptions,
    /// Score every line separately instead of the corpus.
    pub sentence: bool,
    /// Write a JSON list of `{"name", "score", "signature"}` with unrounded scores instead of sacreBLEU's lines. With
    /// `sentence`, `"scores"` lists the scores of all lines.
    pub json: bool,
    /// Write the numbers only.
    pub score_only: bool,
    /// Decimal places of the scores, except in JSON.
    pub places: usize,
    /// Triples to write as well.
    pub export: Option<Export>,
}

/// Scores the files of `request` and writes the result to `out`.
///
/// # Errors
///
/// [`Error::Misuse`] for an unknown metric, a file that cannot be read, is not UTF-8 or is empty, or files with
/// different numbers of lines; [`Error::Failed`] if output cannot be written; [`Error::Interrupted`].
pub fn run(request: &ScoreRequest, watch: Watch, out: &mut dyn Write) -> Result<()> {
    let metrics = metrics_of_lines(request)?;
    let source = request.export.iter().map(|export| &export.source);
    check_stdin(request.references.iter().chain([&request.hypothesis]).chain(source))?;
    if let Some(export) = &request.export {
        export.check(1, request.references.len())?;
    }
    let hypotheses = input::read(&request.hypothesis)?;
    let read = |path: &PathBuf| input::read_parallel(path, &request.hypothesis, &hypotheses);
    let references = request.references.iter().map(read).collect::<Result<Vec<_>>>()?;
    watch.begin()?;
    let written = if request.sentence {
        let scores =
            scores_with(&metrics, |metric| sentences(metric, &hypotheses, &references, watch))?;
        write_sentences(&scores, request, out)
    } else {
        let scores = scores_with(&metrics, |metric| {
            corpus_watched(metric, &hypotheses, &references, watch)
        })?;
        write(&scores, request, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))?;
    match &request.export {
        Some(export) => export.write(&request.hypothesis, &[hypotheses], &references[0]),
        None => Ok(()),
    }
}

fn metrics_of_lines(request: &ScoreRequest) -> Result<Vec<Box<dyn Metric>>> {
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

fn write(scores: &[Score], request: &ScoreRequest, out: &mut dyn Write) -> io::Result<()> {
    if request.json {
        return write_json(scores, out);
    }
    scores.iter().try_for_each(|score| writeln!(out, "{}", printed(score, request)))
}

/// Writes the scores of every line. `scores[m]` are the scores by metric `m`; a row has all metrics, separated by tabs.
fn write_sentences(
    scores: &[Vec<Score>],
    request: &ScoreRequest,
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

fn printed(score: &Score, request: &ScoreRequest) -> String {
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

/// Writes scores in sacreBLEU's line format.
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

/// Writes a JSON list with one field per line.
pub(super) fn write_pretty(list: &[serde_json::Value], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &list)?;
    writeln!(out)
}
