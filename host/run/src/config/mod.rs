//! The configuration of a run: typed options from TOML, the environment and the command line.
//!
//! Precedence: default < file < environment < `--set` (and flags that set a key). If `data.dir` names prepared data
//! beside the text, their settings override the defaults. So do the values that [`crate::proposal::load`] derives from the
//! data; what is built or read otherwise has the fixed defaults of [`RunConfig::default`].
//!
//! * File: tables `[data]`, `[model]`, `[train]`, `[distill]`, `[teacher.model]`,
//!   `[teacher.train]` and the keys `out`, `task` and `teacher.run`.
//! * Environment: `A2D_` + the key's path in capitals, with two underscores between levels:
//!   `A2D_TRAIN__LR=1e-3`, `A2D_TEACHER__MODEL__D_MODEL=512`, `A2D_OUT=runs/a`. Other variables with
//!   this prefix are errors, except those of tests and scripts, which `layers.rs` lists.
//! * `--set train.lr=1e-3`.
//!
//! A key that is absent in `[teacher.train]` has the value that it has in `[train]`. `[teacher.model]` takes
//! no value from `[model]`. Absent keys of a stage's `model` and `train` are those of `[model]` and `[train]`.
//!
//! Paths in a file are relative to its folder, other paths to the current folder.

mod check;
mod compare;
mod data;
mod distill;
mod features;
mod init;
mod layers;
mod load;
mod merged;
mod methods;
mod model;
mod nearest;
pub mod reference;
mod schema;
mod search;
mod stages;
mod text;
mod train;

pub use a2d_data::task::Task;
pub use a2d_device::Precision;
pub(crate) use check::WIDEST;
pub use compare::Change;
pub use data::DataConfig;
pub use distill::{
    CacheKind, CachePrecision, DistillConfig, InitFromTeacher, KdLoss, LossNorm, MapChoices,
    MapInput, MapNormalisation, MapReduction, Mapping, Method, Preset, SeqKd,
};
pub use features::{
    AlpConfig, CkdConfig, GroupName, Groups, MiniLmConfig, PkdConfig, PkdLayers, RDropConfig,
    RailConfig, RailForm, SelectMode, SelectiveConfig, TinyBertConfig,
};
pub use layers::{Origin, Setting};
pub use load::{Layers, load_with, of_settings, parse, set_by_environment, stored};
pub use merged::Merged;
pub use methods::Methods;
pub use model::{Activation, DecoderStart, ModelConfig, Pooling, Positions};
pub use schema::derivable;
pub use search::BeamSearch;
pub use stages::{Stage, StageConfig, Staging};
pub use text::{line_of, read_text, syntax};
pub use train::{OnNan, SelectBy, TrainConfig};

use a2d_system::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The complete configuration of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The run's folder, relative to the current folder. Default: `runs/` and the name of the file without `.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// What the model is trained for. Teacher and student have the same task.
    pub task: Task,
    /// The corpus and its vocabulary.
    pub data: DataConfig,
    /// The model to train; when distilling, the student.
    pub model: ModelConfig,
    /// The training of the model.
    pub train: TrainConfig,
    /// The losses of distillation and their weights.
    pub distill: DistillConfig,
    /// The teacher: `run`, or a new one as `[teacher.model]` and `[teacher.train]` say.
    pub teacher: TeacherConfig,
}

/// The teacher: a finished run, or the model and training of a new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// A finished run, or a model of another toolkit, which is imported into `OUT/teacher-imported`. By default the
    /// teacher is trained first, in `OUT/teacher`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<PathBuf>,
    /// Import the model of another toolkit with only the tokens that `data.train` needs, all single characters and bytes.
    /// The student has this vocabulary, and is smaller.
    pub trim_vocab: bool,
    /// The model of a teacher to train.
    pub model: ModelConfig,
    /// The training of a teacher to train.
    pub train: TrainConfig,
}

impl RunConfig {
    /// The run with every optional key filled in. A later version with other defaults reads the same run from it.
    pub fn complete(&self) -> Self {
        let teacher =
            TeacherConfig { model: self.teacher.model.complete(), ..self.teacher.clone() };
        let (model, distill) = (self.model.complete(), self.distill.complete());
        Self { data: self.data.complete(self.task), model, distill, teacher, ..self.clone() }
    }

    /// The run as TOML that parses to an equal run. Absent optional keys are omitted.
    ///
    /// # Errors
    ///
    /// Misuse: a path is not valid UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::misuse(format!("cannot write the config: {e}")))
    }

    /// The value of the key at `path`, if it has one.
    pub fn value(&self, path: &str) -> Option<toml::Value> {
        schema::find(&schema::table(self), path).cloned()
    }

    /// The output folder for `config`: `--out`, or the key `out`; for a `config.toml` beside a checkpoint, its folder;
    /// otherwise `runs/` and the file's stem.
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

    /// The prepared data of a run in `out`: the key `data.dir`, default `OUT/data`.
    pub fn data_folder(&self, out: &Path) -> PathBuf {
        self.data.dir.clone().unwrap_or_else(|| out.join("data"))
    }

    /// The run of the same model without a teacher.
    pub fn alone(&self) -> Self {
        let mut run = self.unstaged();
        run.distill.method = Method::None.into();
        run.distill.init_from_teacher = None;
        run
    }

    /// The run that makes the teacher.
    pub fn of_teacher(&self) -> Self {
        let (model, train) = (self.teacher.model.clone(), self.teacher.train.clone());
        Self { model, train, ..self.alone() }
    }

    /// The criterion for the best checkpoint that the task has.
    pub fn select_by(&self) -> SelectBy {
        match (self.task, self.train.select_by) {
            (Task::Translate, wanted) => wanted,
            (Task::Classify, SelectBy::Loss) | (Task::Embed, _) => SelectBy::Loss,
            (Task::Classify, _) => SelectBy::Accuracy,
        }
    }

    /// Whether a teacher takes part in updates, or translates.
    pub fn has_teacher(&self) -> bool {
        let needs = self.distill.method.needs();
        needs.teacher_beside() || needs.translations && self.translates()
    }

    /// Whether `seq-kd` has anything to translate: the training text, or source text alone.
    pub fn translates(&self) -> bool {
        self.distill.translations.is_none() || self.data.monolingual.is_some()
    }

    /// The teacher of a run in `out`: the key `teacher.run`, default `OUT/teacher`. A relative path begins at `out`.
    pub fn teacher_folder(&self, out: &Path) -> PathBuf {
        out.join(self.teacher.run.as_deref().unwrap_or(Path::new("teacher")))
    }
}
