//! `init`, `config`.

use super::{CorpusArgs, DeviceArgs};
use crate::config::{Setting, Task};
use crate::system::error::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `a2d init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d init --source-lang de --target-lang en --train corpus/train --valid corpus/valid
  a2d distill de-en.toml
Reads corpus/train.de and corpus/train.en (or .de.gz, .en.gz), one sentence per line, and writes de-en.toml.")]
pub struct InitArgs {
    /// The languages and the training text.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// What the model is for: translate
    #[arg(long, value_name = "TASK", value_parser = proposed, default_value = "translate", hide = true)]
    pub task: Task,
    /// Prefix of the validation files: some 500 pairs that are not in the training files
    #[arg(long, value_name = "PREFIX")]
    pub valid: Option<String>,
    /// Prefix of the test files
    #[arg(long, value_name = "PREFIX")]
    pub test: Option<String>,
    /// The configuration to write; - is standard output [default: SOURCE-TARGET.toml]
    #[arg(long, value_name = "FILE.toml")]
    pub out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
    /// Exclude training pairs with a flaw, as `prepare --clean` does: set data.clean
    #[arg(long)]
    pub clean: bool,
    /// The device to measure the time on.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print the survey, the choices and the estimate as JSON
    #[arg(long)]
    pub json: bool,
}

/// A task that `init` has a proposal for.
fn proposed(text: &str) -> std::result::Result<Task, String> {
    let task = Task::from_str(text, false)?;
    let how = "write a configuration with `task` and files of texts in [data], such as fixtures/intents/distill.toml";
    match task.is_of_texts() {
        true => Err(format!("`init` chooses for translation alone: {how}")),
        false => Ok(task),
    }
}

/// `a2d config`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d config > all.toml
  a2d config --explain train.lr
  a2d config fixtures/quickstart/distill.toml --set train.lr=1e-3
The last prints the values that `train` and `distill` would use, with the origin of each that is set.")]
pub struct ConfigArgs {
    /// Print the values of this configuration, merged with the environment and --set [default: print every key with its
    /// default and meaning]
    #[arg(value_name = "CONFIG.toml")]
    pub config: Option<PathBuf>,
    /// Print one key, or the keys of one table
    #[arg(long, value_name = "KEY", conflicts_with_all = ["config", "markdown"])]
    pub explain: Option<String>,
    /// Set a key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "config")]
    pub set: Vec<String>,
    /// Print the reference of all keys as Markdown
    #[arg(long, conflicts_with_all = ["config", "json"])]
    pub markdown: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl ConfigArgs {
    /// The settings of `--set`.
    ///
    /// # Errors
    ///
    /// Misuse: one has no `=`.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        self.set.iter().map(|text| Setting::parse(text)).collect()
    }
}
