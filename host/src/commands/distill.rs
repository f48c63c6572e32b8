//! `a2d distill`: a student from a teacher, and the teacher first where there is none.

use super::outlook::{self, Coming};
use super::prepare;
use super::teacher::Import;
use super::train::{alone, may_train};
use crate::cli::{DistillArgs, Globals};
use crate::config::{self, RunConfig};
use crate::data::vocab::Sizes;
use crate::run::model::core_config;
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::system::display::Display;
use crate::system::error::{Error, Result};
use crate::system::signals;
use crate::train::ranks::Ranks;
use crate::train::seq_kd::{self, Distilled};
use crate::train::stage::{Place, Stage};
use crate::train::summary::{Entry, Summary};
use crate::train::{self, open_any_teacher, open_teacher};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The label of the baseline.
const ALONE: &str = "student alone";

/// Trains what is missing: teacher, student alone (with `distill.baseline`), student; then scores them all.
///
/// # Errors
///
/// A configuration, data, teacher or run that cannot be used (misuse); what training meets.
pub fn run(args: DistillArgs, globals: &Globals, ranks: &Ranks, out: &mut dyn Write) -> Result<()> {
    let asked = ranks.agree(Asked::new(&args, globals, ranks))?;
    let Asked { mut run, folder, place, mut beside, begun, import } = asked;
    let resume = args.run.resume;
    let data = ranks.after_first(|| {
        if let Some(import) = import.as_ref().filter(|_| ranks.is_first()) {
            let check = |theirs: &RunConfig, model: &Path| check_start(&run, theirs, model);
            import.make(begun, check, || place.hold(&folder, begun))?;
        }
        let data = prepare::ensure(&run, &folder, begun, &place, globals.quiet)?;
        if let Some(teacher) = given_teacher(&run) {
            match run.distill.method.needs().teacher_beside() {
                true => open_teacher(teacher, &data.vocab)?,
                false => open_any_teacher(teacher)?,
            };
        }
        Ok(data)
    })?;
    for run in beside.iter_mut().map(|side| &mut side.run).chain([&mut run]) {
        run.data.suit(&data.target_lang);
    }
    let mut display = Display::new(globals.quiet);
    if ranks.is_first() && !globals.quiet && !begun {
        outlook::tell(&coming(&run, &beside)?, &data, place.device(), &display)?;
    }
    let mut entries = Vec::new();
    if let Some(folder) = given_teacher(&run) {
        entries.push(Entry { label: "teacher", folder: folder.to_owned(), alone: false });
    }
    for Beside { label, run, folder, there, .. } in &beside {
        if *there {
            let folder = folder.display();
            display.line(&format!("{label}: {folder} is finished, taken as it is"));
        } else {
            let stage = Stage { label, run, data: &data, folder, resume };
            stage.train(&place, None, &mut display)?;
        }
        entries.push(Entry { label, folder: folder.clone(), alone: *label == ALONE });
    }
    let (label, needs) = (&*run.distill.method.student(), run.distill.method.needs());
    let teacher = has_teacher(&run).then(|| run.teacher_folder(&folder));
    let teaches = teacher.as_deref();
    let mut whole = || translated(&run, &data, teaches, &folder, &place, &mut display);
    let taught = match needs.translations {
        true => Some(
            ranks.after_first(|| if ranks.is_first() { whole() } else { there(&data, &folder) })?,
        ),
        false => None,
    };
    let learned = taught.as_ref().unwrap_or(&data);
    let stage = Stage { label, run: &run, data: learned, folder: &folder, resume };
    stage.train(&place, teacher, &mut display)?;
    if !ranks.is_first() {
        return Ok(());
    }
    entries.push(Entry { label, folder: folder.clone(), alone: false });
    let summary =
        Summary { entries, run: &run, data: &data, display: &display, json: args.run.json, out };
    summary.write(place.device())
}

/// What is asked for, before anything is written.
struct Asked<'a> {
    run: RunConfig,
    folder: PathBuf,
    place: Place<'a>,
    beside: Vec<Beside>,
    /// Whether any of it was begun earlier.
    begun: bool,
    /// The import of the teacher, if it is a model of another toolkit.
    import: Option<Import>,
}

impl<'a> Asked<'a> {
    fn new(args: &DistillArgs, globals: &Globals, ranks: &'a Ranks) -> Result<Self> {
        let mut run = config::load(&args.run.config, &args.settings()?)?;
        let folder = run.out_folder(args.run.out.as_deref(), &args.run.config);
        let device = args.run.device.choose(globals)?;
        device.check("train.precision", run.train.precision)?;
        if has_teacher(&run) && run.teacher.run.is_none() {
            check_start(&run, &teacher_run(&run), Path::new("of `teacher.model`"))?;
        }
        let import = if has_teacher(&run) { Import::planned(&mut run, &folder)? } else { None };
        let mut beside = runs_beside(&run, &folder);
        for side in &beside {
            device.check(side.precision, side.run.train.precision)?;
        }
        let place = Place::new(device, args.run.fills(), ranks)?;
        place.remember(&mut run, &folder)?;
        let resume = args.run.resume;
        let mut begun = may_train(&run, &folder, resume)?;
        for side in &mut beside {
            place.remember(&mut side.run, &side.folder)?;
            begun |= side.look(resume)?;
        }
        if let Some(teacher) = given_teacher(&run).filter(|_| import.is_none()) {
            let dir = RunDir::open(teacher)?;
            dir.checkpoint()?;
            check_start(&run, &dir.load_config()?, teacher)?;
        }
        signals::install()?;
        Ok(Self { run, folder, place, beside, begun, import })
    }
}

/// The trainings that are left. None if a teacher translates first: its time is not known.
fn coming<'a>(run: &'a RunConfig, beside: &'a [Beside]) -> Result<Vec<Coming<'a>>> {
    let needs = run.distill.method.needs();
    if needs.translations {
        return Ok(Vec::new());
    }
    let teacher = match given_teacher(run) {
        Some(folder) => RunDir::open(folder)?.load_config()?.model,
        None => run.teacher.model.clone(),
    };
    let label = run.distill.method.student();
    let last = Coming { label, run, teacher: needs.teacher_beside().then_some(teacher) };
    let left = beside.iter().filter(|side| !side.there);
    let before =
        left.map(|side| Coming { label: side.label.to_owned(), run: &side.run, teacher: None });
    Ok(before.chain([last]).collect())
}

/// The data with the teacher's translations in place of the references.
fn translated(
    run: &RunConfig,
    data: &Prepared,
    teacher: Option<&Path>,
    folder: &Path,
    place: &Place,
    display: &mut Display,
) -> Result<Prepared> {
    let held = RunDir::resume(folder)?;
    let _held = if place.holds(folder) { None } else { Some(held.lock()?) };
    let work = Distilled { run, teacher, data, folder, display };
    let train = work.make(place.device())?;
    Ok(Prepared { train, ..Prepared::open(&data.folder)? })
}

/// What [`translated`] has left in `folder`.
fn there(data: &Prepared, folder: &Path) -> Result<Prepared> {
    Ok(Prepared { train: seq_kd::written(folder)?, ..Prepared::open(&data.folder)? })
}

/// Any sizes of vocabularies: comparisons of hidden states do not depend on them.
const SIZES: Sizes = Sizes::joint(1 << 10);

/// A teacher that takes part in each update can be compared with the student, and reads the student's input.
fn check_start(run: &RunConfig, theirs: &RunConfig, teacher: &Path) -> Result<()> {
    let [student, teacher_model] = [run, theirs].map(|run| core_config(&run.model, SIZES));
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

/// The finished run that the configuration names, where a teacher is needed.
fn given_teacher(run: &RunConfig) -> Option<&Path> {
    run.teacher.run.as_deref().filter(|_| has_teacher(run))
}

/// Whether a teacher takes part, or translates.
fn has_teacher(run: &RunConfig) -> bool {
    let needs = run.distill.method.needs();
    needs.teacher_beside() || needs.translations && seq_kd::needs_teacher(run)
}

/// A run that is made beside the student's.
struct Beside {
    label: &'static str,
    run: RunConfig,
    /// The key of its precision.
    precision: &'static str,
    folder: PathBuf,
    /// Finished earlier, and to be taken as it is.
    there: bool,
}

/// The runs that are made before the student of `run`.
fn runs_beside(run: &RunConfig, folder: &Path) -> Vec<Beside> {
    let mut beside = Vec::new();
    let mut add = |label, precision, run, folder| {
        beside.push(Beside { label, run, precision, folder, there: false });
    };
    if has_teacher(run) && run.teacher.run.is_none() {
        add("teacher", "teacher.train.precision", teacher_run(run), run.teacher_folder(folder));
    }
    if run.distill.method.needs().teacher() && run.distill.baseline {
        add(ALONE, "train.precision", alone(run), folder.join("alone"));
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

/// The run that makes the teacher of `run`.
pub(super) fn teacher_run(run: &RunConfig) -> RunConfig {
    let mut teacher = alone(run);
    teacher.model = run.teacher.model.clone();
    teacher.train = run.teacher.train.clone();
    teacher
}
