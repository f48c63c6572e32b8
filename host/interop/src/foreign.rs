//! A model that was read, whatever it does.

use crate::model::Parameters;
use a2d_data::vocab::Vocab;
use a2d_run::checkpoint::save;
use a2d_run::config::{Method, RunConfig};
use a2d_run::provenance;
use a2d_run::run_dir::RunDir;
use a2d_system::error::Result;
use a2d_system::files::{remove, write_whole};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// A model of another toolkit, ready to become a run.
pub trait Foreign: Debug {
    /// The vocabulary.
    ///
    /// # Errors
    ///
    /// Misuse: what cuts text into tokens cannot be used.
    fn vocab(&self) -> Result<Vocab>;

    /// The configuration of the run: task, sizes, and what else the model's makers decided.
    fn run_config(&self) -> RunConfig;

    /// The values of every parameter.
    fn parameters(&self) -> &Parameters;

    /// The `tokenizer.json` of the vocabulary before it was trimmed, if it was.
    fn untrimmed(&self) -> Option<&[u8]>;

    /// What a user should know of the import, a sentence each.
    fn notes(&self) -> &[String];

    /// Removes the tokens that neither `texts` (of a translator: of the source, then of the target) nor a single character
    /// needs. The texts have the same tokens as before.
    ///
    /// # Errors
    ///
    /// Misuse: other texts are needed, or a text cannot be read, or would be cut otherwise. A signal.
    fn trim(&mut self, texts: &[PathBuf]) -> Result<()>;

    /// Writes the model as a finished run.
    ///
    /// # Errors
    ///
    /// Misuse: the folder holds a run, or the vocabulary cannot be used; nothing is written then. The folder cannot be
    /// written.
    fn save(&self, folder: &Path) -> Result<()> {
        let (vocab, run) = (self.vocab()?, self.run_config());
        let dir = RunDir::create(folder)?;
        let metadata = [
            ("config", run.complete().to_toml()?),
            ("data", String::new()),
            ("vocabulary", vocab.fingerprint()),
            ("vocabulary_size", vocab.sizes().to_string()),
            ("program", provenance::program()),
        ];
        let metadata = metadata.map(|(key, text)| (key.to_owned(), text)).into();
        vocab.save(&dir.tokenizer())?;
        match self.untrimmed() {
            Some(vocab) => write_whole(&dir.untrimmed(), |out| out.write_all(vocab))?,
            None => remove(&dir.untrimmed())?,
        }
        let tensors = self.parameters().iter();
        let tensors = tensors.map(|(name, (shape, data))| (name.clone(), shape.clone(), &data[..]));
        save(&dir.best(), tensors, &metadata)?;
        dir.save_config(&run)
    }
}

/// The configuration of a run that no training made.
pub fn untrained() -> RunConfig {
    let mut run = RunConfig::default();
    run.distill.method = Method::None.into();
    run
}
