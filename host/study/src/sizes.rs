//! The numbers of parameters.

use crate::grid::{Grid, Model};
use a2d_data::vocab::{self, Vocab};
use a2d_run::config::{ModelConfig, Task};
use a2d_run::model::{core_config, model_size, plan};
use a2d_system::error::Result;

/// The sizes of the vocabularies, as far as the data are prepared.
#[derive(Debug)]
pub struct Sizes {
    task: Task,
    vocabularies: Vec<Option<vocab::Sizes>>,
}

impl Sizes {
    /// Reads the vocabularies of the data sets. Before the data are prepared, they have the size that is asked for.
    ///
    /// # Errors
    ///
    /// Misuse: a vocabulary is damaged.
    pub fn read(grid: &Grid<'_>) -> Result<Self> {
        let sizes = |data| {
            let path = grid.layout.data(grid.study, data).join("tokenizer.json");
            if path.is_file() {
                return Vocab::load(&path).map(|vocab| Some(vocab.sizes()));
            }
            let run = grid.data_config(data)?;
            let given = !run.tokenizer.is_empty() || grid.study.data[data].like.is_some();
            let sizes = || Ok(grid.study.goal.sizes(run.vocab_size, &grid.labels(data)?));
            (!given).then(sizes).transpose()
        };
        let vocabularies = (0..grid.study.data.len()).map(sizes).collect::<Result<_>>()?;
        Ok(Self { task: grid.study.goal.task(), vocabularies })
    }

    /// The vocabularies of a data set.
    pub fn vocabulary(&self, data: usize) -> Option<vocab::Sizes> {
        self.vocabularies.get(data).copied().flatten()
    }

    /// The parameters of a model, if its vocabulary is known.
    pub fn of(&self, grid: &Grid<'_>, model: Model) -> Option<usize> {
        self.of_model(model.data(), &architecture(grid, model)?)
    }

    /// The parameters of a model of a data set, if the vocabulary is known.
    pub fn of_model(&self, data: usize, model: &ModelConfig) -> Option<usize> {
        let core = core_config(model, self.task, self.vocabulary(data)?);
        plan(&core, None).ok().map(|plan| model_size(&plan))
    }
}

/// The sizes of a model; `None` if a given run cannot be read.
pub fn architecture(grid: &Grid<'_>, model: Model) -> Option<ModelConfig> {
    grid.config(model, None).ok().map(|run| run.model)
}
