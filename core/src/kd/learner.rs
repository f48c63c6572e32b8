//! A student in training: its parameters and the state of its optimiser.

use super::plan::Plan;
use super::roles::Student;
use crate::backend::Train;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// Parameters and Adam's moments, in the order of [`Plan::params`].
#[derive(Clone, Debug)]
pub struct Learner<T, const N: usize> {
    /// Names and shapes of the parameters.
    pub plan: Plan<N>,
    /// Parameters.
    pub params: Vec<T>,
    /// First moments.
    pub m: Vec<T>,
    /// Second moments.
    pub v: Vec<T>,
    /// The exponential moving average of the parameters, if kept.
    pub average: Option<Vec<T>>,
    /// The negative log-likelihoods of the latest target tokens, oldest first, if a term keeps a queue of them.
    pub queue: Vec<f32>,
}

impl<T: Clone, const N: usize> Learner<T, N> {
    /// A learner with these parameters, before its first update.
    pub fn new<B: Train<Tensor = T, Param = T>>(b: &mut B, plan: Plan<N>, params: Vec<T>) -> Self {
        let (m, v) = (plan.zeros(b), plan.zeros(b));
        Self { plan, params, m, v, average: None, queue: Vec::new() }
    }

    /// A learner with random parameters, drawn from `seed`.
    pub fn random<B: Train<Tensor = T, Param = T>>(b: &mut B, plan: Plan<N>, seed: u64) -> Self {
        let params = plan.init(b, seed);
        Self::new(b, plan, params)
    }

    /// The student with the current parameters.
    pub fn student(&self) -> Student<T, N> {
        self.plan.bind(self.params.iter().cloned())
    }

    /// The parameters for validation and export: the average if kept, otherwise the parameters.
    pub fn weights(&self) -> &[T] {
        self.average.as_ref().unwrap_or(&self.params)
    }

    /// The student on a tape, with the parameters as leaves.
    pub(super) fn on<B: Train<Tensor = T>>(&self, tape: &mut Tape<'_, B>) -> Student<Var<T>, N> {
        let leaves: Vec<_> = self.params.iter().map(|p| tape.leaf(p.clone())).collect();
        self.plan.bind(leaves)
    }
}
