//! `a2d distill`: a student from a teacher; before it the teacher where there is none, and what stands between them.

use super::lineup::Lineup;
use super::outlook;
use super::prepare;
use super::teacher::Import;
use crate::cli::{DistillArgs, Globals};
use crate::config::{RunConfig, Task};
use crate::data::vocab::Sizes;
use crate::run::model::core_config;
use crate::run::prepared::Prepared;
use crate::run::proposal::{self, Known};
use crate::run::run_dir::RunDir;
use crate::system::display::Display;
use crate::system::error::{Error, Result};
use crate::system::signals;
use crate::train::ranks::Ranks;
use crate::train::stage::Place;
use crate::train::summary::{Role, Summary};
use crate::train::{self, open_any_teacher, open_teacher};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Trains what is missing: teacher, student alone (with `distill.baseline`), stages, student; then scores them all.
///
/// # Errors
///
/// A configuration, data, teacher or run that cannot be used (misuse); what training meets.
pub fn run(args: DistillArgs, globals: &Globals, ranks: &Ranks, out: &mut dyn Write) -> Result<()> {
    let mut asked = ranks.agree(Asked::new(&args, globals, ranks))?;
    let data = ranks.after_first(|| asked.data(globals.quiet, ranks.is_first()))?;
    let Asked { derived, lineup, place, begun, .. } = &mut asked;
    lineup.iter_mut().for_each(|one| one.run.data.suit(&data.target_lang));
    let mut display = Display::new(globals.quiet);
    if ranks.is_first() && !globals.quiet && !*begun {
        derived.iter().for_each(|line| display.line(line));
        lineup.notes(&data).iter().for_each(|note| display.line(note));
        outlook::tell(&lineup.coming()?, &data, place.device(), &display)?;
    }
    for training in lineup.iter() {
        training.train(&data, place, ranks, args.run.resume, &mut display)?;
    }
    if !ranks.is_first() {
        return Ok(());
    }
    let (entries, run, json) = (lineup.entries(), &lineup.student.run, args.run.json);
    let summary = Summary { entries, run, data: &data, display: &display, json, out };
    summary.write(place.device())
}

/// What is asked for, before anything is written.
struct Asked<'a> {
    /// The configuration of the command.
    run: RunConfig,
    folder: PathBuf,
    /// The values that were derived from the data, on lines.
    derived: Vec<String>,
    place: Place<'a>,
    lineup: Lineup,
    /// Whether any of it was begun earlier.
    begun: bool,
    /// The import of the teacher, if it is a model of another toolkit.
    import: Option<Import>,
}

/// Checks that an embedder has what it learns from.
fn check_embeds(run: &RunConfig) -> Result<()> {
    if run.task != Task::Embed {
        return Ok(());
    }
    let text = if !run.distill.method.needs().words {
        "`distill.method` has no teacher, whose vectors are the target of `task = \"embed\"`"
    } else if run.teacher.run.is_none() {
        "`teacher.run` is needed with `task = \"embed\"`: a run, or a model to import"
    } else if run.distill.baseline {
        "`distill.baseline` has no meaning with `task = \"embed\"`: a student alone has no target"
    } else {
        return Ok(());
    };
    Err(Error::misuse(text))
}

impl<'a> Asked<'a> {
    fn new(args: &DistillArgs, globals: &Globals, ranks: &'a Ranks) -> Result<Self> {
        let out = args.run.out.as_deref();
        let quiet = globals.quiet || !ranks.is_first();
        let known = Known { out, fills: args.run.fills(), quiet };
        let loaded = proposal::load(&args.run.config, &args.settings()?, known)?;
        let merged = &loaded.merged.run;
        check_embeds(merged)?;
        let trains_teacher = merged.has_teacher() && merged.teacher.run.is_none();
        let (derived, mut run) = (loaded.lines(trains_teacher), loaded.merged.run);
        let folder = run.out_folder(out, &args.run.config);
        let device = args.run.device.choose(globals)?;
        device.check("train.precision", run.train.precision)?;
        let import = if run.has_teacher() { Import::planned(&mut run, &folder)? } else { None };
        take_vector_width(&mut run, &folder);
        let mut lineup = Lineup::new(&run, &folder)?;
        for one in lineup.iter() {
            let named = Path::new("of `teacher.model`");
            let shown = if one.role == Role::Teacher { named } else { &one.folder };
            let mut taught = lineup.taught_by(&one.folder);
            taught.try_for_each(|next| check_start(&next.run, &one.run, shown))?;
            device.check(one.precision, one.run.train.precision)?;
        }
        let place = Place::new(device, args.run.fills(), ranks)?;
        let mut begun = false;
        // The student's folder is the one that was named.
        for one in lineup.iter_mut().rev() {
            place.remember(&mut one.run, &one.folder)?;
            begun |= one.look(args.run.resume)?;
        }
        if let Some(teacher) = lineup.given.as_ref().filter(|_| import.is_none()) {
            let dir = RunDir::open(teacher)?;
            dir.checkpoint()?;
            lineup.check_given(&dir.load_config()?, teacher)?;
        }
        signals::install()?;
        Ok(Self { run, folder, derived, place, lineup, begun, import })
    }

    /// Imports the teacher and prepares the data, where that is left to do; only the first rank imports.
    fn data(&self, quiet: bool, is_first: bool) -> Result<Prepared> {
        let Self { run, folder, place, lineup, begun, import, .. } = self;
        if let Some(import) = import.as_ref().filter(|_| is_first) {
            let check = |theirs: &RunConfig, model: &Path| lineup.check_given(theirs, model);
            import.make(*begun, check, || place.hold(folder, *begun))?;
        }
        if lineup.has_stages() && is_first {
            // Until the student begins, only the lock tells that the folder is a run's.
            place.hold(folder, *begun)?;
        }
        let data = prepare::ensure(run, folder, *begun, place, quiet)?;
        if let Some(teacher) = &lineup.given {
            match run.distill.method.needs().teacher_beside() {
                true => open_teacher(teacher, &data.vocab)?,
                false => open_any_teacher(teacher)?,
            };
        }
        Ok(data)
    }
}

impl Lineup {
    /// Checks that the given teacher, shown as `teacher`, can teach those that it is to teach.
    fn check_given(&self, theirs: &RunConfig, teacher: &Path) -> Result<()> {
        let Some(folder) = &self.given else { return Ok(()) };
        self.taught_by(folder).try_for_each(|one| check_start(&one.run, theirs, teacher))
    }
}

/// Any sizes of vocabularies: comparisons of hidden states do not depend on them.
const SIZES: Sizes = Sizes::joint(1 << 10);

/// A student has vectors as wide as its teacher's, if that is a run and the configuration has no width.
fn take_vector_width(run: &mut RunConfig, folder: &Path) {
    let teacher = RunDir::at(&run.teacher_folder(folder)).load_config();
    if let (Task::Embed, 0, Ok(teacher)) = (run.task, run.model.vector_width, teacher) {
        run.model.vector_width = teacher.model.vectors();
    }
}

/// Checks that two models do the same.
fn check_task(run: &RunConfig, theirs: &RunConfig, teacher: &Path) -> Result<()> {
    let (own, other, teacher) = (run.task, theirs.task, teacher.display());
    if own != other {
        let text = format!("the teacher {teacher} has `task = \"{other}\"`, the student \"{own}\"");
        return Err(Error::misuse(text));
    }
    let [own, other] = [run, theirs].map(|run| run.model.vectors());
    if run.task == Task::Embed && own != other {
        let text =
            format!("the teacher {teacher} has vectors of {other} numbers, the student {own}");
        return Err(Error::misuse(format!("{text}: set `model.vector_width` to {other}")));
    }
    Ok(())
}

/// A teacher that takes part in each update can be compared with the student, and reads the student's input.
fn check_start(run: &RunConfig, theirs: &RunConfig, teacher: &Path) -> Result<()> {
    check_task(run, theirs, teacher)?;
    let [student, teacher_model] =
        [run, theirs].map(|run| core_config(&run.model, run.task, SIZES));
    let terms = train::objective(run).terms;
    terms.check(&student, &teacher_model).map_err(|e| Error::misuse(e.to_string()))?;
    let [start, wanted] = [&run.model, &theirs.model].map(|model| model.decoder_start);
    if start == wanted || !run.distill.method.needs().teacher_beside() {
        return Ok(());
    }
    let (name, teacher) = (format!("{wanted:?}").to_lowercase(), teacher.display());
    Err(Error::misuse(format!(
        "the teacher {teacher} starts its translations otherwise than the student: set `model.decoder_start` to \"{name}\""
    )))
}
