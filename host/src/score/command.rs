//! The verb `host score`: hypotheses and references from files, scores to a writer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Score, bleu, chrf};
use crate::error::{Error, Result};
use crate::text;

/// The metrics by the names that `--metrics` takes.
pub const METRICS: [&str; 2] = ["bleu", "chrf"];

/// What to score, as asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The translations to score, one a line; `-` is standard input.
    pub hypothesis: PathBuf,
    /// The references, each a file with as many lines; one of the files may be `-`.
    pub references: Vec<PathBuf>,
    /// Names out of [`METRICS`], in the order wanted.
    pub metrics: Vec<String>,
    /// A JSON list of `{"name", "score", "signature"}` with unrounded scores, not one line each.
    pub json: bool,
}

/// Scores what `request` names and writes the result to `out`.
///
/// # Errors
/// [`Error::Misuse`] for an unknown metric, a file that cannot be read or is not UTF-8, an empty
/// file, or files with different numbers of lines; [`Error::Failed`] if `out` cannot be written.
pub fn run(request: &Request, out: &mut dyn Write) -> Result<()> {
    let metrics = metrics(&request.metrics)?;
    check_stdin(request.references.iter().chain([&request.hypothesis]))?;
    let hypotheses = read(&request.hypothesis)?;
    let references = read_references(request, hypotheses.len())?;
    let scores: Vec<Score> =
        metrics.iter().map(|metric| metric(&hypotheses, &references)).collect::<Result<_>>()?;
    let written = if request.json { write_json(&scores, out) } else { write_lines(&scores, out) };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))
}

/// Computes one score of hypotheses against references.
pub type Metric = fn(&[String], &[Vec<String>]) -> Result<Score>;

/// The metrics of these names.
///
/// # Errors
/// [`Error::Misuse`] for an unknown name, or none.
pub fn metrics(names: &[String]) -> Result<Vec<Metric>> {
    if names.is_empty() {
        return Err(Error::misuse(format!("no metric; known are {}", METRICS.join(", "))));
    }
    names.iter().map(|name| metric(name)).collect()
}

fn metric(name: &str) -> Result<Metric> {
    match name {
        "bleu" => Ok(bleu),
        "chrf" => Ok(chrf),
        _ => {
            Err(Error::misuse(format!("unknown metric `{name}`; known are {}", METRICS.join(", "))))
        }
    }
}

/// Standard input can be read only once.
pub(crate) fn check_stdin<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Result<()> {
    if files.filter(|path| text::is_stdin(path)).count() > 1 {
        return Err(Error::misuse("only one of the files can be `-` (standard input)"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<String>> {
    let lines = text::read_lines(path)?;
    if lines.is_empty() {
        return Err(Error::misuse(format!("nothing to score in {}", text::name(path))));
    }
    Ok(lines)
}

fn read_references(request: &Request, expected: usize) -> Result<Vec<Vec<String>>> {
    let checked = |path: &PathBuf| {
        let lines = read(path)?;
        if lines.len() == expected {
            Ok(lines)
        } else {
            Err(uneven(request, path, expected, &lines))
        }
    };
    request.references.iter().map(checked).collect()
}

fn uneven(request: &Request, path: &Path, expected: usize, lines: &[String]) -> Error {
    Error::misuse(format!(
        "different numbers of lines: {expected} in {}, {} in {}",
        text::name(&request.hypothesis),
        lines.len(),
        text::name(path)
    ))
}

/// Writes scores as sacreBLEU's lines.
pub(crate) fn write_lines(scores: &[Score], out: &mut dyn Write) -> io::Result<()> {
    scores.iter().try_for_each(|score| writeln!(out, "{score}"))
}

/// Writes scores as a JSON list.
pub(crate) fn write_json(scores: &[Score], out: &mut dyn Write) -> io::Result<()> {
    let list: Vec<_> = scores
        .iter()
        .map(|s| json!({"name": s.name, "score": s.score, "signature": s.signature}))
        .collect();
    serde_json::to_writer_pretty(&mut *out, &list)?;
    writeln!(out)
}
