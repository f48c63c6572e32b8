//! `a2d evaluate` of a text model.

use crate::backend::device::Chosen;
use crate::backend::work::Work;
use crate::cli::{EvaluateArgs, Globals};
use crate::config::{Precision, Task};
use crate::run::run_dir::RunDir;
use crate::score::{BINS, Confusion, cosine, spearman};
use crate::system::display::{Throughput, Total};
use crate::system::error::{Error, Result};
use crate::system::output::thousands;
use crate::system::signals;
use crate::system::text;
use crate::texts::{Judged, Likeness, Read, Reader, judge, labels, read_lines};
use crate::translate::Watch;
use a2d_core::backend::Train;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// The task of the run in `folder`, if it is a text model's.
pub(in crate::commands) fn task(folder: &Path) -> Option<Task> {
    let task = RunDir::at(folder).load_config().ok()?.task;
    task.is_of_texts().then_some(task)
}

/// Scores labels against those of the source, or vectors against a teacher's and given pairs.
///
/// # Errors
///
/// A run or a text that cannot be used (misuse), an output that cannot be written, a signal.
pub(super) fn run(
    args: &EvaluateArgs,
    task: Task,
    globals: &Globals,
    out: &mut dyn Write,
) -> Result<()> {
    if !args.reference.is_empty() {
        let run = args.run.display();
        let text = format!("--reference is for translations: {run} has `task = \"{task}\"`");
        return Err(Error::misuse(text));
    }
    let device = args.device.choose(globals)?;
    signals::install()?;
    let written = match task {
        Task::Classify => {
            let found = classified(args, &device, globals.quiet)?;
            if args.json { json_labels(&found, out) } else { write_labels(&found, out) }
        }
        _ => {
            let found = embedded(args, &device, globals.quiet)?;
            write_likeness(&found, args.json, out)
        }
    };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))
}

/// The path and the lines of the source.
fn source(args: &EvaluateArgs) -> Result<(&Path, Vec<String>)> {
    let path = args.source.as_deref().ok_or_else(|| Error::misuse("--source is needed: texts"))?;
    match text::read_lines(path)? {
        lines if lines.is_empty() => Err(Error::misuse(format!("no text in {}", text::name(path)))),
        lines => Ok((path, lines)),
    }
}

/// A run over lines.
struct Over<'a> {
    run: &'a Path,
    lines: &'a [String],
    quiet: bool,
}

impl Over<'_> {
    /// What `read` makes of the lines with the run's model, beside a progress display.
    fn watched<B: Train, T>(
        &self,
        b: &mut B,
        read: impl FnOnce(&mut B, &Reader<B::Tensor>, &Watch<'_>) -> Result<T>,
    ) -> Result<T> {
        let reader = Reader::open(b, self.run)?;
        let progress = Throughput::new(self.quiet, "read", Total::Lines(self.lines.len()));
        progress.start();
        let watch = |count| {
            progress.add(count);
            signals::go_on()
        };
        let found = read(b, &reader, &watch);
        progress.end(&found);
        found
    }
}

impl Work for Over<'_> {
    type Output = Read;

    fn go<B: Train>(self, b: &mut B) -> Result<Read> {
        let lines = self.lines;
        self.watched(b, |b, of, watch| read_lines(b, &of.model, &of.vocab, lines, watch))
    }
}

fn over(run: &Path, device: &Chosen, quiet: bool, lines: &[String]) -> Result<Read> {
    device.run(Precision::F32, Over { run, lines, quiet })
}

/// The labels of lines, beside the true ones.
struct Judging<'a> {
    over: Over<'a>,
    /// The name of the file.
    name: String,
    truth: &'a [String],
}

impl Work for Judging<'_> {
    type Output = Labels;

    fn go<B: Train>(self, b: &mut B) -> Result<Labels> {
        let Self { over, name, truth } = self;
        over.watched(b, |b, Reader { model, vocab, .. }, watch| {
            let truth = labels::numbers(vocab, truth);
            let truth = truth.map_err(|e| Error::misuse(format!("{name}, {e}")))?;
            let found = judge(b, (model, vocab), over.lines, &truth, watch)?;
            let names = vocab.labels().map(|labels| labels.names().to_vec()).unwrap_or_default();
            let Judged { confusion, calibration, .. } = found;
            Ok(Labels { names, confusion, calibration, texts: truth.len() })
        })
    }
}

/// The scores of labels.
struct Labels {
    names: Vec<String>,
    confusion: Confusion,
    calibration: f64,
    texts: usize,
}

fn classified(args: &EvaluateArgs, device: &Chosen, quiet: bool) -> Result<Labels> {
    let (path, lines) = source(args)?;
    let name = text::name(path);
    let pair = |(line, number): (&String, usize)| {
        let pair = line.split_once('\t').map(|(label, text)| (label.to_owned(), text.to_owned()));
        let how = "has no tab: expected LABEL<TAB>TEXT";
        pair.ok_or_else(|| Error::misuse(format!("{name}, line {number}: {how}")))
    };
    let pairs = lines.iter().zip(1..).map(pair).collect::<Result<Vec<_>>>()?;
    let (truth, texts): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
    let over = Over { run: &args.run, lines: &texts, quiet };
    device.run(Precision::F32, Judging { over, name, truth: &truth })
}

fn write_labels(found: &Labels, out: &mut dyn Write) -> io::Result<()> {
    let Labels { names, confusion, calibration, texts } = found;
    writeln!(out, "accuracy {:.2}", 100.0 * confusion.accuracy())?;
    writeln!(out, "macro F1 {:.2}", 100.0 * confusion.macro_f1())?;
    writeln!(out, "expected calibration error {:.2} ({BINS} bins)", 100.0 * calibration)?;
    let (shown, all) = (confusion.confused(Confusion::SHOWN), thousands(names.len()));
    write!(out, "{texts} texts; rows: true labels, columns: labels of the model")?;
    if shown.len() < names.len() {
        write!(out, "; the {} of {all} labels with the most errors", shown.len())?;
    }
    writeln!(out)?;
    let rows = confusion.rows(&shown);
    let most = rows.iter().flatten().max().map_or(1, |most| most.to_string().len());
    let cell = most.max(names.len().to_string().len() + 1);
    let name = |label: &u32| &names[*label as usize];
    let width = shown.iter().map(|label| name(label).chars().count()).max().unwrap_or(0);
    let number = |label: &u32| format!("#{}", label + 1);
    write!(out, "{:>cell$} {:width$}", "", "")?;
    shown.iter().try_for_each(|label| write!(out, " {:>cell$}", number(label)))?;
    writeln!(out)?;
    for (label, row) in shown.iter().zip(rows) {
        write!(out, "{:>cell$} {:width$}", number(label), name(label))?;
        row.iter().try_for_each(|count| write!(out, " {count:>cell$}"))?;
        writeln!(out)?;
    }
    Ok(())
}

fn json_labels(found: &Labels, out: &mut dyn Write) -> io::Result<()> {
    let Labels { names, confusion, calibration, texts } = found;
    let pairs = confusion.pairs().map(|([truth, found], texts)| json!([truth, found, texts]));
    let f1: Vec<Option<f64>> = (0..names.len()).map(|label| confusion.f1(label)).collect();
    let whole = json!({
        "texts": texts,
        "accuracy": 100.0 * confusion.accuracy(),
        "macro_f1": 100.0 * confusion.macro_f1(),
        "calibration_error": 100.0 * calibration,
        "labels": names,
        "f1": f1,
        "confusion": pairs.collect::<Value>(),
    });
    writeln!(out, "{whole:#}")
}

/// Named likenesses of vectors.
fn embedded(args: &EvaluateArgs, device: &Chosen, quiet: bool) -> Result<Vec<(&'static str, f64)>> {
    let mut scores = Vec::new();
    if let Some(teacher) = &args.teacher {
        let (_, lines) = source(args)?;
        let own = over(&args.run, device, quiet, &lines)?;
        let theirs = over(teacher, device, quiet, &lines)?;
        let Likeness { cosine, rank } = Likeness::of(&own, &theirs);
        scores.extend(cosine.map(|cosine| ("cosine with the teacher", cosine)));
        scores.extend(rank.map(|rank| ("Spearman with the teacher", rank)));
    }
    if let Some(path) = &args.pairs {
        scores.push(("Spearman with the pairs", ranked(&args.run, path, device, quiet)?));
    }
    if scores.is_empty() {
        return Err(Error::misuse("an embedder is compared with --teacher RUN or --pairs FILE"));
    }
    Ok(scores)
}

/// The rank correlation of the cosines of given pairs with their similarities.
fn ranked(run: &Path, path: &Path, device: &Chosen, quiet: bool) -> Result<f64> {
    let name = text::name(path);
    let (mut texts, mut truth) = (Vec::new(), Vec::new());
    for (line, number) in text::read_lines(path)?.iter().zip(1..) {
        let fields: Vec<&str> = line.split('\t').collect();
        let pair = match fields[..] {
            [one, other, similarity] => similarity.parse().ok().map(|of| ([one, other], of)),
            _ => None,
        };
        let Some((pair, similarity)) = pair.filter(|(_, of): &(_, f64)| of.is_finite()) else {
            let text = "expected TEXT<TAB>TEXT<TAB>NUMBER";
            return Err(Error::misuse(format!("{name}, line {number}: {text}")));
        };
        texts.extend(pair.map(str::to_owned));
        truth.push(similarity);
    }
    let read = over(run, device, quiet, &texts)?;
    let rows: Vec<&[f32]> = read.rows().collect();
    let own: Vec<f64> = rows.chunks_exact(2).map(|pair| cosine(pair[0], pair[1])).collect();
    let text = || Error::misuse(format!("{name} has fewer than two different similarities"));
    spearman(&own, &truth).ok_or_else(text)
}

fn write_likeness(
    scores: &[(&'static str, f64)],
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if json {
        let all = scores.iter().map(|(name, score)| json!({"name": name, "score": score}));
        return writeln!(out, "{:#}", all.collect::<Value>());
    }
    scores.iter().try_for_each(|(name, score)| writeln!(out, "{name} {score:.4}"))
}
