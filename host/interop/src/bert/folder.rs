//! The files of a folder, without its weights.

use super::config::Config;
use super::modules::{Modules, is_of_modules};
use super::vocabulary;
use a2d_data::vocab::wordpiece::Model;
use a2d_run::config::{ModelConfig, Pooling, Task};
use a2d_system::error::Result;
use std::path::{Path, PathBuf};

/// What the files say. Each has been checked, against the others too.
pub struct Folder {
    /// The folder of the encoder.
    pub encoder: PathBuf,
    /// The encoder, and perhaps its labels.
    pub config: Config,
    /// The tokens, in the order of the folder.
    pub words: Model,
    /// What follows the encoder, in a folder of sentence-transformers.
    modules: Option<Modules>,
}

/// What the rows of a text become.
pub struct Head {
    /// Labels or vectors.
    pub task: Task,
    /// The names of the labels, in the order of the folder; none for vectors.
    pub labels: Vec<String>,
    pooling: Pooling,
    pooler: bool,
}

impl Folder {
    /// Reads a folder of transformers, or of sentence-transformers.
    ///
    /// # Errors
    ///
    /// Misuse: a file is missing or damaged, the model is of another kind, or the files contradict each other.
    pub fn read(folder: &Path) -> Result<Self> {
        let modules = is_of_modules(folder).then(|| Modules::read(folder)).transpose()?;
        let encoder = modules.as_ref().map_or(folder, |modules| &modules.encoder).to_owned();
        let config = Config::read(&encoder.join("config.json"))?;
        let words = vocabulary::read(&encoder)?;
        let (rows, tokens) = (config.keys.vocab_size, words.pieces.len());
        if tokens > rows {
            let text = format!("has `vocab_size` = {rows}, but there are {tokens} tokens");
            return Err(config.error(&text));
        }
        modules.iter().try_for_each(|modules| modules.check(&words))?;
        Ok(Self { encoder, config, words, modules })
    }

    /// What the rows of a text become. A pooler counts if nothing else is said.
    ///
    /// # Errors
    ///
    /// Misuse: the labels cannot be used.
    pub fn head(&self, has_pooler: bool) -> Result<Head> {
        let vectors =
            |pooling, pooler| Head { task: Task::Embed, labels: Vec::new(), pooling, pooler };
        Ok(match &self.modules {
            Some(modules) => vectors(modules.pooling, false),
            None if self.config.is_classifier => {
                let labels = self.config.labels()?;
                Head { task: Task::Classify, labels, ..vectors(Pooling::First, true) }
            }
            None if has_pooler => vectors(Pooling::First, true),
            None => vectors(Pooling::Mean, false),
        })
    }

    /// `[model]` of a run.
    pub fn model(&self, head: &Head) -> ModelConfig {
        let Head { pooling, pooler, .. } = *head;
        ModelConfig { pooling, pooler, max_positions: self.longest(), ..self.config.model() }
    }

    /// The most tokens of a text: sentence-transformers may use less than all positions.
    fn longest(&self) -> usize {
        let most = self.modules.as_ref().and_then(|modules| modules.longest);
        most.unwrap_or(usize::MAX).min(self.config.keys.max_position_embeddings)
    }

    /// What becomes otherwise than the folder says, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let (all, used) = (self.config.keys.max_position_embeddings, self.longest());
        let spare = self.config.keys.vocab_size - self.words.pieces.len();
        let free = self.modules.as_ref().is_some_and(|modules| !modules.normalises);
        let notes = [
            (used < all, format!("a text has {used} tokens at most, of {all} positions")),
            (spare > 0, format!("{spare} rows of the table that belong to no token are left out")),
            (free, "vectors get the length 1, which modules.json does not ask for".to_owned()),
        ];
        notes.into_iter().filter_map(|(is_so, note)| is_so.then_some(note)).collect()
    }
}
