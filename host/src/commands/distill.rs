//! `host distill`: a student from a teacher, and the teacher first where there is none.

use super::prepare;
use super::summary::{self, Entry};
use super::train::{Stage, alone, may_train};
use crate::cli::{DistillArgs, Globals};
use crate::config::{self, Method, Run};
use crate::device::{self, Work};
use crate::error::Result;
use crate::prepared::Prepared;
use crate::report::Display;
use crate::run_dir::RunDir;
use crate::signals;
use crate::train::{self, open_teacher};
use a2d_core::backend::Train;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Trains what is missing: teacher, student alone (with `distill.baseline`), student; then scores them all.
///
/// Errors: a configuration, data, teacher or run that cannot be used (misuse); what training meets.
pub fn run(args: DistillArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let run = config::load(&args.run.config, &args.settings()?)?;
    let folder = run.out_folder(args.run.out.as_deref(), &args.run.config);
    device::choose(args.run.device.backend, args.run.device.device)?;
    let resume = args.run.resume;
    let mut begun = may_train(&run, &folder, resume)?;
    let mut beside = runs_beside(&run, &folder);
    for side in &mut beside {
        begun |= side.look(resume)?;
    }
    if let Some(teacher) = given_teacher(&run) {
        RunDir::open(teacher)?.checkpoint()?;
    }
    signals::install()?;
    let data = prepare::ensure(&run, &folder, begun, globals.quiet)?;
    if let Some(teacher) = given_teacher(&run) {
        open_teacher(teacher, &data.vocab)?;
    }
    let display = Display::new(globals.quiet, run.train.log_interval);
    let work = Distillation { run, folder, beside, data, resume, display, out };
    device::run(&args.run.device, globals, work)
}

fn needs_teacher(run: &Run) -> bool {
    run.distill.method != Method::None
}

/// The finished run that the configuration names, where a teacher is needed.
fn given_teacher(run: &Run) -> Option<&Path> {
    run.teacher.run.as_deref().filter(|_| needs_teacher(run))
}

/// A run that is made beside the student's.
struct Beside {
    label: &'static str,
    run: Run,
    folder: PathBuf,
    /// Finished earlier, and to be taken as it is.
    there: bool,
}

/// The runs that are made before the student of `run`.
fn runs_beside(run: &Run, folder: &Path) -> Vec<Beside> {
    let mut beside = Vec::new();
    let mut add = |label, run, folder| beside.push(Beside { label, run, folder, there: false });
    if needs_teacher(run) && run.teacher.run.is_none() {
        add("teacher", teacher_run(run), run.teacher_folder(folder));
    }
    if needs_teacher(run) && run.distill.baseline {
        add("student alone", alone(run), folder.join("alone"));
    }
    beside
}

impl Beside {
    /// Whether the run was begun; it must be one that may be taken or continued.
    fn look(&mut self, resume: bool) -> Result<bool> {
        if resume {
            return may_train(&self.run, &self.folder, true);
        }
        self.there = train::finished(&RunDir::at(&self.folder), &self.run)?.is_some();
        Ok(self.there)
    }
}

struct Distillation<'a> {
    run: Run,
    folder: PathBuf,
    beside: Vec<Beside>,
    data: Prepared,
    resume: bool,
    display: Display,
    out: &'a mut dyn Write,
}

impl Work for Distillation<'_> {
    type Output = ();
    fn go<B: Train>(mut self, b: &mut B) -> Result<()> {
        let mut entries = Vec::new();
        let teacher = needs_teacher(&self.run).then(|| self.run.teacher_folder(&self.folder));
        if let Some(folder) = given_teacher(&self.run) {
            entries.push(Entry { label: "teacher", folder: folder.to_owned() });
        }
        for side in &self.beside {
            let stage = Stage { run: &side.run, data: &self.data, resume: self.resume };
            if side.there {
                let (label, folder) = (side.label, side.folder.display());
                self.display.line(&format!("{label}: {folder} is finished, taken as it is"));
            } else {
                stage.train(b, side.label, &side.folder, None, &mut self.display)?;
            }
            entries.push(Entry { label: side.label, folder: side.folder.clone() });
        }
        let label = match self.run.distill.method {
            Method::A2d => "student by A2D",
            Method::WordKd => "student by word-kd",
            Method::None => "student",
        };
        let stage = Stage { run: &self.run, data: &self.data, resume: self.resume };
        stage.train(b, label, &self.folder, teacher, &mut self.display)?;
        entries.push(Entry { label, folder: self.folder.clone() });
        summary::write(b, &entries, &self.run, &self.data, self.out)
    }
}

/// The run that makes the teacher of `run`.
fn teacher_run(run: &Run) -> Run {
    let mut teacher = alone(run);
    teacher.model = run.teacher.model.clone();
    teacher.train = run.teacher.train.clone();
    teacher
}
