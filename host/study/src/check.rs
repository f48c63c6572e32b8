//! Checks before anything is written.

use crate::document::TRANSLATES;
use crate::grid::Grid;
use a2d_data::prepare::load_report;
use a2d_data::vocab::Vocab;
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::text::Reader;

/// Checks the texts, the prepared data and the finished teachers.
///
/// # Errors
///
/// Misuse, naming the file or the folder.
pub fn all(grid: &Grid<'_>) -> Result<()> {
    for (data, of) in grid.study.data.iter().enumerate() {
        for test in &of.tests {
            let [source, reference] = [&test.source, &test.reference];
            let lines = |path| Reader::open(path)?.count();
            let (own, other) = (lines(source)?, lines(reference)?);
            if own != other || own == 0 {
                let (source, reference) = (source.display(), reference.display());
                let text = format!("{source} has {own} lines, {reference} {other}");
                let path = ["data", &of.name, "test", &test.name];
                return Err(grid.study.document.wrong(&path, text));
            }
        }
        if let Some(dir) = &of.dir
            && !dir.join("data.json").is_file()
        {
            let text = format!("names {}, which holds no prepared data", dir.display());
            return Err(grid.study.document.wrong(&["data", &of.name, "dir"], text));
        }
        if let Some(dir) = &of.dir
            && load_report(dir).is_ok_and(|report| report.task.is_of_texts())
        {
            return Err(grid.study.document.wrong(&["data", &of.name, "dir"], TRANSLATES));
        }
        vocabularies(grid, data)?;
    }
    Ok(())
}

/// Checks that finished teachers have the vocabulary of their data, as far as that is known.
fn vocabularies(grid: &Grid<'_>, data: usize) -> Result<()> {
    let of = &grid.study.data[data];
    let prepared = grid.layout.data(grid.study, data).join("tokenizer.json");
    let known = match &of.like {
        Some(run) => Some(RunDir::open(run)?.tokenizer()),
        None => prepared.is_file().then_some(prepared),
    };
    for (_, teacher) in grid.teachers().into_iter().filter(|(of, _)| *of == data) {
        let name = &grid.study.teachers[teacher].name;
        let Some(run) = &grid.study.teachers[teacher].run else { continue };
        let dir = RunDir::open(run)?;
        dir.checkpoint()?;
        let path = ["teacher", name, "run"];
        if dir.load_config()?.task.is_of_texts() {
            return Err(grid.study.document.wrong(&path, TRANSLATES));
        }
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
