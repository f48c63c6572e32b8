//! The trainings of `a2d distill`, in their order: the teacher, the student alone, the stages, the student.

use super::outlook::Coming;
use super::train::may_train;
use crate::config::{RunConfig, Staging};
use crate::run::model::{core_config, model_size, plan};
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::system::display::Display;
use crate::system::error::Result;
use crate::system::output::thousands;
use crate::train;
use crate::train::ranks::Ranks;
use crate::train::seq_kd::{self, Distilled};
use crate::train::stage::{Place, Stage};
use crate::train::summary::{Entry, Role};
use std::path::{Path, PathBuf};

/// A training of the command.
pub(super) struct Training {
    pub label: String,
    pub role: Role,
    pub run: RunConfig,
    /// The key of its precision.
    pub precision: &'static str,
    pub folder: PathBuf,
    /// The finished run that teaches it.
    pub teacher: Option<PathBuf>,
    /// The finished run with whose weights it begins: that of `model.init`, or the same model's of the stage before.
    pub start: Option<PathBuf>,
    /// Finished earlier, and to be taken as it is.
    pub there: bool,
}

/// All trainings of the command. Each learns from runs that are given or trained before it.
pub(super) struct Lineup {
    /// The finished run that the configuration names as the teacher.
    pub given: Option<PathBuf>,
    pub before: Vec<Training>,
    pub student: Training,
}

impl Lineup {
    /// The trainings for the student of `run`, in `folder`.
    ///
    /// # Errors
    ///
    /// Misuse: a stage has a wrong key.
    pub fn new(run: &RunConfig, folder: &Path) -> Result<Self> {
        let teacher = run.has_teacher().then(|| run.teacher_folder(folder));
        let mut before = Vec::new();
        if let Some(folder) = teacher.clone().filter(|_| run.teacher.run.is_none()) {
            before.push(Training::of_teacher("teacher", Role::Teacher, run.of_teacher(), folder));
        }
        if run.distill.method.needs().teacher() && run.distill.baseline {
            let folder = folder.join("alone");
            before.push(Training::new("student alone", Role::Alone, run.alone(), folder, None));
        }
        let given = teacher.clone().filter(|_| run.teacher.run.is_some());
        let label = run.distill.method.student();
        let mut student =
            Training::new(&label, Role::Student, run.clone(), folder.to_owned(), teacher);
        student.add_stages(&mut before)?;
        Ok(Self { given, before, student })
    }

    /// Whether anything stands between the teacher and the student.
    pub fn has_stages(&self) -> bool {
        self.before.iter().any(|one| one.role == Role::Stage)
    }

    /// The trainings in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Training> {
        self.before.iter().chain([&self.student])
    }

    /// The trainings in their order.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Training> {
        self.before.iter_mut().chain([&mut self.student])
    }

    /// The trainings that the run in `folder` teaches.
    pub fn taught_by<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Training> {
        self.iter().filter(move |one| one.teacher.as_deref() == Some(folder))
    }

    /// The configuration of the run in `folder`: of a training, or else of a finished run.
    ///
    /// # Errors
    ///
    /// Misuse: there is no run.
    pub fn config(&self, folder: &Path) -> Result<RunConfig> {
        match self.iter().find(|one| one.folder == folder) {
            Some(training) => Ok(training.run.clone()),
            None => RunDir::open(folder)?.load_config(),
        }
    }

    /// The trainings that are left. None if a teacher translates first: its time is not known.
    ///
    /// # Errors
    ///
    /// Misuse: the given teacher cannot be read.
    pub fn coming(&self) -> Result<Vec<Coming<'_>>> {
        if self.student.run.distill.method.needs().translations {
            return Ok(Vec::new());
        }
        let coming = |one| {
            let Training { label, run, teacher, .. }: &Training = one;
            let teacher = teacher.as_ref().map(|folder| self.config(folder)).transpose()?;
            Ok(Coming { label: label.clone(), run, teacher: teacher.map(|run| run.model) })
        };
        self.iter().filter(|one| !one.there).map(coming).collect()
    }

    /// Notes about stages with more parameters than the teacher.
    pub fn notes(&self, data: &Prepared) -> Vec<String> {
        let size = |run: RunConfig| {
            let plan = plan(&core_config(&run.model, run.task, data.vocab.sizes()), None);
            plan.ok().map(|plan| model_size(&plan))
        };
        let trained = self.before.iter().find(|one| one.role == Role::Teacher);
        let teacher = self.given.as_ref().or(trained.map(|one| &one.folder));
        let teacher = teacher.and_then(|folder| size(self.config(folder).ok()?));
        let note = |one: &Training| {
            let (own, theirs) = size(one.run.clone()).zip(teacher)?;
            let [shown, most] = [own, theirs].map(thousands);
            let text = format!("has {shown} parameters, more than the teacher with {most}");
            (own > theirs).then(|| format!("note: {} {text}", one.label))
        };
        self.before.iter().filter(|one| one.role == Role::Stage).filter_map(note).collect()
    }

    /// All models for the summary, the given teacher first.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let given = self.given.iter().map(|folder| Entry {
            label: "teacher",
            folder: folder.clone(),
            role: Role::Teacher,
        });
        let trained = self.iter().map(|one| Entry {
            label: &one.label,
            folder: one.folder.clone(),
            role: one.role,
        });
        given.chain(trained).collect()
    }
}

impl Training {
    fn new(
        label: &str,
        role: Role,
        run: RunConfig,
        folder: PathBuf,
        teacher: Option<PathBuf>,
    ) -> Self {
        let (label, precision) = (label.to_owned(), "train.precision");
        let start = run.model.init.clone();
        Self { label, role, run, precision, folder, teacher, start, there: false }
    }

    fn of_teacher(label: &str, role: Role, run: RunConfig, folder: PathBuf) -> Self {
        Self { precision: "teacher.train.precision", ..Self::new(label, role, run, folder, None) }
    }

    /// Appends the trainings between the teacher and this student, whose teacher or first weights they change.
    fn add_stages(&mut self, all: &mut Vec<Self>) -> Result<()> {
        for stage in self.run.stages()? {
            let (name, folder) = (&stage.name, self.folder.join(&stage.name));
            match self.run.distill.staging {
                Staging::Assistants => {
                    let teacher = self.teacher.replace(folder.clone());
                    all.push(Self::new(name, Role::Stage, stage.run, folder, teacher));
                }
                Staging::Curriculum => {
                    let teacher = stage.run.teacher_folder(&folder);
                    let (label, of) = (format!("student after {name}"), stage.run.of_teacher());
                    all.push(Self::of_teacher(name, Role::Stage, of, teacher.clone()));
                    let start = self.start.replace(folder.clone());
                    let student = Self::new(&label, Role::Stage, stage.run, folder, Some(teacher));
                    all.push(Self { start, ..student });
                }
            }
        }
        Ok(())
    }

    /// Whether the run was begun; it must be one that may be taken or continued. The student's is never taken without
    /// `resume`.
    ///
    /// # Errors
    ///
    /// Misuse: another run is there, or one that is not to be continued.
    pub fn look(&mut self, resume: bool) -> Result<bool> {
        if resume || self.role == Role::Student {
            return may_train(&self.run, &self.folder, resume);
        }
        let from = [self.teacher.as_deref(), self.start.as_deref()];
        self.there = train::finished(&RunDir::at(&self.folder), &self.run, from)?.is_some();
        Ok(self.there)
    }

    /// Trains, or says that the finished run is taken.
    ///
    /// # Errors
    ///
    /// What training meets.
    pub fn train(
        &self,
        data: &Prepared,
        place: &Place<'_>,
        ranks: &Ranks,
        resume: bool,
        display: &mut Display,
    ) -> Result<()> {
        let Self { label, run, folder, .. } = self;
        if self.there {
            let folder = folder.display();
            display.line(&format!("{label}: {folder} is finished, taken as it is"));
            return Ok(());
        }
        let taught = match run.distill.method.needs().translations {
            true => Some(ranks.after_first(|| match ranks.is_first() {
                true => self.translated(data, place, display),
                false => self.translations(data),
            })?),
            false => None,
        };
        let (data, start) = (taught.as_ref().unwrap_or(data), self.start.as_deref());
        let stage = Stage { label, run, data, folder, start, resume };
        stage.train(place, self.teacher.clone(), display)
    }

    /// The data with the teacher's translations in place of the references.
    fn translated(
        &self,
        data: &Prepared,
        place: &Place<'_>,
        display: &mut Display,
    ) -> Result<Prepared> {
        let (run, folder) = (&self.run, &self.folder);
        let held = RunDir::resume(folder)?;
        let _held = if place.holds(folder) { None } else { Some(held.lock()?) };
        let work = Distilled { run, teacher: self.teacher.as_deref(), data, folder, display };
        let train = work.make(place.device())?;
        Ok(Prepared { train, ..Prepared::open(&data.folder)? })
    }

    /// What [`Training::translated`] has left in the folder.
    fn translations(&self, data: &Prepared) -> Result<Prepared> {
        Ok(Prepared { train: seq_kd::written(&self.folder)?, ..Prepared::open(&data.folder)? })
    }
}
