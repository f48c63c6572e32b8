//! The targets of an update that its teacher's words count for.

use super::learner::Learner;
use super::lesson::{Lesson, Place};
use super::losses::elements;
use super::objective::Objective;
use super::roles::forward;
use super::selective::Chosen;
use super::term::Term;
use crate::backend::{TokenLoss, Train};
use crate::batch::{Batch, IGNORE};
use crate::tape::Tape;
use alloc::vec::Vec;

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
