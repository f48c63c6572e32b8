//! The sizes of models that begin with the weights of another run.

use super::derive::begun;
use crate::checkpoint::reached;
use crate::config::{self, Layers, RunConfig, Setting, Task};
use crate::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::program;
use std::path::Path;

/// `layers` with the sizes of the runs that `model.init` and `teacher.model.init` name, for a run in `folder`.
///
/// # Errors
///
/// Misuse: there is no such run, it is unfinished, it has another task, or a key contradicts it.
pub(super) fn with_sizes(mut layers: Layers, run: &RunConfig, folder: &Path) -> Result<Layers> {
    let teacher = (run.has_teacher() && run.teacher.run.is_none()).then_some(&run.teacher.model);
    let teacher = teacher.map(|model| ("teacher.model", model, run.teacher_folder(folder)));
    for (table, model, folder) in
        [("model", &run.model, folder.to_owned())].into_iter().chain(teacher)
    {
        if let Some(init) = &model.init {
            layers = layers.sized_by(table, init, sizes(init, &folder, run.task)?, run.task)?;
        }
    }
    Ok(layers)
}

/// The configuration that has the sizes: that of a run which was begun with these weights, which needs them no more, or that
/// of the run `init`.
fn sizes(init: &Path, folder: &Path, task: Task) -> Result<Vec<Setting>> {
    let own = begun(folder)?;
    let is_init = |run: RunConfig| run.model.init.as_deref() == Some(init);
    if !own.is_empty() && is_init(RunDir::at(folder).load_config()?) {
        return Ok(own);
    }
    let dir = RunDir::open(init)?;
    let (theirs, shown) = (dir.load_config()?.task, init.display());
    if theirs.is_of_texts() != task.is_of_texts() {
        let text = format!("has `task = \"{theirs}\"`, whose weights are no start for \"{task}\"");
        return Err(Error::misuse(format!("{shown}, the run of `model.init`, {text}")));
    }
    dir.checkpoint()?;
    if reached(&dir.last()).is_some_and(|reached| !reached.finished) {
        let resume = program::command("train CONFIG.toml --resume");
        let text = format!("is not finished: end its training first, as by {resume}");
        return Err(Error::misuse(format!("{shown}, the run of `model.init`, {text}")));
    }
    config::stored(&dir.config())
}
