//! `a2d prepare`, and the data that a run's configuration asks for.

use crate::cli::{Globals, PrepareArgs};
use crate::config::{DataConfig, ModelConfig, RunConfig};
use crate::data::prepare::{self, Freshness, Given, PrepareRequest};
use crate::data::vocab::Vocab;
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::output;
use crate::system::program;
use crate::system::signals;
use crate::train::stage::Place;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The name of the vocabulary in prepared data.
const TOKENIZER: &str = "tokenizer.json";

/// Prepares a folder and reports on the corpus.
///
/// # Errors
///
/// Those of [`prepare::run`].
pub fn run(args: PrepareArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let vocabulary = given(&args)?;
    let request = PrepareRequest {
        task: args.task,
        source_lang: args.source_lang.unwrap_or_default(),
        target_lang: args.target_lang.unwrap_or_default(),
        train: args.train,
        valid: args.valid,
        test: args.test,
        vocab_size: args.vocab_size,
        vocabulary,
        normalization: args.normalization,
        protect: args.protect,
        byte_fallback: None,
        max_length: args.max_length,
        clean: args.clean,
        strict: args.strict,
        progress: !globals.quiet,
        out: args.out,
    };
    signals::install()?;
    if !args.json && !globals.quiet {
        return prepare::run(&request, out).map(drop);
    }
    let report = prepare::run(&request, &mut std::io::sink())?;
    if !args.json {
        return Ok(());
    }
    let text = serde_json::to_string(&report).map_err(|e| Error::failed(e.to_string()))?;
    writeln!(out, "{text}").map_err(|e| Error::output("write", Path::new("the report"), &e))
}

/// The vocabulary that the arguments name.
fn given(args: &PrepareArgs) -> Result<Option<Given>> {
    if let Some(run) = &args.like {
        return Ok(Some(Given::Tokenizer(RunDir::open(run)?.tokenizer())));
    }
    let count = args.tokenizer.len();
    if count == 0 {
        return Ok(args.vocab.clone().map(Given::Tokenizer));
    }
    let wrong =
        || format!("--tokenizer names {count} models, expected one for both languages, or two");
    Given::models(&args.tokenizer).map(Some).ok_or_else(|| Error::misuse(wrong()))
}

/// The prepared data of a run in `folder`: opened, and prepared first where the configuration names the text and
/// the folder does not hold it. Prepared data travels without its text: where that is missing, the folder is taken as
/// it is, and so is what a run that was `begun` has learned from. Where data are prepared, the folder of the run is held
/// in `place` before.
///
/// # Errors
///
/// Those of [`prepare::run`]; no data and no text; a folder of other data that is not the run's own.
pub fn ensure(
    run: &RunConfig,
    folder: &Path,
    begun: bool,
    place: &Place<'_>,
    quiet: bool,
) -> Result<Prepared> {
    let data = run.data_folder(folder);
    let Some(request) = request(run, &data, quiet)? else {
        if run.data.dir.is_none() && !data.exists() {
            let how = "name the text by `data.train` and `data.valid`, or prepared data by --data";
            return Err(Error::misuse(format!("the configuration has no data: {how}")));
        }
        return open(run, &data);
    };
    let to_be_made = || match prepare::state(&request) {
        Freshness::Current => Ok(false),
        Freshness::Absent | Freshness::Incomplete => {
            Ok(prepare::texts_exist(&request) || !data.join("data.json").is_file())
        }
        Freshness::Other(why) => {
            let made = !begun && prepare::texts_exist(&request);
            if made && run.data.dir.is_some() {
                let how = format!("prepare it again by {}", program::command("prepare"));
                let how = format!("change the key, {how}, or name another folder by --data");
                return Err(Error::misuse(format!("{}: {why}; {how}", data.display())));
            }
            Ok(made)
        }
    };
    // What another process has made meanwhile is looked at once this one is alone.
    if to_be_made()? && place.hold(folder, begun).and_then(|()| to_be_made())? {
        let report = prepare::run(&request, &mut std::io::sink())?;
        for line in report.summary(&request).iter().filter(|_| !quiet) {
            // As the display's lines: errors are ignored.
            let _ = writeln!(output::stderr(), "{line}");
        }
    }
    open(run, &data)
}

/// Prepared data of the task of the run.
fn open(run: &RunConfig, data: &Path) -> Result<Prepared> {
    let prepared = Prepared::open(data)?;
    if prepared.task != run.task {
        let (path, was, is) = (data.display(), prepared.task, run.task);
        return Err(Error::misuse(format!("{path} was prepared with `task` {was}, not {is}")));
    }
    Ok(prepared)
}

/// What the configuration asks to be prepared, if it names text.
fn request(run: &RunConfig, out: &Path, quiet: bool) -> Result<Option<PrepareRequest>> {
    let data = &run.data;
    let (train, valid) = match (&data.train, &data.valid) {
        (Some(train), Some(valid)) => (train, valid),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(Error::misuse("`data.valid` is needed beside `data.train`")),
        (None, Some(_)) => return Err(Error::misuse("`data.train` is needed beside `data.valid`")),
    };
    let vocabulary = vocabulary(run, out)?;
    let path = vocabulary.as_ref().map(Given::path);
    let kept = path.is_some_and(|path| *path == out.join(TOKENIZER));
    if let (Some(path), false) = (path, data.protect.is_empty()) {
        let named = if kept { out.display() } else { path.display() };
        let said = if kept { "was prepared with" } else { "is" };
        let text = "a given vocabulary, whose own symbols apply: leave out `data.protect`";
        return Err(Error::misuse(format!("{named} {said} {text}")));
    }
    // The size of other given vocabularies is their own.
    let learned = vocabulary.is_none() || kept;
    let vocab_size = if learned { data.vocab_size } else { DataConfig::default().vocab_size };
    Ok(Some(PrepareRequest {
        task: run.task,
        source_lang: data.source_lang.clone(),
        target_lang: data.target_lang.clone(),
        train: text(train)?,
        valid: text(valid)?,
        test: data.test.as_deref().map(text).transpose()?,
        vocab_size,
        vocabulary,
        normalization: data.normalization,
        protect: data.protect.clone(),
        byte_fallback: None,
        max_length: data.max_length.min(positions(run)),
        clean: data.clean,
        strict: None,
        progress: !quiet,
        out: out.to_owned(),
    }))
}

/// The vocabulary that data in `out` are prepared with, if there is one: of the models that the configuration names, of
/// the teacher, of a run with whose weights a model begins, or the one that was given when the data were prepared before.
fn vocabulary(run: &RunConfig, out: &Path) -> Result<Option<Given>> {
    let models = Given::models(&run.data.tokenizer).map(|models| ("`data.tokenizer`", models));
    let teacher = of_teacher(run)?.map(|path| ("the teacher", Given::Tokenizer(path)));
    let starts = of_starts(run).map(|path| ("the run of `model.init`", Given::Subwords(path)));
    let is_new = |(_, given): &(_, Given)| run.data.dir.is_none() || !learned(out, given);
    let mut all = models.into_iter().chain(teacher.into_iter().chain(starts).filter(is_new));
    if let Some(first) = all.next() {
        all.try_for_each(|other| check_same(&first, &other))?;
        return Ok(Some(first.1));
    }
    let chosen = run.data.dir.as_ref().and_then(|_| prepare::chosen(out));
    let given = chosen.is_some_and(|made| made.given);
    Ok(given.then(|| Given::Tokenizer(out.join(TOKENIZER))))
}

/// Whether the prepared data in `out` learned the vocabulary `given` from their text: its model was trained on them.
fn learned(out: &Path, given: &Given) -> bool {
    let own = prepare::chosen(out).is_some_and(|made| !made.given);
    let both = Vocab::load(&out.join(TOKENIZER)).ok().zip(given.load().ok());
    own && both.is_some_and(|(own, given)| own.is_made_of(&given))
}

/// Checks that two vocabularies, with their owners, differ by no more than labels. Files that are missing are noticed where
/// they are needed.
fn check_same((one, first): &(&str, Given), (other, second): &(&str, Given)) -> Result<()> {
    let both = first.load().ok().zip(second.load().ok());
    if both.is_none_or(|(a, b)| a.is_made_of(&b) || b.is_made_of(&a)) {
        return Ok(());
    }
    let (a, b) = (first.path().display(), second.path().display());
    Err(Error::misuse(format!(
        "the vocabulary of {one}, {a}, is another than that of {other}, {b}: leave one of them out"
    )))
}

/// The vocabulary of a finished teacher that takes part in every update, if no text gives it again, or if it has labels.
fn of_teacher(run: &RunConfig) -> Result<Option<PathBuf>> {
    let beside = run.distill.method.needs().teacher_beside();
    let Some(teacher) = run.teacher.run.as_ref().filter(|_| beside) else { return Ok(None) };
    let path = RunDir::open(teacher)?.tokenizer();
    let given = run.task.is_of_texts() || !Vocab::load(&path)?.is_learned()?;
    Ok(given.then_some(path))
}

/// The vocabularies of the runs with whose weights models begin.
fn of_starts(run: &RunConfig) -> impl Iterator<Item = PathBuf> {
    let trained = run.has_teacher() && run.teacher.run.is_none();
    let teacher = run.teacher.model.init.as_ref().filter(|_| trained);
    run.model.init.iter().chain(teacher).map(|init| RunDir::at(init).tokenizer())
}

/// The most subwords of a text that student and teacher have positions for, beside the two that are not of the text.
fn positions(run: &RunConfig) -> usize {
    let given = run.teacher.run.as_ref().and_then(|run| RunDir::at(run).load_config().ok());
    let teacher = given.as_ref().map_or(&run.teacher.model, |given| &given.model);
    let of = |model: &ModelConfig| match model.max_positions {
        0 => usize::MAX,
        rows => rows.saturating_sub(2).max(1),
    };
    of(&run.model).min(of(teacher))
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::misuse(format!("{} is not UTF-8", path.display())))
}
