//! What a run is: typed options, read from TOML, the environment and the command line.
//!
//! Precedence: default < file < environment < `--set` (and the flags that stand for a key). Where prepared data are
//! named beside the text, what they were prepared with goes before the defaults.
//!
//! * File: tables `[data]`, `[model]`, `[train]`, `[distill]`, `[teacher.model]`,
//!   `[teacher.train]` and the keys `out` and `teacher.run`.
//! * Environment: `A2D_` + the key's path in capitals, two underscores between its levels:
//!   `A2D_TRAIN__LR=1e-3`, `A2D_TEACHER__MODEL__D_MODEL=512`, `A2D_OUT=runs/a`. Other variables
//!   that begin with `A2D_` are errors, but for those of tests and scripts, which `layers.rs` lists.
//! * `--set train.lr=1e-3`.
//!
//! `[teacher.model]` and `[teacher.train]` start from the built-in defaults, never from the
//! student's values in the same file: changing the student leaves the teacher as it was.
//!
//! Paths in a file are relative to the file's folder, others to the current folder.

mod check;
mod compare;
mod data;
mod distill;
mod layers;
mod load;
mod model;
mod schema;
mod train;

pub use a2d_device::Precision;
pub use compare::Change;
pub use data::Data;
pub use distill::{
    Distill, InitFromTeacher, KdLoss, MapChoices, MapNormalisation, MapReduction, Method, Norm,
    Preset, SeqKd,
};
pub use layers::{Origin, Setting};
pub use load::{load, load_with, parse};
pub use model::{Activation, Model};
pub use train::{OnNan, SelectBy, Train};

use a2d_system::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that one run is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The run's folder, from the current one; see [`Run::out_folder`] for its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// The corpus and its vocabulary.
    pub data: Data,
    /// The sizes of the model that is trained: the student, when distilling.
    pub model: Model,
    /// How it is trained.
    pub train: Train,
    /// What it learns from a teacher.
    pub distill: Distill,
    /// The teacher.
    pub teacher: Teacher,
}

/// The teacher: a finished run, or the sizes and the training of one to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// A finished run; without it, the teacher is trained first, in `OUT/teacher`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<PathBuf>,
    /// The sizes of a teacher to be trained.
    pub model: Model,
    /// How it is trained.
    pub train: Train,
}

impl Run {
    /// The run with every optional key filled in, so that a later program with other defaults
    /// reads the same run from it.
    pub fn complete(&self) -> Self {
        let teacher = Teacher { model: self.teacher.model.complete(), ..self.teacher.clone() };
        let (model, distill) = (self.model.complete(), self.distill.complete());
        Self { data: self.data.complete(), model, distill, teacher, ..self.clone() }
    }

    /// The run as a file that parses back to an equal run; absent optional keys are left out.
    ///
    /// Errors: a path that is not valid UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::misuse(format!("cannot write the config: {e}")))
    }

    /// The folder that a run of `config` goes to: `--out`, or the key `out`; the folder of a
    /// `config.toml` beside its checkpoint; or `runs/` and the name of the file.
    pub fn out_folder(&self, flag: Option<&Path>, config: &Path) -> PathBuf {
        if let Some(out) = flag.or(self.out.as_deref()) {
            return out.to_owned();
        }
        let own = config.file_name().is_some_and(|name| name == "config.toml");
        if own && config.with_file_name("last.safetensors").is_file() {
            let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
            return folder.unwrap_or(Path::new(".")).to_owned();
        }
        Path::new("runs").join(config.file_stem().unwrap_or("run".as_ref()))
    }

    /// The prepared data of a run in `out`: the key `data.dir`, or `OUT/data`.
    pub fn data_folder(&self, out: &Path) -> PathBuf {
        self.data.dir.clone().unwrap_or_else(|| out.join("data"))
    }

    /// The teacher of a run in `out`: the key `teacher.run`, or `OUT/teacher`.
    pub fn teacher_folder(&self, out: &Path) -> PathBuf {
        self.teacher.run.clone().unwrap_or_else(|| out.join("teacher"))
    }
}
