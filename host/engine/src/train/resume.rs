//! Resuming a run, only with the configuration, data and teacher that it began with.

use super::{Job, warm_start};
use crate::train::Progress;
use a2d_data::vocab::Vocab;
use a2d_run::checkpoint::Saved;
use a2d_run::config::{self, Change, RunConfig};
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use std::path::Path;

/// Keys that a resumed run must not change: task, data, model, distillation and the size of an update.
const FIXED: [&str; 13] = [
    "task",
    "data.source_lang",
    "data.target_lang",
    "data.vocab_size",
    "data.normalization",
    "data.protect",
    "data.max_length",
    "model",
    "distill",
    "train.seed",
    "train.max_tokens",
    "train.update_freq",
    "train.ema_decay",
];
/// Keys of `[train]` that do not affect the learned weights, or only by rounding.
const UNLEARNED: [&str; 7] = [
    "train.log_interval",
    "train.save_interval_updates",
    "train.save_interval_minutes",
    "train.keep_last",
    "train.tensorboard",
    "train.on_nan",
    "train.precision",
];
/// Keys that only select additional runs, or where results are kept.
const FREE: [&str; 3] = ["distill.baseline", "distill.cache", "distill.cache_gib"];

/// Checks that `run` may resume or begin in `dir`.
///
/// # Errors
///
/// Misuse: the run in `dir` cannot be read or has another configuration.
pub fn check(dir: &RunDir, run: &RunConfig) -> Result<()> {
    open(dir, run).map(drop)
}

/// The last checkpoint of `run` in `dir`; `None` if no checkpoint was written.
pub(super) fn open(dir: &RunDir, run: &RunConfig) -> Result<Option<Saved>> {
    if !dir.last().is_file() {
        return begins(dir).map(|()| None);
    }
    let saved = Saved::load(&dir.last())?;
    match run.change_since(&trained(&saved)?, &FIXED, &FREE) {
        None => Ok(Some(saved)),
        Some(change) => Err(other(&saved, &change, "start a new run with another --out")),
    }
}

/// The progress of a finished run in `dir`; `None` if the folder has no run.
///
/// # Errors
///
/// Misuse: the run is unfinished, damaged, or has another configuration than `run`; it was not distilled from the run in
/// `teacher`, or did not begin with the weights of that in `start`.
pub fn finished(
    dir: &RunDir,
    run: &RunConfig,
    [teacher, start]: [Option<&Path>; 2],
) -> Result<Option<Progress>> {
    if !dir.last().is_file() {
        return RunDir::free(dir.folder()).map(|()| None);
    }
    let saved = Saved::load(&dir.last())?;
    let progress: Progress = saved.get("progress")?;
    if !progress.finished {
        return RunDir::free(dir.folder()).map(|()| None);
    }
    let within = [&FIXED[..], &["train"]].concat();
    let taught = teacher.is_some();
    let except = [if taught { &FREE[..] } else { &["distill"] }, &UNLEARNED].concat();
    if let Some(change) = run.change_since(&trained(&saved)?, &within, &except) {
        return Err(other(&saved, &change, "choose another --out"));
    }
    if taught && !saved.metadata.contains_key("teacher") {
        // Translations do not tell of the teacher that made them.
        return RunDir::free(dir.folder()).map(|()| None);
    }
    teacher.map_or(Ok(()), |teacher| check_teacher(&saved, &weights(teacher)?))?;
    if let Some(start) = start.filter(|start| !is_gone(run, start)) {
        check_start(&saved, start, &weights(start)?)?;
    }
    Ok(Some(progress))
}

/// A hash of the weights of the run in `folder`; empty if it has none yet.
fn weights(folder: &Path) -> Result<String> {
    match RunDir::at(folder).checkpoint() {
        Ok(path) => Saved::load(&path).map(|saved| saved.fingerprint()),
        Err(_) => Ok(String::new()),
    }
}

/// A run without a last checkpoint cannot resume, and its best checkpoint must not be overwritten.
fn begins(dir: &RunDir) -> Result<()> {
    let best = dir.best();
    if !best.is_file() {
        return RunDir::free(dir.folder());
    }
    let (best, last) = (best.display(), dir.last());
    Err(Error::misuse(format!(
        "{} is missing, so the run cannot go on, and {best} would be written over: choose another --out",
        last.display()
    )))
}

fn trained(saved: &Saved) -> Result<RunConfig> {
    config::parse(&saved.get::<String>("config")?, saved.path())
}

fn other(saved: &Saved, change: &Change, or: &str) -> Error {
    let Change { key, was, is } = change;
    let path = saved.path().display();
    Error::misuse(format!(
        "{path} was trained with `{key}` = {was}, now it is {is}: change it back, or {or}"
    ))
}

/// Checks that a checkpoint belongs to the vocabulary in its folder and to the data.
pub(super) fn check_data(dir: &RunDir, saved: &Saved, data: &Prepared) -> Result<()> {
    let (path, tokenizer) = (saved.path().display(), dir.tokenizer());
    let trained: String = saved.get("vocabulary")?;
    if trained != data.vocab.fingerprint() {
        let text = "was trained with another vocabulary than the data's";
        return Err(Error::misuse(format!("{path} {text}")));
    }
    if tokenizer.is_file() && Vocab::load(&tokenizer)?.fingerprint() != trained {
        let tokenizer = tokenizer.display();
        let text = format!("{path} was trained with another vocabulary than {tokenizer}");
        return Err(Error::misuse(text));
    }
    match saved.metadata.get("data") {
        Some(learned) if *learned != data.train.checksum() => Err(Error::misuse(format!(
            "{path} was trained on other sentences than {} has",
            data.train.path().display()
        ))),
        _ => Ok(()),
    }
}

/// Checks that a checkpoint was distilled from the teacher with this fingerprint.
pub(super) fn check_teacher(saved: &Saved, fingerprint: &str) -> Result<()> {
    match saved.metadata.get("teacher") {
        Some(found) if found != fingerprint => Err(Error::misuse(format!(
            "{} was distilled from another teacher: name that one by --teacher, or start a new run with another --out",
            saved.path().display()
        ))),
        _ => Ok(()),
    }
}

/// The fingerprint of the weights of another run that a training begins with, or that `saved` began with.
///
/// # Errors
///
/// Misuse: the other run cannot be read, or `saved` did not begin with its weights.
pub(super) fn start(saved: Option<&Saved>, job: &Job<'_>) -> Result<Option<String>> {
    let Some(start) = &job.start else { return Ok(None) };
    if let Some(saved) = saved.filter(|_| is_gone(job.run, start)) {
        return Ok(saved.metadata.get("start").cloned());
    }
    let fingerprint = warm_start::fingerprint(start)?;
    saved.map_or(Ok(()), |saved| check_start(saved, start, &fingerprint))?;
    Ok(Some(fingerprint))
}

/// Whether `start` is the run of `model.init` and no longer there: a run that was begun has no need of it.
fn is_gone(run: &RunConfig, start: &Path) -> bool {
    run.model.init.as_deref() == Some(start) && !RunDir::at(start).config().is_file()
}

/// Checks that a checkpoint's training began with the weights of this fingerprint, of the run in `start`.
fn check_start(saved: &Saved, start: &Path, fingerprint: &str) -> Result<()> {
    match saved.metadata.get("start") {
        Some(found) if found == fingerprint => Ok(()),
        _ => Err(Error::misuse(format!(
            "{} began with other weights than those of {}: start a new run with another --out",
            saved.path().display(),
            start.display()
        ))),
    }
}
