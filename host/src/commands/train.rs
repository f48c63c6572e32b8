//! `host train`: one model by itself.

use super::prepare;
use super::summary::{self, Entry};
use crate::cli::{Globals, TrainArgs};
use crate::config::{self, Method, Run};
use crate::device::{self, Work};
use crate::error::Result;
use crate::prepared::Prepared;
use crate::report::Display;
use crate::run_dir::RunDir;
use crate::signals;
use crate::train::{self, Job};
use a2d_core::backend::Train;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Trains the configuration's model without a teacher, and scores it.
///
/// Errors: a configuration, data or run that cannot be used (misuse); what training meets.
pub fn run(args: TrainArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let run = config::load(&args.run.config, &args.settings()?)?;
    let folder = run.out_folder(args.run.out.as_deref(), &args.run.config);
    device::choose(args.run.device.backend, args.run.device.device)?;
    let run = alone(&run);
    let begun = may_train(&run, &folder, args.run.resume)?;
    signals::install()?;
    let data = prepare::ensure(&run, &folder, begun, globals.quiet)?;
    let display = Display::new(globals.quiet, run.train.log_interval);
    let work = Alone { run, folder, data, resume: args.run.resume, display, out };
    device::run(&args.run.device, globals, work)
}

/// The run without its teacher.
pub(super) fn alone(run: &Run) -> Run {
    let mut run = run.clone();
    run.distill.method = Method::None;
    run
}

/// Looks before anything is written whether `run` may be trained in `folder`; says whether it was begun there.
///
/// Errors (misuse): a run is there that is not to be continued, or is another one.
pub(super) fn may_train(run: &Run, folder: &Path, resume: bool) -> Result<bool> {
    if !resume {
        return RunDir::free(folder).map(|()| false);
    }
    let dir = RunDir::at(folder);
    train::check(&dir, run)?;
    Ok(dir.last().is_file())
}

struct Alone<'a> {
    run: Run,
    folder: PathBuf,
    data: Prepared,
    resume: bool,
    display: Display,
    out: &'a mut dyn Write,
}

impl Work for Alone<'_> {
    type Output = ();
    fn go<B: Train>(mut self, b: &mut B) -> Result<()> {
        let stage = Stage { run: &self.run, data: &self.data, resume: self.resume };
        stage.train(b, "model", &self.folder, None, &mut self.display)?;
        let entry = Entry { label: "model", folder: self.folder };
        summary::write(b, &[entry], &self.run, &self.data, self.out)
    }
}

/// One training among several.
pub(super) struct Stage<'a> {
    pub run: &'a Run,
    pub data: &'a Prepared,
    pub resume: bool,
}

impl Stage<'_> {
    /// Trains into `folder`, unless a finished run is there to be resumed.
    pub fn train<B: Train>(
        &self,
        b: &mut B,
        label: &str,
        folder: &Path,
        teacher: Option<PathBuf>,
        display: &mut Display,
    ) -> Result<()> {
        signals::go_on()?;
        let dir = if self.resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
        let job =
            Job { label, dir: &dir, run: self.run, data: self.data, teacher, resume: self.resume };
        train::train(b, &job, display).map(drop)
    }
}
