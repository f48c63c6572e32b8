//! Going on with a run: only with the one that was begun.

use crate::train::Progress;
use a2d_data::vocab::Vocab;
use a2d_run::checkpoint::Saved;
use a2d_run::config::{self, Change, Run};
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};

/// The keys that a run cannot change on its way: what is learned, from what, and what an update is made of.
const FIXED: [&str; 11] = [
    "data.source_lang",
    "data.target_lang",
    "data.vocab_size",
    "data.normalization",
    "data.max_length",
    "model",
    "distill",
    "train.seed",
    "train.max_tokens",
    "train.update_freq",
    "train.ema_decay",
];
/// What of `[train]` leaves no trace in what was learned.
const UNLEARNED: [&str; 7] = [
    "train.log_interval",
    "train.save_interval_updates",
    "train.save_interval_minutes",
    "train.keep_last",
    "train.tensorboard",
    "train.on_nan",
    "train.precision",
];
/// What only says which other runs are made beside.
const FREE: [&str; 1] = ["distill.baseline"];

/// Whether `run` may go on in `dir`, where it may also begin.
///
/// # Errors
///
/// Misuse: the run there cannot be read, or is another one.
pub fn check(dir: &RunDir, run: &Run) -> Result<()> {
    open(dir, run).map(drop)
}

/// The last checkpoint in `dir`, of this very run; nothing where none has been written.
pub(super) fn open(dir: &RunDir, run: &Run) -> Result<Option<Saved>> {
    if !dir.last().is_file() {
        return begins(dir).map(|()| None);
    }
    let saved = Saved::load(&dir.last())?;
    match run.change_since(&trained(&saved)?, &FIXED, &FREE) {
        None => Ok(Some(saved)),
        Some(change) => Err(other(&saved, &change, "start a new run with another --out")),
    }
}

/// How far the run in `dir` has come, if it is finished; nothing if there is none.
///
/// # Errors
///
/// Misuse: it is unfinished, damaged, or not the run that `run` would make.
pub fn finished(dir: &RunDir, run: &Run) -> Result<Option<Progress>> {
    if !dir.last().is_file() {
        return RunDir::free(dir.folder()).map(|()| None);
    }
    let saved = Saved::load(&dir.last())?;
    let progress: Progress = saved.get("progress")?;
    if !progress.finished {
        return RunDir::free(dir.folder()).map(|()| None);
    }
    let within = [&FIXED[..], &["train"]].concat();
    let except = [&["distill"], &UNLEARNED[..]].concat();
    match run.change_since(&trained(&saved)?, &within, &except) {
        None => Ok(Some(progress)),
        Some(change) => Err(other(&saved, &change, "choose another --out")),
    }
}

/// Without a last checkpoint nothing can go on, and a best one must not be written over.
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

fn trained(saved: &Saved) -> Result<Run> {
    config::parse(&saved.get::<String>("config")?, saved.path())
}

fn other(saved: &Saved, change: &Change, or: &str) -> Error {
    let Change { key, was, is } = change;
    let path = saved.path().display();
    Error::misuse(format!(
        "{path} was trained with `{key}` = {was}, now it is {is}: change it back, or {or}"
    ))
}

/// Whether a checkpoint belongs to the vocabulary beside it and to the data.
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

/// Whether a checkpoint was distilled from the teacher of this fingerprint.
pub(super) fn check_teacher(saved: &Saved, fingerprint: &str) -> Result<()> {
    match saved.metadata.get("teacher") {
        Some(found) if found != fingerprint => Err(Error::misuse(format!(
            "{} was distilled from another teacher: name that one by --teacher, or start a new run with another --out",
            saved.path().display()
        ))),
        _ => Ok(()),
    }
}
