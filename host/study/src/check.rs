//! Checks before anything is written.

use crate::grid::Grid;
use a2d_data::prepare::load_report;
use a2d_data::vocab::Vocab;
use a2d_run::config::Task;
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};

/// Checks the texts, the prepared data and the finished teachers.
///
/// # Errors
///
/// Misuse, naming the file or the folder.
pub fn all(grid: &Grid<'_>) -> Result<()> {
    for (data, of) in grid.study.data.iter().enumerate() {
        if let Some(dir) = &of.dir
            && !dir.join("data.json").is_file()
        {
            let text = format!("names {}, which holds no prepared data", dir.display());
            return Err(grid.study.document.wrong(&["data", &of.name, "dir"], text));
        }
        if let Some(dir) = &of.dir
            && let Ok(report) = load_report(dir)
        {
            same_task(grid, &["data", &of.name, "dir"], report.task)?;
        }
        vocabularies(grid, data)?;
        tests(grid, data)?;
    }
    Ok(())
}

/// Checks the test sets of a data set.
fn tests(grid: &Grid<'_>, data: usize) -> Result<()> {
    let (of, labels) = (&grid.study.data[data], grid.labels(data)?);
    of.tests.iter().try_for_each(|test| match grid.study.goal.fault(test, &labels)? {
        Some(text) => Err(grid.study.document.wrong(&["data", &of.name, "test", &test.name], text)),
        None => Ok(()),
    })
}

/// Checks that what the key at `path` names has the task of the study.
fn same_task(grid: &Grid<'_>, path: &[&str], found: Task) -> Result<()> {
    let task = grid.study.goal.task();
    if found == task {
        return Ok(());
    }
    let text = format!("names what has `task = \"{found}\"`, the study has \"{task}\"");
    Err(grid.study.document.wrong(path, text))
}

/// Checks that finished teachers have the vocabulary of their data, as far as that is known.
fn vocabularies(grid: &Grid<'_>, data: usize) -> Result<()> {
    let of = &grid.study.data[data];
    let known = grid.vocabulary(data)?;
    for (_, teacher) in grid.teachers().into_iter().filter(|(of, _)| *of == data) {
        let name = &grid.study.teachers[teacher].name;
        let Some(run) = &grid.study.teachers[teacher].run else { continue };
        let dir = RunDir::open(run)?;
        dir.checkpoint()?;
        let path = ["teacher", name, "run"];
        same_task(grid, &path, dir.load_config()?.task)?;
        let Some(known) = &known else {
            let how = format!("add `like = \"{}\"` to [data.{}]", run.display(), of.name);
            let text =
                format!("has a vocabulary of its own, with which the data are prepared: {how}");
            return Err(grid.study.document.wrong(&path, text));
        };
        if Vocab::load(known)?.fingerprint() != Vocab::load(&dir.tokenizer())?.fingerprint() {
            let (run, known) = (run.display(), known.display());
            let text = format!("names {run}, whose vocabulary is not that of the data, {known}");
            return Err(grid.study.document.wrong(&path, text));
        }
    }
    Ok(())
}

/// Checks that the study may use its folder.
///
/// # Errors
///
/// Misuse: the folder holds another study or other files, or it holds this one and `resume` is false.
pub fn may_use(grid: &Grid<'_>, resume: bool) -> Result<()> {
    let folder = grid.layout.folder();
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::input("read", folder, &e)),
    };
    let shown = folder.display();
    match (grid.layout.study().is_file(), entries.next()) {
        (true, _) if resume => grid.check_owner(),
        (true, _) => {
            let how = "go on with --resume, or choose another folder with --out";
            Err(Error::misuse(format!("{shown} holds a study: {how}")))
        }
        (false, Some(_)) => {
            let text = "holds other files than a study's: choose another folder with --out";
            Err(Error::misuse(format!("{shown} {text}")))
        }
        (false, None) => Ok(()),
    }
}
