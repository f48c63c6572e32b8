//! A teacher of `a2d distill` that is a model of another toolkit.

use crate::config::RunConfig;
use crate::data::vocab::Vocab;
use crate::interop::model::Imported;
use crate::interop::{self, is_model};
use crate::run::checkpoint::Saved;
use crate::run::prepared::IMPORTED;
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::remove;
use std::path::{Path, PathBuf};

/// A model to import, and the folder of its run.
pub(super) struct Import {
    model: PathBuf,
    folder: PathBuf,
}

impl Import {
    /// The import that the teacher of `run` needs, which trains in `folder`: `None` unless `teacher.run` is a model and
    /// no run. `teacher.run` becomes the run that is made of it.
    ///
    /// # Errors
    ///
    /// Misuse: the current folder is gone.
    pub fn planned(run: &mut RunConfig, folder: &Path) -> Result<Option<Self>> {
        let is_foreign = |path: &&PathBuf| !RunDir::at(path).config().is_file() && is_model(path);
        let Some(model) = run.teacher.run.as_ref().filter(is_foreign).cloned() else {
            return Ok(None);
        };
        // The run keeps its own copy of the configuration, in which paths are relative to that copy.
        let whole = std::path::absolute(folder.join(IMPORTED));
        let folder = whole.map_err(|e| Error::input("use", folder, &e))?;
        run.teacher.run = Some(folder.clone());
        Ok(Some(Self { model, folder }))
    }

    /// Imports the model, unless a `begun` run has its teacher already. `check` sees the model's configuration before
    /// anything is written, then `hold` is called.
    ///
    /// # Errors
    ///
    /// Misuse: a model that cannot be used, or another one than that in the folder. The folder cannot be written.
    pub fn make(
        &self,
        begun: bool,
        check: impl FnOnce(&RunConfig, &Path) -> Result<()>,
        hold: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let dir = RunDir::at(&self.folder);
        let is_there = dir.config().is_file();
        if is_there && begun {
            return check(&dir.load_config()?, &self.model);
        }
        let imported = interop::import(&self.model)?;
        check(&imported.run_config(), &self.model)?;
        hold()?;
        if is_there {
            return self.compare(&imported, &dir);
        }
        // The configuration is written last: without it the import was interrupted.
        remove(&dir.best())?;
        imported.save(&self.folder)
    }

    /// Checks that the run holds the model.
    fn compare(&self, imported: &Imported, dir: &RunDir) -> Result<()> {
        let theirs = Vocab::load(&dir.tokenizer())?.fingerprint();
        let saved = Saved::load(&dir.checkpoint()?)?;
        if imported.vocab()?.fingerprint() == theirs && imported.parameters == saved.tensors {
            return Ok(());
        }
        let (folder, model) = (self.folder.display(), self.model.display());
        Err(Error::misuse(format!(
            "{folder} holds another model than {model}: choose another folder with --out"
        )))
    }
}
