//! A text model that was read.

use super::names::own;
use crate::foreign::{Foreign, untrained};
use crate::model::Parameters;
use crate::trim::{expected, keep_rows, same_tokens, tokens};
use a2d_core::config::Config;
use a2d_data::vocab::Vocab;
use a2d_data::vocab::wordpiece::Model;
use a2d_run::config::{ModelConfig, RunConfig, Task};
use a2d_run::model::core_config;
use a2d_system::error::Result;
use std::path::PathBuf;

/// The tokens around a text: `[CLS]` and `[SEP]`.
const AROUND: usize = 2;

/// An encoder with a head, which gives labels or vectors of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Labels or vectors.
    pub task: Task,
    /// `[model]` of a run.
    pub model: ModelConfig,
    /// The values of every parameter of `model`.
    pub parameters: Parameters,
    /// The tokens, in the order of this program.
    pub words: Model,
    /// The names of the labels, sorted; none for vectors.
    pub labels: Vec<String>,
    /// The `tokenizer.json` of the vocabulary before it was trimmed, if it was.
    pub untrimmed: Option<Vec<u8>>,
    /// What a user should know of the import, a sentence each.
    pub notes: Vec<String>,
}

impl Text {
    /// The core's configuration.
    ///
    /// # Errors
    ///
    /// As [`Foreign::vocab`].
    pub fn config(&self) -> Result<Config> {
        Ok(core_config(&self.model, self.task, self.vocab()?.sizes()))
    }
}

impl Foreign for Text {
    fn vocab(&self) -> Result<Vocab> {
        Vocab::wordpiece(&self.words)?.with_labels(self.labels.clone())
    }

    fn run_config(&self) -> RunConfig {
        let mut run = RunConfig { task: self.task, model: self.model.clone(), ..untrained() };
        run.data.vocab_size = self.words.pieces.len();
        run.data.max_length = self.model.max_positions.saturating_sub(AROUND);
        run
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn untrimmed(&self) -> Option<&[u8]> {
        self.untrimmed.as_deref()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn trim(&mut self, texts: &[PathBuf]) -> Result<()> {
        let [text] = expected(texts, "one text")?;
        let before = self.vocab()?;
        let used = tokens(text, before.source())?;
        let used = used.into_iter().filter_map(|id| before.source().piece(id)).collect();
        let rows = self.words.needed(&used);
        self.words = self.words.keep(&rows);
        keep_rows(&mut self.parameters, own::TOKENS, &rows);
        self.untrimmed.get_or_insert_with(|| before.to_bytes());
        same_tokens(text, (before.source(), self.vocab()?.source()))
    }
}
