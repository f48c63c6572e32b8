//! `a2d evaluate` of a text model.

use super::texts;
use super::translate::{check_place, device};
use crate::backend::work::Work;
use crate::cli::{EvaluateArgs, Globals};
use crate::config::{Precision, Task};
use crate::data::vocab::{Labels, Subwords};
use crate::run::run_dir::RunDir;
use crate::score::{BINS, Confusion, cosine, spearman};
use crate::system::display::{Throughput, Total};
use crate::system::error::{Error, Result};
use crate::system::output::thousands;
use crate::system::signals;
use crate::system::text;
use crate::texts::{Best, Judged, Likeness, Read, Reader, TextImage, labels, read_lines};
use crate::translate::Watch;
use crate::translate::image::{Words, is_image};
use crate::translate::packed::Arithmetic;
use a2d_core::backend::Train;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// The task of a run or an image, if it is a text model's.
///
/// # Errors
///
/// Misuse: an image that is damaged, or cannot be read.
pub(in crate::commands) fn task(model: &Path) -> Result<Option<Task>> {
    let task = match is_image(model) {
        true => Some(texts::task_of_image(model)?),
        false => RunDir::at(model).load_config().ok().map(|config| config.task),
    };
    Ok(task.filter(|task| task.is_of_texts()))
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
    check_place(&args.run, &args.device, &args.image)?;
    signals::install()?;
    let over = Over { model: &args.run, args, globals };
    let written = match task {
        Task::Classify => {
            let found = classified(over)?;
            if args.json { json_labels(&found, out) } else { write_labels(&found, out) }
        }
        _ => {
            let found = embedded(over)?;
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

/// A model, and how it is computed.
#[derive(Clone, Copy)]
struct Over<'a> {
    model: &'a Path,
    args: &'a EvaluateArgs,
    globals: &'a Globals,
}

/// Reads texts with a model.
type ReadTexts<'a> = dyn FnMut(&[String]) -> Result<Read> + 'a;

impl Over<'_> {
    /// What `then` makes of `lines` with the labels of the model and a function that reads texts, beside a progress display.
    ///
    /// # Errors
    ///
    /// Misuse: the model cannot be used so. The errors of `then`.
    fn read<T>(
        self,
        lines: &[String],
        then: impl FnOnce(&Labels, &mut ReadTexts<'_>) -> Result<T>,
    ) -> Result<T> {
        let Self { model, args, globals } = self;
        let device = device(model, &args.device, globals)?;
        let reading = Reading { model, lines: lines.len(), quiet: globals.quiet, then };
        match &device {
            Some(device) => device.run(Precision::F32, reading),
            None => reading.image(args.image.arithmetic()),
        }
    }

    /// The vectors of `lines`.
    fn vectors(self, lines: &[String]) -> Result<Read> {
        self.read(lines, |_, read| read(lines))
    }
}

/// Texts that are read, and what is made of the results.
struct Reading<'a, F> {
    model: &'a Path,
    lines: usize,
    quiet: bool,
    then: F,
}

impl<T, F: FnOnce(&Labels, &mut ReadTexts<'_>) -> Result<T>> Reading<'_, F> {
    /// With an image.
    fn image(self, arithmetic: Arithmetic) -> Result<T> {
        let bytes = Words::read(self.model)?;
        let image = TextImage::new(self.model, bytes.bytes(), arithmetic)?;
        let labels = Labels::new(image.labels())?;
        self.watched(&labels, |lines, watch| image.read_lines(lines, watch))
    }

    fn watched(
        self,
        labels: &Labels,
        mut read: impl FnMut(&[String], &Watch<'_>) -> Result<Read>,
    ) -> Result<T> {
        let progress = Throughput::new(self.quiet, "read", Total::Lines(self.lines));
        progress.start();
        let watch = |count| {
            progress.add(count);
            signals::go_on()
        };
        let found = (self.then)(labels, &mut |lines| read(lines, &watch));
        progress.end(&found);
        found
    }
}

impl<T, F: FnOnce(&Labels, &mut ReadTexts<'_>) -> Result<T>> Work for Reading<'_, F> {
    type Output = T;

    /// With a run.
    fn go<B: Train>(self, b: &mut B) -> Result<T> {
        let Reader { model, vocab, .. } = Reader::open(b, self.model)?;
        let none = Labels::new(Vec::new())?;
        let labels = vocab.labels().unwrap_or(&none);
        self.watched(labels, |lines, watch| read_lines(b, &model, &vocab, lines, watch))
    }
}

/// The scores of labels.
struct Judgement {
    names: Vec<String>,
    confusion: Confusion,
    calibration: f64,
    texts: usize,
}

fn classified(over: Over<'_>) -> Result<Judgement> {
    let (path, lines) = source(over.args)?;
    let name = text::name(path);
    let pair = |(line, number): (&String, usize)| {
        let pair = line.split_once('\t').map(|(label, text)| (label.to_owned(), text.to_owned()));
        let how = "has no tab: expected LABEL<TAB>TEXT";
        pair.ok_or_else(|| Error::misuse(format!("{name}, line {number}: {how}")))
    };
    let pairs = lines.iter().zip(1..).map(pair).collect::<Result<Vec<_>>>()?;
    let (truth, texts): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
    over.read(&texts, |labels, read| {
        let truth = labels::numbers_of(labels, &truth);
        let truth = truth.map_err(|e| Error::misuse(format!("{name}, {e}")))?;
        let (names, count) = (labels.names().to_vec(), labels.len());
        let found = Best::of_lines(count, &texts, read)?;
        let Judged { confusion, calibration, .. } = Judged::of(count, &found, &truth);
        Ok(Judgement { names, confusion, calibration, texts: truth.len() })
    })
}

fn write_labels(found: &Judgement, out: &mut dyn Write) -> io::Result<()> {
    let Judgement { names, confusion, calibration, texts } = found;
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

fn json_labels(found: &Judgement, out: &mut dyn Write) -> io::Result<()> {
    let Judgement { names, confusion, calibration, texts } = found;
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
fn embedded(over: Over<'_>) -> Result<Vec<(&'static str, f64)>> {
    let mut scores = Vec::new();
    if let Some(teacher) = &over.args.teacher {
        let (_, lines) = source(over.args)?;
        texts::check(teacher, Task::Embed)?;
        let own = over.vectors(&lines)?;
        let theirs = Over { model: teacher, ..over }.vectors(&lines)?;
        let Likeness { cosine, rank } = Likeness::of(&own, &theirs);
        scores.extend(cosine.map(|cosine| ("cosine with the teacher", cosine)));
        scores.extend(rank.map(|rank| ("Spearman with the teacher", rank)));
    }
    if let Some(path) = &over.args.pairs {
        scores.push(("Spearman with the pairs", ranked(over, path)?));
    }
    if scores.is_empty() {
        return Err(Error::misuse("an embedder is compared with --teacher RUN or --pairs FILE"));
    }
    Ok(scores)
}

/// The rank correlation of the cosines of given pairs with their similarities.
fn ranked(over: Over<'_>, path: &Path) -> Result<f64> {
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
    let read = over.vectors(&texts)?;
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
