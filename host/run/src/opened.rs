//! A finished run: its configuration, its vocabulary and its best checkpoint, which belong together.

use crate::checkpoint::{LONGEST_SOURCE, Saved};
use crate::config::RunConfig;
use crate::model::check_model;
use crate::run_dir::RunDir;
use a2d_data::vocab::Vocab;
use a2d_system::error::{Error, Result};
use std::path::Path;

/// A run that can translate.
pub struct Opened {
    /// The configuration.
    pub run: RunConfig,
    /// The vocabulary that it was trained with.
    pub vocab: Vocab,
    /// The best checkpoint.
    pub saved: Saved,
}

impl Opened {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    ///
    /// Misuse: the run is incomplete or damaged, or its checkpoint is of another model or vocabulary.
    pub fn new(folder: &Path) -> Result<Self> {
        let dir = RunDir::open(folder)?;
        let run = dir.load_config()?;
        let vocab = Vocab::load(&dir.tokenizer())?;
        let path = dir.checkpoint()?;
        let saved = Saved::load(&path)?;
        let trained: String = saved.get("vocabulary")?;
        if trained != vocab.fingerprint() {
            let (path, tokenizer) = (path.display(), dir.tokenizer());
            let text =
                format!("{path} was trained with another vocabulary than {}", tokenizer.display());
            return Err(Error::misuse(text));
        }
        check_model(&saved, &dir, &run)?;
        Ok(Self { run, vocab, saved })
    }

    /// The length of the longest source sentence in training, in tokens, if the checkpoint states it.
    pub fn longest_source(&self) -> Option<usize> {
        self.saved.metadata.get(LONGEST_SOURCE).and_then(|text| text.parse().ok())
    }
}
