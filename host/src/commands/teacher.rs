//! A teacher of `a2d distill` that is a model of another toolkit.

use crate::config::{RunConfig, Task};
use crate::data::prepare::find;
use crate::data::vocab::Vocab;
use crate::interop::{self, Foreign, is_model};
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
    /// The texts that the vocabulary is trimmed by.
    texts: Option<Vec<PathBuf>>,
}

impl Import {
    /// The import that the teacher of `run` needs, which trains in `folder`: `None` unless `teacher.run` is a model and
    /// no run. `teacher.run` becomes the run that is made of it.
    ///
    /// # Errors
    ///
    /// Misuse: the current folder is gone, or the vocabulary of this teacher cannot be trimmed.
    pub fn planned(run: &mut RunConfig, folder: &Path) -> Result<Option<Self>> {
        let is_foreign = |path: &&PathBuf| !RunDir::at(path).config().is_file() && is_model(path);
        let Some(model) = run.teacher.run.as_ref().filter(is_foreign).cloned() else {
            return check_trimmed(run).map(|()| None);
        };
        let texts = if run.teacher.trim_vocab { Some(training_text(run)?) } else { None };
        // The run keeps its own copy of the configuration, in which paths are relative to that copy.
        let whole = std::path::absolute(folder.join(IMPORTED));
        let folder = whole.map_err(|e| Error::input("use", folder, &e))?;
        run.teacher.run = Some(folder.clone());
        Ok(Some(Self { model, folder, texts }))
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
            if self.texts.is_some() != dir.untrimmed().is_file() {
                return Err(self.holds_another());
            }
            return check(&dir.load_config()?, &self.model);
        }
        let mut imported = interop::import(&self.model)?;
        if let Some(texts) = &self.texts {
            imported.trim(texts)?;
        }
        check(&imported.run_config(), &self.model)?;
        hold()?;
        if is_there {
            return self.compare(&*imported, &dir);
        }
        // The configuration is written last: without it the import was interrupted.
        remove(&dir.best())?;
        imported.save(&self.folder)
    }

    /// Checks that the run holds the model.
    fn compare(&self, imported: &dyn Foreign, dir: &RunDir) -> Result<()> {
        let theirs = Vocab::load(&dir.tokenizer())?.fingerprint();
        let saved = Saved::load(&dir.checkpoint()?)?;
        if imported.vocab()?.fingerprint() == theirs && *imported.parameters() == saved.tensors {
            return Ok(());
        }
        Err(self.holds_another())
    }

    fn holds_another(&self) -> Error {
        let (folder, model) = (self.folder.display(), self.model.display());
        let trimmed = if self.texts.is_some() { " with a trimmed vocabulary" } else { "" };
        Error::misuse(format!(
            "{folder} holds another model than {model}{trimmed}: choose another folder with --out"
        ))
    }
}

/// The files of the training text.
fn training_text(run: &RunConfig) -> Result<Vec<PathBuf>> {
    let data = &run.data;
    let Some(prefix) = data.train.as_ref().and_then(|path| path.to_str()) else {
        let text = "`teacher.trim_vocab` needs the training text: name it by `data.train`";
        return Err(Error::misuse(text));
    };
    Ok(match run.task {
        Task::Translate => {
            [&data.source_lang, &data.target_lang].map(|lang| find(prefix, lang)).into()
        }
        Task::Classify | Task::Embed => vec![prefix.into()],
    })
}

/// Checks that a teacher that is not imported now was trimmed, if that is asked for.
fn check_trimmed(run: &RunConfig) -> Result<()> {
    let is_trimmed = |teacher: &PathBuf| RunDir::at(teacher).untrimmed().is_file();
    if !run.teacher.trim_vocab || run.teacher.run.as_ref().is_some_and(is_trimmed) {
        return Ok(());
    }
    Err(Error::misuse(
        "`teacher.trim_vocab` is for a model of another toolkit, which is imported: name its folder by `teacher.run`",
    ))
}
