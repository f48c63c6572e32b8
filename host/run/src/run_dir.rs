//! The folder of a run: everything needed to translate, resume or export.

use crate::config::{self, RunConfig};
use a2d_system::error::{Error, Result};
use a2d_system::files::{make_folder, remove, write_whole};
use a2d_system::lock::{self, Held};
use a2d_system::program;
use std::path::{Path, PathBuf};

/// The lock file of a training process.
const LOCK: &str = ".lock";

/// The token file among a teacher's translations. It is written last.
pub const TRANSLATED: &str = "train.bin";

/// A run's folder and its file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    folder: PathBuf,
}

impl RunDir {
    /// The run folder `folder`, unchecked.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder of an existing run.
    ///
    /// # Errors
    ///
    /// Misuse: the folder contains no run.
    pub fn open(folder: &Path) -> Result<Self> {
        let run = Self::at(folder);
        if run.config().is_file() {
            return Ok(run);
        }
        let verbs = ["train CONFIG.toml", "distill CONFIG.toml", "import MODEL"];
        let [train, distill, import] = verbs.map(program::command);
        let how = format!("it is made by {train}, {distill} or {import}");
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

    /// Creates the folder of a new run.
    ///
    /// # Errors
    ///
    /// Misuse: the folder already contains a run. Failure: it cannot be created.
    pub fn create(folder: &Path) -> Result<Self> {
        Self::free(folder)?;
        Self::resume(folder)
    }

    /// Checks that a new run in `folder` would overwrite nothing.
    ///
    /// # Errors
    ///
    /// Misuse: the folder contains a run, or a `config.toml` that no run wrote.
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

    /// The folder of a run to resume or start; creates it if missing.
    ///
    /// # Errors
    ///
    /// The folder cannot be created.
    pub fn resume(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        Ok(Self::at(folder))
    }

    /// The path of the folder.
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

    /// The vocabulary that an imported model had before it was trimmed.
    pub fn untrimmed(&self) -> PathBuf {
        self.folder.join("untrimmed.json")
    }

    /// The checkpoint of the best validation.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The latest checkpoint, with the optimiser's state.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The log, one JSON object per line.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.jsonl")
    }

    /// The alignment weights at each validation, one JSON object per line.
    pub fn alignment(&self) -> PathBuf {
        self.folder.join("alignment.jsonl")
    }

    /// The provenance of each part of the run, one JSON object per line.
    pub fn provenance(&self) -> PathBuf {
        self.folder.join("provenance.jsonl")
    }

    /// What a teacher said, for the rank of this number.
    pub fn teacher_cache(&self, rank: usize) -> PathBuf {
        let name = "teacher.cache";
        self.folder.join(if rank == 0 { name.to_owned() } else { format!("{name}.{rank}") })
    }

    /// The folder of kept weights.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// The kept weights validated at `update`.
    pub fn kept(&self, update: u64) -> PathBuf {
        self.checkpoints().join(format!("{update:09}.safetensors"))
    }

    /// The folder of a teacher's translations of the training text; [`TRANSLATED`] is in it.
    pub fn translations(&self) -> PathBuf {
        self.folder.join("seq-kd")
    }

    /// The folder of TensorBoard's event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.folder.join("tensorboard")
    }

    /// Scores on the test set.
    pub fn scores(&self) -> PathBuf {
        self.folder.join("scores.json")
    }

    /// The updates with kept weights, ascending.
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
    /// # Errors
    ///
    /// A file cannot be removed.
    pub fn keep_last(&self, most: usize) -> Result<()> {
        let updates = self.kept_updates();
        let old = updates.len().saturating_sub(most);
        updates[..old].iter().try_for_each(|&update| remove(&self.kept(update)))
    }

    /// Removes the kept weights after `update`: a run resumed there may produce others.
    ///
    /// # Errors
    ///
    /// A file cannot be removed.
    pub fn forget_after(&self, update: u64) -> Result<()> {
        let later = self.kept_updates().into_iter().filter(|&other| other > update);
        later.map(|update| self.kept(update)).try_for_each(|path| remove(&path))
    }

    /// Locks the run for training until the result is dropped or the process ends.
    ///
    /// # Errors
    ///
    /// Misuse: another process holds the lock. Failure: the folder cannot be written.
    pub fn lock(&self) -> Result<Held> {
        Held::new(&self.folder, LOCK, "trains in").map(Held::stays)
    }

    /// Whether a process has ever locked the run.
    pub fn was_locked(&self) -> bool {
        self.folder.join(LOCK).is_file()
    }

    /// Whether a process holds the training lock. An unreadable lock file counts as locked.
    pub fn is_locked(&self) -> bool {
        lock::is_taken(&self.folder.join(LOCK))
    }

    /// The checkpoint to use: the best, or the last before the first validation.
    ///
    /// # Errors
    ///
    /// Misuse: the run has no checkpoint yet.
    pub fn checkpoint(&self) -> Result<PathBuf> {
        let found = [self.best(), self.last()].into_iter().find(|path| path.is_file());
        let folder = self.folder.display();
        found.ok_or_else(|| Error::misuse(format!("{folder} has no checkpoint: train it first")))
    }

    /// The stored configuration, without the current environment.
    ///
    /// # Errors
    ///
    /// As [`config::stored`], and for a value that is out of range.
    pub fn load_config(&self) -> Result<RunConfig> {
        let path = self.config();
        config::of_settings(&path, config::stored(&path)?)
    }

    /// Writes the configuration with every default. `out` is omitted, because the folder may be moved.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save_config(&self, run: &RunConfig) -> Result<()> {
        let text = RunConfig { out: None, ..run.complete() }.to_toml()?;
        write_whole(&self.config(), |out| out.write_all(text.as_bytes()))
    }
}
