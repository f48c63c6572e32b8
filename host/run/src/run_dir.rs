//! The folder of a run: all that is needed to translate, resume or export, in one place.

use crate::config::{self, Run};
use a2d_system::error::{Error, Result};
use a2d_system::files::{make_folder, remove, write_whole};
use a2d_system::lock::{self, Held};
use std::path::{Path, PathBuf};

/// What a process that trains holds.
const LOCK: &str = ".lock";

/// A run's folder and the names in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    folder: PathBuf,
}

impl RunDir {
    /// The names in `folder`, whatever is there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder of a run that exists.
    ///
    /// Errors (misuse): there is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let run = Self::at(folder);
        if run.config().is_file() {
            return Ok(run);
        }
        let how = "it is made by `host train CONFIG.toml` or `host distill CONFIG.toml`";
        if folder.is_file() {
            let text = "is no run but a file";
            return Err(Error::misuse(format!(
                "{} {text}; a run is a folder: {how}",
                folder.display()
            )));
        }
        let (folder, config) = (folder.display(), run.config());
        Err(Error::misuse(format!("{folder} is no run: {} is missing; {how}", config.display())))
    }

    /// The folder of a new run, created.
    ///
    /// Errors: it holds a run already, or cannot be created.
    pub fn create(folder: &Path) -> Result<Self> {
        Self::free(folder)?;
        Self::resume(folder)
    }

    /// Whether a new run in `folder` would write over nothing.
    ///
    /// Errors (misuse): it holds a run already, or a configuration that no run wrote.
    pub fn free(folder: &Path) -> Result<()> {
        let run = Self::at(folder);
        if run.last().exists() || run.best().exists() {
            let how = "continue it with --resume, or choose another folder with --out";
            return Err(Error::misuse(format!("{} holds a run: {how}", folder.display())));
        }
        if run.config().exists() && !run.log().exists() {
            let how = "a run there would write over it, choose another folder with --out";
            return Err(Error::misuse(format!("{} exists: {how}", run.config().display())));
        }
        Ok(())
    }

    /// The folder of a run to be continued, or begun where there is none.
    ///
    /// Errors: it cannot be created.
    pub fn resume(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        Ok(Self::at(folder))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The complete configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> PathBuf {
        self.folder.join("tokenizer.json")
    }

    /// The checkpoint of the best validation.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The latest checkpoint, with the optimiser's state.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The log, one JSON object a line.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.jsonl")
    }

    /// The weights of the alignment at each validation, one JSON object a line.
    pub fn alignment(&self) -> PathBuf {
        self.folder.join("alignment.jsonl")
    }

    /// How each part of the run was made, one JSON object a line.
    pub fn provenance(&self) -> PathBuf {
        self.folder.join("provenance.jsonl")
    }

    /// The folder of the weights that were kept.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// The weights that were validated at `update`.
    pub fn kept(&self, update: u64) -> PathBuf {
        self.checkpoints().join(format!("{update:09}.safetensors"))
    }

    /// The folder of TensorBoard's event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.folder.join("tensorboard")
    }

    /// Scores on the test set.
    pub fn scores(&self) -> PathBuf {
        self.folder.join("scores.json")
    }

    /// The updates whose weights are kept, in order.
    pub fn kept_updates(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(self.checkpoints()).into_iter().flatten().flatten();
        let update = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_suffix(".safetensors")?.parse().ok()
        };
        let mut updates: Vec<u64> = entries.filter_map(update).collect();
        updates.sort_unstable();
        updates
    }

    /// Removes all kept weights but the last `most`.
    ///
    /// Errors: one cannot be removed.
    pub fn keep_last(&self, most: usize) -> Result<()> {
        let updates = self.kept_updates();
        let old = updates.len().saturating_sub(most);
        updates[..old].iter().try_for_each(|&update| remove(&self.kept(update)))
    }

    /// Removes the kept weights of later updates: a run that goes on from here may come to others.
    ///
    /// Errors: one cannot be removed.
    pub fn forget_after(&self, update: u64) -> Result<()> {
        let later = self.kept_updates().into_iter().filter(|&other| other > update);
        later.map(|update| self.kept(update)).try_for_each(|path| remove(&path))
    }

    /// Keeps other processes from training here until the result is dropped, or the process ends in any way.
    ///
    /// Errors: another one does (misuse), or the folder cannot be written.
    pub fn lock(&self) -> Result<Held> {
        Held::new(&self.folder, LOCK, "trains in").map(Held::stays)
    }

    /// Whether a process trains here, as far as this one can tell.
    pub fn is_locked(&self) -> bool {
        lock::is_taken(&self.folder.join(LOCK))
    }

    /// The checkpoint to use: the best, or the last where no validation has been.
    ///
    /// Errors (misuse): there is none yet.
    pub fn checkpoint(&self) -> Result<PathBuf> {
        let found = [self.best(), self.last()].into_iter().find(|path| path.is_file());
        let folder = self.folder.display();
        found.ok_or_else(|| Error::misuse(format!("{folder} has no checkpoint: train it first")))
    }

    /// The configuration as it was written, whatever the environment says now.
    ///
    /// Errors: see [`config::load`].
    pub fn load_config(&self) -> Result<Run> {
        config::load_with(&self.config(), [], &[])
    }

    /// Writes the configuration with every default; the folder may move, so its name stays out.
    ///
    /// Errors: the file cannot be written.
    pub fn save_config(&self, run: &Run) -> Result<()> {
        let text = Run { out: None, ..run.complete() }.to_toml()?;
        write_whole(&self.config(), |out| out.write_all(text.as_bytes()))
    }
}
