//! `config`.

use crate::config::Setting;
use crate::system::error::Result;
use clap::Args;
use std::path::PathBuf;

/// `host config`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host config > all.toml
  host config --explain train.lr
  host config fixtures/quickstart/distill.toml --set train.lr=1e-3
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
