//! One update: names, binding and initial values of parameters, gradients over batches, Adam.

use super::auxiliary::{Auxiliary, is_alignment};
use super::counts::Counts;
use super::inputs::Part;
use super::losses::{Report, Reports};
use super::maps::OwnOptimiser;
use super::objective::{LossNorm, Objective};
use super::roles::{Student, TeachParts, Teacher};
use super::selective::{Choice, Chosen};
use super::term::{Term, Terms};
use crate::backend::{AdamState, Train};
use crate::batch::Batch;
use crate::config::{Config, Impossible};
use crate::nn::Transformer;
use crate::optim::Adam;
use crate::params::{Init, Spec};
use crate::rng;
use crate::shape::Shape;
use crate::tape::{Tape, Var};
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
            Ok(Auxiliary::new(terms, model, teacher))
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
    /// The sums over all batches, in the order of [`Plan::params`].
    pub sums: Vec<T>,
    /// The loss of each part, with its weight.
    pub reports: Reports<T>,
    /// The learner's queue after the update.
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

    /// One update: the summed gradients of all batches, then Adam, then the average. `reduce` sums the gradients over
    /// all processes that compute the update.
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
        let Gradients { sums, reports, queue } = self.gradients(b, of);
        let mut grads = reduce(b, sums)?;
        self.queue = queue;
        self.keep_zeros(b, &mut grads);
        let scale = of.objective.gradient_scale(&of.counts);
        let trained = self.plan.trained();
        let own = of.objective.terms.iter().find_map(Term::optimiser);
        let before = own.map(|_| self.params.clone());
        let state = AdamState {
            params: &mut self.params[..trained],
            grads: &grads[..trained],
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
            let Init::Embedding { zeros: [pad, start], .. } = spec.init else { continue };
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

    /// The student on a tape, with the parameters as leaves.
    pub(super) fn on<B: Train<Tensor = T>>(&self, tape: &mut Tape<'_, B>) -> Student<Var<T>, N> {
        let leaves: Vec<_> = self.params.iter().map(|p| tape.leaf(p.clone())).collect();
        self.plan.bind(leaves)
    }
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
    fn weight(&self) -> f64 {
        match self.objective.norm {
            LossNorm::Official => 1.0 / self.batches.len() as f64,
            LossNorm::Mean => 1.0,
        }
    }
}
