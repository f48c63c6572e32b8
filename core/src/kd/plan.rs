//! The names, shapes and initial values of a student's parameters.

use super::roles::Student;
use super::term::Terms;
use crate::backend::Train;
use crate::config::{Config, Impossible};
use crate::nn::Transformer;
use crate::params::Spec;
use crate::rng;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;

/// The parameters of a student: names and shapes in canonical order, and their tree.
#[derive(Clone, Debug)]
pub struct Plan<const N: usize> {
    tree: Student<Spec, N>,
    params: Vec<(String, Spec)>,
}

impl<const N: usize> Plan<N> {
    /// The plan of `model`, with the parameters that the terms `taught.0` need beside it, for a teacher of the
    /// configuration `taught.1`.
    ///
    /// # Errors
    ///
    /// The configuration is invalid, or a term cannot compare these models.
    pub fn new(model: &Config, taught: Option<(&Terms, &Config)>) -> Result<Self, Impossible> {
        let of = Transformer::new(model)?;
        let auxiliary = |(terms, teacher): (&Terms, &Config)| {
            terms.check(model, teacher)?;
            Ok(terms.auxiliary(model, teacher))
        };
        let auxiliary = taught.map(auxiliary).transpose()?.unwrap_or_default();
        Ok(Self::of(Student { model: of, auxiliary }))
    }

    /// The plan of the shapes in `tree`.
    pub fn of(tree: Student<Spec, N>) -> Self {
        let mut params = Vec::new();
        let listed: Result<_, Infallible> = tree.try_map::<(), _>(&mut |path, spec| {
            params.push((path.to_string(), *spec));
            Ok(())
        });
        let Ok(_) = listed;
        Self { tree, params }
    }

    /// The model's configuration.
    pub fn config(&self) -> &Config {
        &self.tree.model.config
    }

    /// Name, shape and initial values of each parameter.
    pub fn params(&self) -> &[(String, Spec)] {
        &self.params
    }

    /// The number of parameters that training changes; they come first.
    pub fn trained(&self) -> usize {
        self.params.len() - self.tree.auxiliary.fixed()
    }

    /// The tree over `items`, one for each parameter, in the order of [`Plan::params`].
    ///
    /// # Panics
    ///
    /// There are fewer items than parameters.
    pub fn bind<Q>(&self, items: impl IntoIterator<Item = Q>) -> Student<Q, N> {
        let mut items = items.into_iter();
        let bound = self.tree.try_map(&mut |_, _| items.next().ok_or(()));
        bound.expect("as many items as parameters")
    }

    /// Initial values, drawn from `seed`.
    pub fn init<B: Train>(&self, b: &mut B, seed: u64) -> Vec<B::Tensor> {
        let tensor = |(number, (_, spec)): (usize, &(String, Spec))| {
            let key = rng::derive(seed, number as u64);
            let cols = spec.shape.cols();
            let data: Vec<f32> =
                (0..spec.shape.len()).map(|i| spec.init.value(key, i, cols)).collect();
            b.tensor(&data, spec.shape)
        };
        let params = self.params.iter().enumerate().map(tensor).collect();
        b.together(params)
    }

    /// Zeros in the shape of each parameter.
    pub fn zeros<B: Train>(&self, b: &mut B) -> Vec<B::Tensor> {
        let zeros = self.params.iter().map(|(_, spec)| b.zeros(spec.shape)).collect();
        b.together(zeros)
    }
}
