//! A teacher's translations of the training text: made once, and copied to all students that learn from the same ones.

use crate::grid::{Grid, Model};
use crate::tasks::Task;
use a2d_run::config::RunConfig;
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::files::make_folder;
use std::path::{Path, PathBuf};

/// The token file in the folder of translations. It is written last.
const COMPLETE: &str = "train.bin";

impl Grid<'_> {
    /// What determines the translations that a training needs from its teacher; `None`: it needs none.
    fn recipe(&self, model: Model, run: &RunConfig) -> Option<String> {
        let (Model::Cell { group, .. } | Model::Trial { group, .. }) = model else { return None };
        if !run.distill.method.needs().translations {
            return None;
        }
        let (distill, data) = (&run.distill, &run.data);
        let of_distill = (distill.seq_kd, distill.seq_kd_beam, &distill.translations);
        let of_data = (data.max_length, &data.monolingual, data.tokenizer());
        let search = run.train.search();
        Some(format!("{} {:?} {of_distill:?} {of_data:?} {search:?}", group.data, group.teacher))
    }

    /// What determines the translations that a task's student learns from; `None`: it learns from none.
    pub fn recipe_of(&self, task: Task) -> Option<String> {
        let Task::Train(model) = task else { return None };
        self.recipe(model, &self.chosen_config(model).ok()?)
    }

    /// Whether the translations that the student of `task` learns from are complete.
    pub fn has_translations(&self, task: Task) -> bool {
        self.folder(task).join(COMPLETE).is_file()
    }

    fn folder(&self, task: Task) -> PathBuf {
        match task {
            Task::Train(model) => RunDir::at(&self.layout.run(self.study, model)).translations(),
            _ => PathBuf::new(),
        }
    }

    /// Copies the translations that a training needs from another that has them.
    ///
    /// # Errors
    ///
    /// A file cannot be copied.
    pub fn share_translations(&self, model: Model, run: &RunConfig) -> Result<()> {
        let own = RunDir::at(&self.layout.run(self.study, model)).translations();
        let Some(recipe) = self.recipe(model, run).filter(|_| !own.exists()) else { return Ok(()) };
        let has = |task: &Task| {
            self.has_translations(*task) && self.recipe_of(*task).as_ref() == Some(&recipe)
        };
        let Some(from) = self.tasks().into_iter().find(has) else { return Ok(()) };
        copy(&self.folder(from), &own)
    }
}

/// Copies the files of a folder; the new folder appears when it is complete.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let begun = to.with_extension("copying");
    make_folder(&begun)?;
    let copied = (|| {
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), begun.join(entry.file_name()))?;
        }
        std::fs::rename(&begun, to)
    })();
    copied.map_err(|e| Error::output("write", to, &e))
}
