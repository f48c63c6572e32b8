//! `distill.stages`: the models between the teacher and the student.

use super::{ModelConfig, RunConfig, TeacherConfig, TrainConfig, nearest, schema};
use crate::prepared::IMPORTED;
use a2d_system::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A model between the teacher and the student.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// The name of the stage and of its folder.
    pub name: String,
    /// Keys of `[model]`.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub model: Table,
    /// Keys of `[train]`.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub train: Table,
}

/// What the models of the stages are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Staging {
    /// Teacher assistants (TAKD), from large to small: each learns from the one before, the first from the teacher, and
    /// the student from the last.
    #[default]
    Assistants,
    /// Further teachers (EKD), from small to large: the student learns from one after another, at last from the teacher,
    /// and begins each time with its weights of the time before.
    Curriculum,
}

/// The training of a stage, in the folder of its name below the student's.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The name of the stage.
    pub name: String,
    /// The configuration: of an assistant, or of the student that learns from the stage's teacher.
    pub run: RunConfig,
}

/// Folders of a run that a stage cannot have.
const RESERVED: [&str; 7] =
    ["data", "teacher", IMPORTED, "alone", "checkpoints", "seq-kd", "tensorboard"];

impl RunConfig {
    /// The trainings of the stages, in their order. Absent keys of `model` and `train` have the values of `[model]` and
    /// `[train]`. A stage whose teacher is trained too has it as `teacher.model` and `teacher.train`.
    ///
    /// # Errors
    ///
    /// Misuse: a key is unknown, or a value has the wrong type.
    pub fn stages(&self) -> Result<Vec<Stage>> {
        let stages = &self.distill.stages;
        let stage = |(i, of): (usize, &StageConfig)| {
            let before = i.checked_sub(1).map(|i| &stages[i].name);
            self.stage(of, before).map_err(|text| {
                Error::misuse(format!("`distill.stages`: stage \"{}\" {text}", of.name))
            })
        };
        stages.iter().enumerate().map(stage).collect()
    }

    /// The stage after that named `before`.
    pub(super) fn stage(&self, of: &StageConfig, before: Option<&String>) -> Result<Stage, String> {
        let (model, train) = (of.model(&self.model)?, of.train(&self.train)?);
        let mut run = Self { out: None, train, ..self.unstaged() };
        run.distill.baseline = false;
        match self.distill.staging {
            Staging::Assistants => {
                (run.model, run.teacher.trim_vocab) = (model, false);
                // Relative to the stage's folder, so that the student's may be moved.
                let beside = |name: &str| Path::new("..").join(name);
                let first = || self.teacher.run.clone().unwrap_or_else(|| beside("teacher"));
                run.teacher.run = Some(before.map_or_else(first, |name| beside(name)));
            }
            Staging::Curriculum => {
                let train = self.teacher.train.clone();
                run.teacher = TeacherConfig { model, train, ..TeacherConfig::default() };
            }
        }
        Ok(Stage { name: of.name.clone(), run })
    }

    /// The run without its stages.
    pub(super) fn unstaged(&self) -> Self {
        let mut run = self.clone();
        (run.distill.stages, run.distill.staging) = (Vec::new(), Staging::default());
        run
    }

    /// The trainings of the stages, then the run's own, each with the model that teaches it: at first `teacher`, `None` if
    /// it takes no part in updates.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::stages`].
    pub fn trainings(
        &self,
        teacher: Option<ModelConfig>,
    ) -> Result<Vec<(Self, Option<ModelConfig>)>> {
        let (mut all, mut above) = (Vec::new(), teacher);
        for stage in self.stages()? {
            match self.distill.staging {
                Staging::Assistants => {
                    let assistant = above.as_ref().map(|_| stage.run.model.clone());
                    all.push((stage.run, std::mem::replace(&mut above, assistant)));
                }
                Staging::Curriculum => {
                    all.push((stage.run.of_teacher(), None));
                    let teacher = above.as_ref().map(|_| stage.run.teacher.model.clone());
                    all.push((stage.run, teacher));
                }
            }
        }
        all.push((self.clone(), above));
        Ok(all)
    }

    /// The run that the model of a run in `out` learns from last: the last assistant, or else the teacher.
    pub fn taught_by(&self, out: &Path) -> PathBuf {
        match self.distill.stages.last() {
            Some(stage) if self.distill.staging == Staging::Assistants => out.join(&stage.name),
            _ => self.teacher_folder(out),
        }
    }
}

impl StageConfig {
    /// The model, with the absent keys of `student`, but not its first weights. A width is that of both stacks, unless they
    /// are named.
    fn model(&self, student: &ModelConfig) -> Result<ModelConfig, String> {
        if self.model.contains_key("init") {
            return Err("has `model.init`, which only `[model]` and `[teacher.model]` have".into());
        }
        let mut student = ModelConfig { init: None, ..student.clone() };
        if self.model.contains_key("d_model") {
            (student.encoder_d_model, student.decoder_d_model) = (None, None);
        }
        if self.model.contains_key("ffn_dim") {
            (student.encoder_ffn_dim, student.decoder_ffn_dim) = (None, None);
        }
        filled("model", &self.model, &student)
    }

    fn train(&self, student: &TrainConfig) -> Result<TrainConfig, String> {
        filled("train", &self.train, student)
    }

    /// What is wrong with the name, if anything: it is that of a folder in the student's.
    pub(super) fn check_name(&self) -> Result<(), &'static str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.name.is_empty() || self.name.len() > 80 || !self.name.chars().all(plain) {
            return Err("is no usable name: expected letters, digits and any of - _");
        }
        if RESERVED.iter().any(|taken| self.name.eq_ignore_ascii_case(taken)) {
            return Err("is a folder that the run itself has: choose another name");
        }
        Ok(())
    }
}

/// The `given` keys of the table `name`, and those of `base` for the absent ones.
fn filled<T>(name: &str, given: &Table, base: &T) -> Result<T, String>
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    let known = schema::example();
    let mut table = Table::try_from(base).map_err(|e| e.to_string())?;
    for (key, value) in given {
        let path = schema::join(name, key);
        let like = schema::find(&known, &path).ok_or_else(|| nearest::unknown(&path));
        let like = like.map_err(|text| format!("has the {text}"))?;
        let value = match (value, like) {
            (Value::Integer(n), Value::Float(_)) => Value::Float(*n as f64),
            (value, _) => value.clone(),
        };
        table.insert(key.clone(), value);
    }
    let wrong = |e: toml::de::Error| format!("has a wrong value in `{name}`: {}", e.message());
    table.try_into().map_err(wrong)
}
