//! Selective Knowledge Distillation (Wang et al., 2021): the teacher's words count where the student's loss is largest.
//!
//! A target token is taught if its negative log-likelihood reaches the gate, the `ceil(ratio n)`-th largest of n values:
//! those of its batch, or those of a queue of the latest tokens, which the batch joins first. Every token at the gate is
//! taught. `kd` is the sum over taught tokens and has the weight `alpha` of all methods; 0.5 weighs a taught token's
//! divergence like its cross-entropy, as the authors' code does (by 1 each).
//!
//! The gate is that of a whole batch, whatever parts and processes compute it. Before its gradients, an update therefore
//! passes all batches through the student once more, under the same dropout, and reads the device once.

use super::objective::Objective;
use super::step::{Learner, Lesson, Place};
use super::{Term, elements, forward};
use crate::backend::{TeacherRows, TokenLoss, Train};
use crate::batch::{Batch, IGNORE};
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

/// The choice of an update.
pub(super) struct Choice<I> {
    /// The targets of each part of each batch; `None` if all are taught.
    pub parts: Vec<Option<Chosen<I>>>,
    /// The queue after the update.
    pub queue: Vec<f32>,
}

impl<T: Clone, const N: usize> Learner<T, N> {
    /// Chooses the targets that a lesson teaches.
    pub(super) fn choose<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
    ) -> Choice<B::Index> {
        let mut queue = self.queue.clone();
        let selective = of.objective.terms.iter().find_map(Term::selective);
        let Some(selective) = selective.filter(|_| of.teacher.is_some()) else {
            return Choice { parts: of.parts().map(|_| None).collect(), queue };
        };
        let found = self.likelihoods(b, of);
        let mut each = found.iter();
        let batch = |parts: &Vec<Batch<_>>| {
            parts.iter().zip(&mut each).flat_map(|(part, nll)| of_targets(part, nll)).collect()
        };
        let batches = (of.gather)(of.batches.iter().map(batch).collect());
        let gates = batches.iter().map(|nll| selective.gate(&mut queue, nll));
        let gates = of
            .batches
            .iter()
            .zip(gates)
            .flat_map(|(parts, gate)| parts.iter().map(move |part| (part, gate)));
        let chosen =
            gates.zip(&found).map(|((part, gate), nll)| Chosen::new(b, &part.next, nll, gate));
        let parts = chosen.map(Some).collect();
        Choice { parts, queue }
    }

    /// The negative log-likelihoods of the rows of each part, 0 where targets are ignored.
    fn likelihoods<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
    ) -> Vec<Vec<f32>> {
        let values: Vec<_> = of.parts().map(|place| self.values(b, of.objective, &place)).collect();
        // A lost device leaves NaN. It is an error where the losses are read.
        let all = elements(b, &values.iter().collect::<Vec<_>>()).unwrap_or_default();
        let mut rows = all.chunks_exact(5).map(|row| row[2]);
        let mut next = || rows.next().unwrap_or(f32::NAN);
        of.parts().map(|place| place.batch.next.iter().map(|_| next()).collect()).collect()
    }

    /// `[N, 5]`: the values of the token losses of each row, under the dropout of the place's key.
    fn values<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        objective: &Objective,
        &Place { batch, key, .. }: &Place<'_, B>,
    ) -> T {
        let mut tape = Tape::new(b, key);
        let model = self.on(&mut tape).model;
        let hidden = forward(&model, &mut tape, batch, &mut ());
        let (table, bias) = model.output();
        let losses = tape.backend().token_loss(TokenLoss {
            hidden: &hidden.value,
            table: &table.value,
            bias: bias.map(|bias| &bias.value),
            teacher: None,
            targets: &batch.targets,
            row: objective.row(1.0),
            gradient: false,
        });
        losses.rows
    }
}

/// The values of rows with a target.
fn of_targets<'a, I>(part: &'a Batch<I>, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    let rows = part.next.iter().zip(values);
    rows.filter(|(target, _)| **target != IGNORE).map(|(_, value)| *value)
}
