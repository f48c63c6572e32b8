//! `train`, `distill`, `average`.

use super::DeviceArgs;
use super::values::positive;
use crate::config::{OnNan, Precision, Setting};
use crate::system::error::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of `train` and `distill`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration
    #[arg(value_name = "CONFIG.toml")]
    pub config: PathBuf,
    /// Prepared data [default: the key data.dir, or RUN/data]
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// Folder of the run [default: the key out, or runs/CONFIG]
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Precision of matrix products, also of the teacher: f32, tf32, bf16 or f16; the same as
    /// --set train.precision=P --set teacher.train.precision=P. On the CPU f32, or bf16 to study its rounding (slower)
    #[arg(long, value_name = "P", value_enum, hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Largest padded batch in tokens, also of the teacher, or auto: what fits in the memory of the device
    #[arg(long, value_name = "N|auto", value_parser = max_tokens)]
    pub max_tokens: Option<MaxTokens>,
    /// On a NaN loss, also of the teacher: stop, or retry from the last good checkpoint at half the learning rate; the
    /// same as --set train.on_nan=HOW --set teacher.train.on_nan=HOW
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true)]
    pub on_nan: Option<OnNan>,
    /// Set a key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of all random numbers, also of a new teacher without a seed of its own; the same as
    /// --set train.seed=N
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Continue from the last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

/// The requested size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokens {
    /// As much as fits in the memory of the device.
    Auto,
    /// Tokens: sentences times the longest of them.
    Number(usize),
}

/// `a2d train`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d train fixtures/quickstart/distill.toml --out runs/alone --set train.max_epoch=5
  mpirun -n 4 a2d train config.toml --out runs/large  (a build with the feature `distributed`)
  A2D_TRAIN__LR=1e-3 a2d train config.toml --out runs/alone --resume")]
pub struct TrainArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `a2d distill`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d distill fixtures/quickstart/distill.toml
  mpirun -n 4 a2d distill config.toml --out runs/a2d  (a build with the feature `distributed`)
  a2d distill config.toml --teacher runs/teacher --method word-kd --out runs/word-kd --seed 2")]
pub struct DistillArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// A finished run of the teacher, or a model that `import` reads: it is imported into RUN/teacher-imported. The same
    /// as --set teacher.run=RUN
    #[arg(long, value_name = "RUN|MODEL")]
    pub teacher: Option<PathBuf>,
    /// Import the teacher with only the tokens that the training text needs, all single characters and bytes; the
    /// student, which has its vocabulary, is smaller. The same as --set teacher.trim_vocab=true
    #[arg(long)]
    pub trim_vocab: bool,
    /// The distillation method: a2d, word-kd, selective, pkd, ckd, rail-kd, alp-kd, tinybert, minilm, r-drop, seq-kd or
    /// none; several with commas between them (seq-kd,a2d) work together. The same as --set distill.method=METHOD
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
}

/// `a2d average`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d average runs/quickstart --last 3
  a2d translate runs/quickstart/average --input test.de")]
pub struct AverageArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Average the last N checkpoints [default: all that the key train.keep_last kept, at most 5]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub last: Option<usize>,
    /// Folder for the averaged model [default: RUN/average]
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
}

impl RunArgs {
    /// Whether batches are to fill the device.
    pub fn fills(&self) -> bool {
        self.max_tokens == Some(MaxTokens::Auto)
    }

    /// The settings that the arguments ask for; `--set` comes last and wins.
    fn settings(&self, flags_of_verb: Vec<Option<Setting>>) -> Result<Vec<Setting>> {
        let data = self.data.as_ref().map(|path| Setting::path("--data", "data.dir", path));
        let seed = self.seed.map(|seed| Setting::flag("--seed", "train.seed", seed));
        let precision = |key| self.precision.map(|p| Setting::flag("--precision", key, p));
        let precision = ["train.precision", "teacher.train.precision"].map(precision);
        let max_tokens = |key| match self.max_tokens {
            Some(MaxTokens::Number(n)) => Some(Setting::flag("--max-tokens", key, n)),
            Some(MaxTokens::Auto) | None => None,
        };
        let max_tokens = ["train.max_tokens", "teacher.train.max_tokens"].map(max_tokens);
        let on_nan = |key| self.on_nan.map(|how| Setting::flag("--on-nan", key, how));
        let on_nan = ["train.on_nan", "teacher.train.on_nan"].map(on_nan);
        let flags = [data.transpose()?, seed].into_iter().chain(precision);
        let flags = flags.chain(max_tokens).chain(on_nan).chain(flags_of_verb);
        let flags = flags.flatten().map(Ok);
        flags.chain(self.set.iter().map(|text| Setting::parse(text))).collect()
    }
}

impl TrainArgs {
    /// The settings that the arguments ask for.
    ///
    /// # Errors
    ///
    /// A `--set` without `=`, a path that is not UTF-8.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        self.run.settings(Vec::new())
    }
}

impl DistillArgs {
    /// The settings that the arguments ask for.
    ///
    /// # Errors
    ///
    /// A `--set` without `=`, a path that is not UTF-8.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        let teacher = self.teacher.as_ref();
        let teacher = teacher.map(|path| Setting::path("--teacher", "teacher.run", path));
        let method = self.method.as_ref();
        let method = method.map(|name| Setting::flag("--method", "distill.method", name));
        let trim =
            self.trim_vocab.then(|| Setting::flag("--trim-vocab", "teacher.trim_vocab", true));
        self.run.settings(vec![teacher.transpose()?, trim, method])
    }
}

fn max_tokens(text: &str) -> Result<MaxTokens, String> {
    if text == "auto" {
        return Ok(MaxTokens::Auto);
    }
    positive(text).map(MaxTokens::Number).map_err(|text| format!("{text}, or auto"))
}
