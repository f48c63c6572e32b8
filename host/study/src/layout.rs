//! The folder of a study: the names of its files.

use crate::grid::{Group, Model};
use crate::spec::Study;
use std::path::{Path, PathBuf};

/// In place of a teacher's name, for methods without one.
pub const ALONE: &str = "alone";

/// The folder of a study.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// The layout of the absolute path `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The copy of the study's file.
    pub fn study(&self) -> PathBuf {
        self.folder.join("study.toml")
    }

    /// The prepared data.
    pub fn data(&self, study: &Study, data: usize) -> PathBuf {
        let data = &study.data[data];
        data.dir.clone().unwrap_or_else(|| self.folder.join("data").join(&data.name))
    }

    /// The run of a teacher.
    pub fn teacher(&self, study: &Study, data: usize, teacher: usize) -> PathBuf {
        let (data, teacher) = (&study.data[data], &study.teachers[teacher]);
        let own = || self.folder.join("teachers").join(&data.name).join(&teacher.name);
        teacher.run.clone().unwrap_or_else(own)
    }

    /// The names of a group, as a relative path.
    pub fn group(&self, study: &Study, group: Group) -> String {
        let teacher = group.teacher.map_or(ALONE, |teacher| &study.teachers[teacher].name);
        let (data, student) = (&study.data[group.data], &study.students[group.student]);
        let method = &study.methods[group.method];
        [&data.name, &student.name, &method.name, teacher].join("/")
    }

    /// The name of a model: its folder below that of the study.
    pub fn name(&self, study: &Study, model: Model) -> String {
        match model {
            Model::Teacher { data, teacher } => {
                format!("teachers/{}/{}", study.data[data].name, study.teachers[teacher].name)
            }
            Model::Cell { group, seed } => format!("cells/{}/{seed}", self.group(study, group)),
            Model::Trial { group, number } => {
                format!("tuning/{}/{}", self.group(study, group), number + 1)
            }
        }
    }

    /// The run of a model.
    pub fn run(&self, study: &Study, model: Model) -> PathBuf {
        match model {
            Model::Teacher { data, teacher } => self.teacher(study, data, teacher),
            _ => self.folder.join(self.name(study, model)),
        }
    }

    /// A file beside a model's run, with this ending.
    pub fn beside(&self, study: &Study, model: Model, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name(study, model)))
    }

    /// A file beside the prepared data, with this ending.
    pub fn beside_data(&self, study: &Study, data: usize, ending: &str) -> PathBuf {
        self.folder.join("data").join(format!("{}.{ending}", study.data[data].name))
    }

    /// The texts of a test set without their labels.
    pub fn texts(&self, study: &Study, data: usize, test: usize) -> PathBuf {
        let of = &study.data[data];
        self.folder.join("texts").join(&of.name).join(format!("{}.txt", of.tests[test].name))
    }

    /// What a model makes of a test set.
    pub fn output(&self, study: &Study, model: Model, test: usize) -> PathBuf {
        let test = &study.data[model.data()].tests[test].name;
        self.beside(study, model, &format!("{test}.txt"))
    }

    /// A model's triples of a test set.
    pub fn triples(&self, study: &Study, model: Model, test: usize) -> PathBuf {
        let name = self.name(study, model);
        let name = name.split_once('/').map_or(&*name, |(_, name)| name).replace('/', ".");
        let test = &study.data[model.data()].tests[test].name;
        self.folder.join("triples").join(format!("{name}.{test}.jsonl"))
    }
}
