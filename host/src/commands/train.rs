//! `a2d train`: one model by itself.

use super::outlook::{self, Coming};
use super::prepare;
use crate::cli::{Globals, TrainArgs};
use crate::config::{RunConfig, Task};
use crate::run::proposal::{self, Known};
use crate::run::run_dir::RunDir;
use crate::system::display::Display;
use crate::system::error::{Error, Result};
use crate::system::program;
use crate::system::signals;
use crate::train;
use crate::train::ranks::Ranks;
use crate::train::stage::{Place, Stage};
use crate::train::summary::{Entry, Role, Summary};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Trains the configuration's model without a teacher, and scores it.
///
/// # Errors
///
/// A configuration, data or run that cannot be used (misuse); what training meets.
pub fn run(args: TrainArgs, globals: &Globals, ranks: &Ranks, out: &mut dyn Write) -> Result<()> {
    let Asked { mut run, folder, derived, place, begun } =
        ranks.agree(Asked::new(&args, globals, ranks))?;
    let data =
        ranks.after_first(|| prepare::ensure(&run, &folder, begun, &place, globals.quiet))?;
    run.data.suit(&data.target_lang);
    let mut display = Display::new(globals.quiet);
    if ranks.is_first() && !globals.quiet && !begun {
        derived.iter().for_each(|line| display.line(line));
        let coming = Coming { label: "model".to_owned(), run: &run, teacher: None };
        outlook::tell(&[coming], &data, place.device(), &display)?;
    }
    let resume = args.run.resume;
    let start = run.model.init.as_deref();
    let stage = Stage { label: "model", run: &run, data: &data, folder: &folder, start, resume };
    stage.train(&place, None, &mut display)?;
    if !ranks.is_first() {
        return Ok(());
    }
    let entries = vec![Entry { label: "model", folder: folder.clone(), role: Role::Student }];
    let summary =
        Summary { entries, run: &run, data: &data, display: &display, json: args.run.json, out };
    summary.write(place.device())
}

/// What is asked for, before anything is written.
struct Asked<'a> {
    run: RunConfig,
    folder: PathBuf,
    /// The values that were derived from the data, on lines.
    derived: Vec<String>,
    place: Place<'a>,
    /// Whether it was begun earlier.
    begun: bool,
}

impl<'a> Asked<'a> {
    fn new(args: &TrainArgs, globals: &Globals, ranks: &'a Ranks) -> Result<Self> {
        let out = args.run.out.as_deref();
        let quiet = globals.quiet || !ranks.is_first();
        let known = Known { out, fills: args.run.fills(), quiet };
        let loaded = proposal::load(&args.run.config, &args.settings()?, known)?;
        let (derived, run) = (loaded.lines(false), loaded.merged.run);
        if run.task == Task::Embed {
            let text = "`task = \"embed\"` needs a teacher's vectors: use";
            return Err(Error::misuse(format!("{text} {}", program::command("distill"))));
        }
        let folder = run.out_folder(out, &args.run.config);
        let device = args.run.device.choose(globals)?;
        device.check("train.precision", run.train.precision)?;
        let place = Place::new(device, args.run.fills(), ranks)?;
        let mut run = run.alone();
        place.remember(&mut run, &folder)?;
        let begun = may_train(&run, &folder, args.run.resume)?;
        signals::install()?;
        Ok(Self { run, folder, derived, place, begun })
    }
}

/// Looks before anything is written whether `run` may be trained in `folder`; says whether it was begun there.
///
/// # Errors
///
/// Misuse: a run is there that is not to be continued, or is another one.
pub(super) fn may_train(run: &RunConfig, folder: &Path, resume: bool) -> Result<bool> {
    if !resume {
        return RunDir::free(folder).map(|()| false);
    }
    let dir = RunDir::at(folder);
    train::check(&dir, run)?;
    Ok(dir.last().is_file())
}
