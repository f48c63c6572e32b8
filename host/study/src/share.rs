//! A teacher's translations of the training text: made once, and copied to all students that learn from the same ones.

use crate::grid::{Grid, Model};
use crate::tasks::Task;
use a2d_run::config::RunConfig;
use a2d_run::run_dir::TRANSLATED;
use a2d_system::error::{Error, Result};
use a2d_system::files::make_folder;
use std::path::Path;

impl Grid<'_> {
    /// What determines the translations that a training needs from its teacher; `None`: it needs none.
    fn recipe(&self, model: Model, run: &RunConfig) -> Option<String> {
        let (Model::Cell { group, .. } | Model::Trial { group, .. }) = model else { return None };
        // Assistants translate for the student that they teach.
        if !run.distill.method.needs().translations || !run.distill.stages.is_empty() {
            return None;
        }
        let (distill, data) = (&run.distill, &run.data);
        let of_distill = (distill.seq_kd, distill.seq_kd_beam, &distill.translations);
        let of_data = (data.max_length, &data.monolingual, data.tokenizer());
        let search = run.train.search();
        Some(format!("{} {:?} {of_distill:?} {of_data:?} {search:?}", group.data, group.teacher))
    }

    /// What determines the translations that a student learns from; `None`: it learns from none.
    pub fn recipe_of(&self, model: Model) -> Option<String> {
        self.recipe(model, &self.chosen_config(model).ok()?)
    }

    /// Whether the translations that a student learns from are complete.
    pub fn has_translations(&self, model: Model) -> bool {
        self.run(model).translations().join(TRANSLATED).is_file()
    }

    /// Copies the translations that a training needs from another that has them.
    ///
    /// # Errors
    ///
    /// A file cannot be copied.
    pub fn share_translations(&self, model: Model, run: &RunConfig) -> Result<()> {
        let own = self.run(model).translations();
        let Some(recipe) = self.recipe(model, run).filter(|_| !own.exists()) else { return Ok(()) };
        let has = |model: &Model| {
            self.has_translations(*model) && self.recipe_of(*model).as_ref() == Some(&recipe)
        };
        let mut models = self.tasks().into_iter().filter_map(|task| match task {
            Task::Train(model) => Some(model),
            _ => None,
        });
        let Some(from) = models.find(has) else { return Ok(()) };
        copy(&self.run(from).translations(), &own)
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
