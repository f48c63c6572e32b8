//! The trainings of `a2d distill`, in their order: the teacher, the student alone, the student.

use super::outlook::Coming;
use super::train::{alone, may_train};
use crate::config::RunConfig;
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::system::display::Display;
use crate::system::error::Result;
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
    pub fn new(run: &RunConfig, folder: &Path) -> Self {
        let teacher = run.has_teacher().then(|| run.teacher_folder(folder));
        let mut before = Vec::new();
        if let Some(folder) = teacher.clone().filter(|_| run.teacher.run.is_none()) {
            before.push(Training::of_teacher("teacher", Role::Teacher, teacher_run(run), folder));
        }
        if run.distill.method.needs().teacher() && run.distill.baseline {
            let folder = folder.join("alone");
            before.push(Training::new("student alone", Role::Alone, alone(run), folder, None));
        }
        let label = run.distill.method.student();
        Self {
            given: teacher.clone().filter(|_| run.teacher.run.is_some()),
            before,
            student: Training::new(&label, Role::Student, run.clone(), folder.to_owned(), teacher),
        }
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
        Self { label, role, run, precision, folder, teacher, there: false }
    }

    fn of_teacher(label: &str, role: Role, run: RunConfig, folder: PathBuf) -> Self {
        Self { precision: "teacher.train.precision", ..Self::new(label, role, run, folder, None) }
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
        self.there = train::finished(&RunDir::at(&self.folder), &self.run)?.is_some();
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
        let stage = Stage { label, run, data: taught.as_ref().unwrap_or(data), folder, resume };
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

/// The run that makes the teacher of `run`.
pub(super) fn teacher_run(run: &RunConfig) -> RunConfig {
    let mut teacher = alone(run);
    teacher.model = run.teacher.model.clone();
    teacher.train = run.teacher.train.clone();
    teacher
}
