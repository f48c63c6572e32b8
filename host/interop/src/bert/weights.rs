//! `model.safetensors` or `pytorch_model.bin`.

use super::config::Keys;
use super::names::{self, own};
use crate::model::Parameters;
use crate::tensors::Tensors;
use a2d_run::model::Plan;
use a2d_system::error::Result;
use std::path::Path;

/// The weights of a folder.
pub struct Weights<'a> {
    file: Tensors,
    keys: &'a Keys,
    /// What stands before the names of the encoder.
    prefix: &'static str,
}

/// The order of rows here, as their numbers in the file.
pub struct Orders {
    /// Of the tokens.
    pub tokens: Vec<usize>,
    /// Of the labels.
    pub labels: Vec<usize>,
}

impl<'a> Weights<'a> {
    /// Opens the weights of `folder`.
    ///
    /// # Errors
    ///
    /// As [`Tensors::of_folder`].
    pub fn open(folder: &Path, keys: &'a Keys) -> Result<Self> {
        let file = Tensors::of_folder(folder)?;
        let is_inner = file.entry(&format!("bert.{}", names::TOKENS)).is_some();
        Ok(Self { file, keys, prefix: if is_inner { "bert." } else { "" } })
    }

    /// Whether there is a pooler.
    pub fn has_pooler(&self) -> bool {
        self.file.entry(&self.inner(names::POOLER[0])).is_some()
    }

    /// Every parameter of `plan`.
    ///
    /// # Errors
    ///
    /// Misuse: a tensor is missing, has another shape, or there is another one.
    pub fn parameters(&mut self, plan: &Plan, orders: &Orders) -> Result<Parameters> {
        self.check_labels(orders.labels.len())?;
        let mut parameters = Parameters::new();
        for (name, spec) in plan.params() {
            let shape = spec.shape.dims();
            let values = self.parameter(name, shape, orders)?;
            parameters.insert(name.clone(), (shape.to_vec(), values));
        }
        Ok(parameters)
    }

    fn parameter(&mut self, name: &str, shape: &[usize], orders: &Orders) -> Result<Vec<f32>> {
        match name {
            own::TOKENS => {
                let shape = [self.keys.vocab_size, shape[1]];
                let rows = self.values(names::TOKENS, &shape)?;
                Ok(arranged(&rows, shape[1], &orders.tokens))
            }
            own::POSITIONS => self.positions(shape),
            own::TYPES => self.types(shape[1]),
            own::OUTPUT => {
                let rows = self.file.values(names::CLASSIFIER, shape)?;
                Ok(arranged(&rows, shape[1], &orders.labels))
            }
            own::OUTPUT_BIAS => {
                let bias = self.file.values(names::CLASSIFIER_BIAS, shape)?;
                Ok(arranged(&bias, 1, &orders.labels))
            }
            name => self.layer(name, shape),
        }
    }

    /// The first positions, each with type 0 of the tokens.
    fn positions(&mut self, shape: &[usize]) -> Result<Vec<f32>> {
        let (count, width) = (self.keys.max_position_embeddings, shape[1]);
        let mut rows = self.values(names::POSITIONS, &[count, width])?;
        rows.truncate(shape[0] * width);
        let types = self.values(names::TYPES, &[self.keys.type_vocab_size, width])?;
        for row in rows.chunks_mut(width.max(1)) {
            row.iter_mut().zip(&types).for_each(|(x, first)| *x += first);
        }
        Ok(rows)
    }

    /// The types of the tokens, as differences from type 0.
    fn types(&mut self, width: usize) -> Result<Vec<f32>> {
        let rows = self.values(names::TYPES, &[self.keys.type_vocab_size, width])?;
        let first = rows.iter().take(width).cycle();
        Ok(rows.iter().zip(first).map(|(x, first)| x - first).collect())
    }

    fn layer(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let theirs = names::of(name).ok_or_else(|| self.file.error(&format!("has no `{name}`")))?;
        let old = names::of_tensorflow(&theirs);
        let is_old = self.file.entry(&self.inner(&old)).is_some();
        self.values(if is_old { &old } else { &theirs }, shape)
    }

    /// The values of a tensor of the encoder.
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = self.inner(name);
        self.file.values(&name, shape)
    }

    fn inner(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Checks that each label has a row, if there are labels.
    fn check_labels(&self, count: usize) -> Result<()> {
        let weight = names::CLASSIFIER;
        let rows = self.file.entry(weight).and_then(|entry| entry.shape.first().copied());
        match rows.filter(|rows| count > 0 && *rows != count) {
            Some(rows) => Err(self.file.error(&format!(
                "has `{weight}` of {rows} rows, but config.json names {count} labels"
            ))),
            None => Ok(()),
        }
    }

    /// Checks that every other tensor is one that nothing is computed with: a pooler where another pooling is asked for, the
    /// heads of pretraining. Returns whether there are such heads.
    ///
    /// # Errors
    ///
    /// Misuse: there is another tensor.
    pub fn finish(&mut self) -> Result<bool> {
        let heads = self.file.names().filter(|name| name.starts_with(names::PRETRAINING));
        let heads: Vec<String> = heads.map(String::from).collect();
        let unused = [names::NUMBERS].into_iter().chain(names::POOLER);
        let unused = unused.map(|name| self.inner(name)).collect::<Vec<_>>();
        heads.iter().chain(&unused).for_each(|name| self.file.leave(name));
        self.file.finish("config.json")?;
        Ok(!heads.is_empty())
    }
}

/// The rows of a file in another order.
fn arranged(rows: &[f32], width: usize, order: &[usize]) -> Vec<f32> {
    order.iter().flat_map(|row| &rows[row * width..][..width]).copied().collect()
}
