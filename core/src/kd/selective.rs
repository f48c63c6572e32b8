//! Selective Knowledge Distillation (Wang et al., 2021): the teacher's words count where the student's loss is largest.
//!
//! A target token is taught if its negative log-likelihood reaches the gate, the `ceil(ratio n)`-th largest of n values:
//! those of its batch, or those of a queue of the latest tokens, which the batch joins first. Every token at the gate is
//! taught. `kd` is the sum over taught tokens and has the weight `alpha` of all methods; 0.5 weighs a taught token's
//! divergence like its cross-entropy, as the authors' code does (by 1 each).
//!
//! The gate is that of a whole batch, whatever parts and processes compute it. Before its gradients, an update therefore
//! passes all batches through the student once more, under the same dropout, and reads the device once.

use crate::backend::{TeacherRows, Train};
use crate::batch::IGNORE;
use crate::device::Device;
use crate::rows::TokenRow;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// The options of the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selective {
    /// The share of tokens that are taught, more than 0, at most 1.
    pub ratio: f64,
    /// The length of the queue; `None` if the gate is that of each batch alone.
    pub queue: Option<usize>,
}

impl Selective {
    /// The gate of a batch whose target tokens have these negative log-likelihoods. They join the queue, if there is
    /// one.
    pub fn gate(&self, queue: &mut Vec<f32>, nll: &[f32]) -> f32 {
        let Some(size) = self.queue else { return self.largest(nll.to_vec()) };
        // As in the authors' code, the queue loses as many values as it gains, and so may stay shorter than its size.
        if queue.len() + nll.len() >= size {
            queue.drain(..nll.len().min(queue.len()));
        }
        queue.extend(nll);
        self.largest(queue.clone())
    }

    /// The `ceil(ratio n)`-th largest of n values, infinity if there are none.
    fn largest(&self, mut values: Vec<f32>) -> f32 {
        let share = values.len() as f64 * self.ratio;
        let whole = share as usize;
        let rank = whole + usize::from(share > whole as f64);
        match values.len().checked_sub(1) {
            None => f32::INFINITY,
            Some(last) => {
                let at = rank.saturating_sub(1).min(last);
                *values.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1
            }
        }
    }
}

/// The targets of a part of a batch in two lists `[N]`, each with [`IGNORE`] in place of the other's.
pub struct Chosen<I> {
    /// Tokens that the teacher's words count for.
    taught: I,
    /// Tokens that have a cross-entropy alone.
    alone: I,
}

impl<I> Chosen<I> {
    /// Divides `targets` by their negative log-likelihoods.
    pub fn new<B: Device<Index = I>>(b: &mut B, targets: &[u32], nll: &[f32], gate: f32) -> Self {
        let mut list = |taught: bool| {
            let listed = |(target, nll): (&u32, &f32)| {
                if (*nll >= gate) == taught { *target } else { IGNORE }
            };
            b.index(&targets.iter().zip(nll).map(listed).collect::<Vec<_>>())
        };
        Self { taught: list(true), alone: list(false) }
    }

    /// Computes the token losses on the tape. Returns the values of [`Train::token_loss`]; those of the teacher are
    /// sums over taught tokens.
    pub fn record<B: Train<Index = I>>(
        &self,
        tape: &mut Tape<'_, B>,
        hidden: &Var<B::Tensor>,
        output: (&Var<B::Tensor>, Option<&Var<B::Tensor>>),
        teacher: TeacherRows<'_, B::Tensor>,
        row: TokenRow,
    ) -> B::Tensor {
        let taught = tape.token_loss(hidden, output, Some(teacher), &self.taught, row);
        let alone = tape.token_loss(hidden, output, None, &self.alone, row);
        tape.backend().add(taught, &alone)
    }
}
