//! One update: gradients over batches, Adam, the average.

use super::auxiliary::is_alignment;
use super::choice::Choice;
use super::inputs::Part;
use super::learner::Learner;
use super::lesson::{Lesson, Place};
use super::losses::{Report, Reports};
use super::maps::OwnOptimiser;
use super::selective::Chosen;
use super::term::Term;
use crate::backend::{AdamState, Train};
use crate::optim::Adam;
use crate::params::Init;
use crate::shape::Shape;
use crate::tape::Tape;
use alloc::vec::Vec;
use core::convert::Infallible;

/// Adam's settings, number and learning rate of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Adam's settings.
    pub adam: Adam,
    /// The number of the update, from 1.
    pub number: u64,
    /// The learning rate.
    pub lr: f64,
    /// The decay of the average of parameters, if kept.
    pub ema_decay: f64,
}

/// The results of an update, on the backend.
pub struct Updated<T> {
    /// The loss of each part before the update, with its weight.
    pub reports: Reports<T>,
    /// `[1]`: the norm of the gradient after scaling, before clipping.
    pub gradient_norm: T,
}

/// The gradients and losses of the batches of an update.
pub struct Gradients<T> {
    /// The sums over all batches, in the order of [`super::Plan::params`].
    pub sums: Vec<T>,
    /// The loss of each part, with its weight.
    pub reports: Reports<T>,
    /// The learner's queue after the update.
    pub queue: Vec<f32>,
}

impl<T: Clone, const N: usize> Learner<T, N> {
    /// The losses of all parts of a lesson, with their weights, without gradients. Dropout is applied.
    pub fn losses<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
    ) -> Reports<T> {
        let mut reports = of.objective.reports();
        let choice = self.choose(b, of);
        for (part, chosen) in of.parts().zip(&choice.parts) {
            reports.push(self.record(b, of, &part, chosen.as_ref()).1, of.weight());
        }
        reports
    }

    /// The summed gradients of all parts of a lesson. Reads nothing back from the device, unless a term selects targets.
    pub fn gradients<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
    ) -> Gradients<T> {
        let mut reports = of.objective.reports();
        let mut sums: Option<Vec<T>> = None;
        let Choice { parts, queue } = self.choose(b, of);
        for (part, chosen) in of.parts().zip(&parts) {
            let (tape, report) = self.record(b, of, &part, chosen.as_ref());
            let grads = tape.backward();
            reports.push(report, of.weight());
            sums = Some(match sums {
                None => grads,
                Some(sums) => {
                    sums.into_iter().zip(&grads).map(|(sum, grad)| b.add(sum, grad)).collect()
                }
            });
        }
        let sums = match sums {
            Some(sums) => sums,
            None => self.plan.zeros(b),
        };
        Gradients { sums, reports, queue }
    }

    /// One update: the summed gradients of all batches, then Adam, then the average. `reduce` sums the gradients of trained
    /// parameters over all processes that compute the update.
    ///
    /// # Errors
    ///
    /// The errors of `reduce`.
    pub fn update<B: Train<Tensor = T, Param = T>, E>(
        &mut self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
        step: &Step,
        reduce: impl FnOnce(&mut B, Vec<T>) -> Result<Vec<T>, E>,
    ) -> Result<Updated<T>, E> {
        let Gradients { mut sums, reports, queue } = self.gradients(b, of);
        let trained = self.plan.trained();
        sums.truncate(trained);
        let mut grads = reduce(b, sums)?;
        self.queue = queue;
        self.keep_zeros(b, &mut grads);
        let scale = of.objective.gradient_scale(&of.counts);
        let own = of.objective.terms.iter().find_map(Term::optimiser);
        let before = own.map(|_| self.params.clone());
        let state = AdamState {
            params: &mut self.params[..trained],
            grads: &grads,
            m: &mut self.m[..trained],
            v: &mut self.v[..trained],
        };
        let gradient_norm = b.adam(state, &step.adam.step(step.number, step.lr, scale));
        if let (Some(own), Some(before)) = (own, before) {
            self.move_alignment(b, &before, &own, step);
        }
        self.move_average(b, step);
        Ok(Updated { reports, gradient_norm })
    }

    /// Replaces the step of the alignment, from `before`, by that of its own optimiser: Adam's direction is the same, its
    /// length and the decay differ.
    fn move_alignment<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        before: &[T],
        own: &OwnOptimiser,
        step: &Step,
    ) {
        let decay = f64::from(step.adam.weight_decay);
        let own_decay = own.weight_decay.unwrap_or(decay);
        let kept = 1.0 - own.rate * (1.0 + step.lr * (own_decay - decay));
        let names = self.plan.params().iter().map(|(name, _)| name);
        for ((name, param), before) in names.zip(&mut self.params).zip(before) {
            if is_alignment(name) {
                let moved = b.scale(param.clone(), own.rate as f32);
                let kept = b.scale(before.clone(), kept as f32);
                *param = b.add(moved, &kept);
            }
        }
    }

    /// Clears the gradients of the embeddings that stay 0, where the start token has one of its own.
    fn keep_zeros<B: Train<Tensor = T, Param = T>>(&self, b: &mut B, grads: &mut [T]) {
        for ((_, spec), grad) in self.plan.params().iter().zip(grads) {
            let Init::Embedding { zeros: [pad, start] } = spec.init else { continue };
            if pad != start {
                let (rows, zero) =
                    (spec.shape.rows(), b.zeros(Shape::matrix(1, spec.shape.cols())));
                for id in [pad, start] {
                    b.store(grad, &zero, id as usize, rows);
                }
            }
        }
    }

    /// [`Learner::update`] in a single process.
    pub fn update_alone<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        of: &Lesson<'_, B, N>,
        step: &Step,
    ) -> Updated<T> {
        let Ok(updated) = self.update(b, of, step, |_, grads| Ok::<_, Infallible>(grads));
        updated
    }

    /// Moves the average, if kept, towards the parameters. The decay is the smaller of `ema_decay` and
    /// `(1 + t) / (10 + t)`, as in Marian, so that the initial parameters are soon forgotten.
    fn move_average<B: Train<Tensor = T, Param = T>>(&mut self, b: &mut B, step: &Step) {
        let trained = self.plan.trained();
        let Some(average) = &mut self.average else { return };
        let t = step.number as f64;
        let decay = step.ema_decay.min((1.0 + t) / (10.0 + t)) as f32;
        for (average, param) in average.iter_mut().zip(&self.params[..trained]) {
            let share = b.scale(param.clone(), 1.0 - decay);
            let kept = b.scale(average.clone(), decay);
            *average = b.add(kept, &share);
        }
    }

    fn record<'b, B: Train<Tensor = T, Param = T>>(
        &self,
        b: &'b mut B,
        of: &Lesson<'_, B, N>,
        place: &Place<'_, B>,
        chosen: Option<&Chosen<B::Index>>,
    ) -> (Tape<'b, B>, Report<T>) {
        let &Place { batch, number, key } = place;
        let needs = of.objective.needs();
        let taught = of.teacher.map(|teacher| teacher.teach_part(b, batch, number, needs));
        let mut tape = Tape::new(b, key);
        let student = self.on(&mut tape);
        let part = Part { batch, chosen, update: &of.counts, epoch: of.epoch };
        let report = of.objective.record(&mut tape, &part, &student, taught.as_ref());
        (tape, report)
    }
}
