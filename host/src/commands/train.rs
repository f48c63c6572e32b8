//! `host train`: one model by itself.

use super::prepare;
use super::summary::{Entry, Summary};
use crate::cli::{Globals, TrainArgs};
use crate::config::{self, Method, Precision, Run};
use crate::device::{self, Chosen, Work};
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
    let device = device::choose(&args.run.device, globals)?;
    device.check("train.precision", run.train.precision)?;
    let run = alone(&run);
    let begun = may_train(&run, &folder, args.run.resume)?;
    signals::install()?;
    let data = prepare::ensure(&run, &folder, begun, globals.quiet)?;
    let mut display = Display::new(globals.quiet, run.train.log_interval);
    let resume = args.run.resume;
    let stage = Stage { label: "model", run: &run, data: &data, folder: &folder, resume };
    stage.train(&device, None, &mut display)?;
    let entries = vec![Entry { label: "model", folder: folder.clone() }];
    let summary = Summary { entries, run: &run, data: &data, json: args.run.json, out };
    device.run(Precision::F32, summary)
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

/// One training among several.
pub(super) struct Stage<'a> {
    /// What the display calls it.
    pub label: &'a str,
    pub run: &'a Run,
    pub data: &'a Prepared,
    pub folder: &'a Path,
    pub resume: bool,
}

impl Stage<'_> {
    /// Trains into the folder, unless a finished run is there to be resumed.
    pub fn train(
        &self,
        device: &Chosen,
        teacher: Option<PathBuf>,
        display: &mut Display,
    ) -> Result<()> {
        signals::go_on()?;
        let Self { label, run, data, folder, resume } = *self;
        let dir = if resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
        let job = Job { label, dir: &dir, run, data, teacher, resume };
        device.run(run.train.precision, Training { job, display })
    }
}

struct Training<'a> {
    job: Job<'a>,
    display: &'a mut Display,
}

impl Work for Training<'_> {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        train::train(b, &self.job, self.display).map(drop)
    }
}
