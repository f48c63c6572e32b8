//! The command `a2d study`: from the file to the results.

use crate::grid::Grid;
use crate::layout::Layout;
use crate::plan::{self, Estimator};
use crate::results::Results;
use crate::schedule::{Failure, Schedule};
use crate::scores::Scores;
use crate::sizes::Sizes;
use crate::spec::Study;
use crate::tasks::Computing;
use crate::{check, markdown, notes, page, triples};
use a2d_run::config;
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::files::{make_folder, sweep, write_whole};
use a2d_system::lock::Held;
use a2d_system::signals;
use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The lock file of a study.
const LOCK: &str = ".study.lock";

/// The arguments of `a2d study`.
#[derive(Debug, Clone, Default)]
pub struct StudyRequest {
    /// The study's file.
    pub file: PathBuf,
    /// Its folder; `None`: `runs/` and the name of the file.
    pub out: Option<PathBuf>,
    /// Processes at the same time; `None`: as the file says.
    pub jobs: Option<usize>,
    /// Threads of each process; `None`: the processes share the cores.
    pub threads: Option<NonZeroUsize>,
    /// Options of the device for each process.
    pub device: Vec<OsString>,
    /// Whether to print the plan only.
    pub dry_run: bool,
    /// Whether to go on with what is in the folder.
    pub resume: bool,
    /// Whether to show no progress.
    pub quiet: bool,
}

/// Runs what is missing of a study, and writes `study.json`, `study.md`, `study.html` and the triples.
///
/// # Errors
///
/// Misuse: a file or a setting that cannot be used, a folder of another study. Failure: a task failed; the results of all
/// others are written. A signal, after all processes have saved.
pub fn run(request: &StudyRequest, estimator: &Estimator<'_>, out: &mut dyn Write) -> Result<()> {
    if let Some(variable) = config::set_by_environment()? {
        let text = "sets a key, and a study takes all settings from its file: unset it";
        return Err(Error::misuse(format!("{variable} {text}")));
    }
    let study = Study::read(&request.file)?;
    let layout = Layout::new(folder(request)?);
    let grid = Grid::new(&study, &layout)?;
    check::all(&grid)?;
    let jobs = request.jobs.unwrap_or(study.jobs);
    if request.dry_run {
        return plan::tell(&grid, jobs, estimator, out);
    }
    check::may_use(&grid, request.resume)?;
    signals::install()?;
    make_folder(layout.folder())?;
    let _held = Held::new(layout.folder(), LOCK, "runs a study in")?;
    sweep(layout.folder());
    let text = &study.document.text;
    write_whole(&layout.study(), |out| out.write_all(text.as_bytes()))?;
    let display = Display::new(request.quiet);
    for note in notes::all(&grid, &Sizes::read(&grid)?) {
        display.line(&format!("note: {note}"));
    }
    let computing = Computing { device: request.device.clone(), threads: threads(request, jobs) };
    let failures = Schedule::new(&grid, computing, jobs, &display).run()?;
    report(&grid, &failures, request.quiet, out)?;
    match failures.len() {
        0 => Ok(()),
        count => {
            let shown = layout.folder().display();
            let text = format!("{count} tasks of the study failed or were not started");
            Err(Error::failed(format!(
                "{text}; {shown}/study.json lists them, --resume tries again"
            )))
        }
    }
}

/// Writes the results and prints the table and the failures.
fn report(grid: &Grid<'_>, failures: &[Failure], quiet: bool, out: &mut dyn Write) -> Result<()> {
    let (scores, sizes) = (Scores::of(grid, quiet)?, Sizes::read(grid)?);
    let (json, curves) = Results { grid, scores: &scores, sizes: &sizes, failures }.json()?;
    let table = markdown::table(&json);
    let folder = grid.layout.folder();
    triples::write(grid)?;
    let page = page::page(&json, &curves, grid.study.goal.quality());
    for (name, text) in
        [("study.json", format!("{json:#}\n")), ("study.md", table.clone()), ("study.html", page)]
    {
        write_whole(&folder.join(name), |out| out.write_all(text.as_bytes()))?;
    }
    let mut tell = || {
        write!(out, "{table}")?;
        for Failure { label, why, .. } in failures {
            writeln!(out, "failed: {label}: {why}")?;
        }
        Ok(())
    };
    tell().map_err(|e| Error::output("write", Path::new("the results"), &e))
}

fn folder(request: &StudyRequest) -> Result<PathBuf> {
    let stem = request.file.file_stem().unwrap_or("study".as_ref());
    let folder = request.out.clone().unwrap_or_else(|| Path::new("runs").join(stem));
    std::path::absolute(&folder).map_err(|e| Error::input("use", &folder, &e))
}

/// Threads of each process.
fn threads(request: &StudyRequest, jobs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    request.threads.map_or((cores / jobs.max(1)).max(1), NonZeroUsize::get)
}
