//! What one update is computed from.

use super::counts::Counts;
use super::objective::{LossNorm, Objective};
use super::roles::{TeachParts, Teacher};
use crate::backend::Train;
use crate::batch::Batch;
use crate::rng;
use alloc::vec::Vec;

/// The inputs of one update.
pub struct Lesson<'a, B: Train, const N: usize> {
    /// The loss.
    pub objective: &'a Objective,
    /// The teacher; without a teacher, cross-entropy is the only term.
    pub teacher: Option<&'a dyn TeachParts<B, N>>,
    /// Batches, each as a list of parts that run one after the other. A list may be empty.
    pub batches: &'a [Vec<Batch<B::Index>>],
    /// The counts of the whole update, over all processes.
    pub counts: Counts,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The key of the dropout masks. Each batch derives a key; its parts use different ranges of the same masks.
    pub key: u64,
    /// Completes a value of each target token of each batch by those of other processes, in the order of the batch.
    pub gather: &'a dyn Fn(Vec<Vec<f32>>) -> Vec<Vec<f32>>,
}

/// A part of a batch in its lesson.
pub(super) struct Place<'a, B: Train> {
    pub batch: &'a Batch<B::Index>,
    /// The number of the part in the lesson.
    pub number: usize,
    /// The key of the dropout masks of the batch.
    pub key: u64,
}

impl<'a, T: Clone, B: Train<Tensor = T, Param = T>, const N: usize> Lesson<'a, B, N> {
    /// The lesson of a single process.
    pub fn new(
        objective: &'a Objective,
        teacher: Option<&'a Teacher<T, N>>,
        batches: &'a [Vec<Batch<B::Index>>],
        epoch: u64,
        key: u64,
    ) -> Self {
        let counts = batches.iter().flatten().map(Counts::of).fold(Counts::default(), Counts::and);
        let gather = &core::convert::identity;
        let teacher = teacher.map(|teacher| teacher as _);
        Self { objective, teacher, batches, counts, epoch, key, gather }
    }

    /// Every part of every batch.
    pub(super) fn parts(&self) -> impl Iterator<Item = Place<'_, B>> {
        let batches = self.batches.iter().zip(0..);
        let parts = batches.flat_map(|(parts, i)| {
            let key = rng::derive(self.key, i);
            parts.iter().map(move |batch| (batch, key))
        });
        parts.enumerate().map(|(number, (batch, key))| Place { batch, number, key })
    }

    /// The weight of a part's loss. [`LossNorm::Official`] takes the mean over batches, [`LossNorm::Mean`] the sum over the
    /// update.
    pub(super) fn weight(&self) -> f64 {
        match self.objective.norm {
            LossNorm::Official => 1.0 / self.batches.len() as f64,
            LossNorm::Mean => 1.0,
        }
    }
}
