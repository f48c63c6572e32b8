//! A student with its optimiser's state: the smallest training loop.

use std::convert::Infallible;

use a2d_core::backend::{AdamState, Train};
use a2d_core::batch::Batch;
use a2d_core::kd::{Counts, Losses, Objective, Student, Teacher};
use a2d_core::optim::{Adam, InverseSqrt};
use a2d_core::params::Spec;
use a2d_core::rng;
use a2d_core::tape::{Tape, Var};

use super::model::LAYERS;

/// One batch and what is made of it.
pub struct Lesson<'a, B: Train> {
    /// The loss.
    pub objective: &'a Objective,
    /// Without one there are no `kd` and no attention terms.
    pub teacher: Option<&'a Teacher<B::Tensor, LAYERS>>,
    /// What is learned.
    pub batch: &'a Batch<B::Index>,
    /// From 1.
    pub epoch: u64,
    /// Of the dropout.
    pub key: u64,
}

/// A student, its moments, and the number of updates done.
pub struct Learner<B: Train> {
    spec: Student<Spec, LAYERS>,
    /// In the order of the traversal.
    pub names: Vec<String>,
    /// As `names`.
    pub params: Vec<B::Tensor>,
    m: Vec<B::Tensor>,
    v: Vec<B::Tensor>,
    done: u64,
}

impl<B: Train> Learner<B> {
    /// A student of `value(name, spec)`.
    pub fn new(
        b: &mut B,
        spec: Student<Spec, LAYERS>,
        mut value: impl FnMut(&str, &Spec) -> Vec<f32>,
    ) -> Self {
        let (mut names, mut params, mut zeros) = (Vec::new(), Vec::new(), Vec::new());
        let Ok(_) = spec.try_map::<(), Infallible>(&mut |path, spec| {
            let name = path.to_string();
            params.push(b.tensor(&value(&name, spec), spec.shape));
            zeros.push(b.zeros(spec.shape));
            names.push(name);
            Ok(())
        });
        Self { spec, names, params, m: zeros.clone(), v: zeros, done: 0 }
    }

    /// A student as it begins, for `seed`.
    pub fn random(b: &mut B, spec: Student<Spec, LAYERS>, seed: u64) -> Self {
        let mut parameter = 0;
        Self::new(b, spec, |_, spec| {
            parameter += 1;
            let key = rng::derive(seed, parameter);
            (0..spec.shape.len()).map(|i| spec.init.value(key, i, spec.shape.cols())).collect()
        })
    }

    /// The student as it is now.
    pub fn student(&self) -> Student<B::Tensor, LAYERS> {
        let mut params = self.params.iter().cloned();
        let Ok(student) = self
            .spec
            .try_map::<_, Infallible>(&mut |_, _| Ok(params.next().expect("as many as names")));
        student
    }

    /// The student as a teacher that has learned.
    pub fn teacher(&self) -> Teacher<B::Tensor, LAYERS> {
        Teacher { model: self.student().model, align: None }
    }

    /// Losses alone.
    pub fn losses(&self, b: &mut B, of: &Lesson<'_, B>) -> Losses {
        self.record(b, of).0
    }

    /// Losses, and the gradient of each parameter.
    pub fn gradients(&self, b: &mut B, of: &Lesson<'_, B>) -> (Losses, Vec<B::Tensor>) {
        let (losses, tape) = self.record(b, of);
        (losses, tape.backward())
    }

    fn record<'b>(&self, b: &'b mut B, of: &Lesson<'_, B>) -> (Losses, Tape<'b, B>) {
        let maps = of.objective.maps.is_some();
        let taught = of.teacher.map(|t| (t.model.target_table(), t.teach(b, of.batch, maps)));
        let taught = taught.as_ref().map(|(table, taught)| (*table, taught));
        let mut tape = Tape::new(b, of.key);
        let mut params = self.params.iter().cloned();
        let Ok(student): Result<Student<Var<B::Tensor>, LAYERS>, Infallible> =
            self.spec.try_map(&mut |_, _| Ok(tape.leaf(params.next().expect("as many as names"))));
        let counts = Counts::of(of.batch);
        let report = of.objective.record(&mut tape, of.batch, &student, taught, &counts, of.epoch);
        let losses = report.read(tape.backend()).expect("the device is there");
        (losses, tape)
    }

    /// One update at the rate that `schedule` has for it; returns the losses before it, and the rate.
    pub fn update(
        &mut self,
        b: &mut B,
        of: &Lesson<'_, B>,
        adam: &Adam,
        schedule: &InverseSqrt,
    ) -> (Losses, f64) {
        let (losses, grads) = self.gradients(b, of);
        let rate = schedule.rate(self.done);
        self.done += 1;
        let scale = of.objective.gradient_scale(&Counts::of(of.batch));
        let state =
            AdamState { params: &mut self.params, grads: &grads, m: &mut self.m, v: &mut self.v };
        b.adam(state, &adam.step(self.done, rate, scale));
        (losses, rate)
    }
}
