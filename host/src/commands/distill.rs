//! `host distill`: a student from a teacher, and the teacher first where there is none.

use super::prepare;
use super::summary::{self, Entry};
use super::train::{Stage, alone};
use crate::checkpoint::Saved;
use crate::cli::{DistillArgs, Globals};
use crate::config::{self, Method, Run};
use crate::device::{self, Work};
use crate::error::{Error, Result};
use crate::prepared::Prepared;
use crate::report::Display;
use crate::run_dir::RunDir;
use crate::signals;
use crate::train::Progress;
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
    if !args.run.resume {
        RunDir::create(&folder)?;
    }
    if let Some(teacher) = run.teacher.run.as_deref().filter(|_| needs_teacher(&run)) {
        RunDir::open(teacher)?.checkpoint()?;
    }
    signals::install()?;
    let data = prepare::ensure(&run, &folder, globals.quiet)?;
    let display = Display::new(globals.quiet, run.train.log_interval);
    let work = Distillation { run, folder, data, resume: args.run.resume, display, out };
    device::run(&args.run.device, globals, work)
}

fn needs_teacher(run: &Run) -> bool {
    run.distill.method != Method::None
}

struct Distillation<'a> {
    run: Run,
    folder: PathBuf,
    data: Prepared,
    resume: bool,
    display: Display,
    out: &'a mut dyn Write,
}

impl Work for Distillation<'_> {
    type Output = ();
    fn go<B: Train>(mut self, b: &mut B) -> Result<()> {
        let mut entries = Vec::new();
        let teacher = if needs_teacher(&self.run) {
            let folder = self.teacher(b)?;
            entries.push(Entry { label: "teacher", folder: folder.clone() });
            Some(folder)
        } else {
            None
        };
        if self.run.distill.baseline && teacher.is_some() {
            let folder = self.folder.join("alone");
            self.stage(b, &alone(&self.run), "student alone", &folder)?;
            entries.push(Entry { label: "student alone", folder });
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

impl Distillation<'_> {
    /// The teacher's folder, trained if it has to be.
    fn teacher<B: Train>(&mut self, b: &mut B) -> Result<PathBuf> {
        let folder = self.run.teacher_folder(&self.folder);
        if self.run.teacher.run.is_none() {
            self.stage(b, &teacher_run(&self.run), "teacher", &folder)?;
        }
        Ok(folder)
    }

    /// Trains a run beside the student's, without a teacher, unless it is there already.
    fn stage<B: Train>(&mut self, b: &mut B, run: &Run, label: &str, folder: &Path) -> Result<()> {
        let state = state(folder)?;
        if state.is_some() {
            same_run(run, folder)?;
        }
        if state.is_some_and(|progress| progress.finished) {
            self.display
                .line(&format!("{label}: {} is finished, taken as it is", folder.display()));
            return Ok(());
        }
        let stage = Stage { run, data: &self.data, resume: self.resume };
        stage.train(b, label, folder, None, &mut self.display)
    }
}

/// The run that makes the teacher of `run`.
fn teacher_run(run: &Run) -> Run {
    let mut teacher = alone(run);
    teacher.model = run.teacher.model.clone();
    teacher.train = run.teacher.train.clone();
    teacher
}

/// How far the run in `folder` has come; nothing if there is none.
fn state(folder: &Path) -> Result<Option<Progress>> {
    let last = folder.join("last.safetensors");
    if !last.is_file() {
        return Ok(None);
    }
    Saved::load(&last)?.get("progress").map(Some)
}

/// A run beside the student's may be taken over only if it is the run that would be made.
fn same_run(run: &Run, folder: &Path) -> Result<()> {
    let found = RunDir::open(folder)?.load_config()?;
    if (&found.model, &found.train) == (&run.model.complete(), &run.train) {
        return Ok(());
    }
    let config = folder.join("config.toml");
    Err(Error::misuse(format!(
        "{} was trained with another [model] or [train] than this configuration asks for; \
         name it by --teacher to take it all the same, or choose another --out",
        config.display()
    )))
}
