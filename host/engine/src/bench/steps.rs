//! Benchmarks of training steps: a single model, or a student with its teacher.

use super::measurement::{Measurement, Timing};
use super::shape::Models;
use super::timed::Clock;
use super::{Bench, BenchModel, BenchPreset, BenchWhat, Input, work};
use crate::train::cache::{Choice, Source};
use crate::train::ranks::Ranks;
use crate::train::{At, Pairs, TeacherModel, Unread, Update, objective, update};
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_core::kd::{Objective, Step};
use a2d_core::optim::Adam;
use a2d_core::rng;
use a2d_run::config::{DistillConfig, Method, Preset, RunConfig};
use a2d_run::model::{Learner, Plan, plan};
use a2d_system::error::{Error, Result};
use a2d_system::memory;
use serde_json::json;

/// Learning rate. It is low because the same batches repeat.
const RATE: f64 = 1e-5;

/// Rounds over the batches that a device computes before it is waited for: training waits seldom, too.
const ROUNDS: usize = 5;

/// Measures training steps on each of the batches.
///
/// # Errors
///
/// The device was lost; a NaN loss.
pub fn measure<B: Train>(
    bench: &Bench<'_>,
    b: &mut B,
    clock: Option<&Clock>,
) -> Result<Measurement> {
    let (request, models) = (bench.request, bench.request.shape.models());
    let Input::Batches(batches) = &bench.input else {
        return Err(Error::failed("training needs pairs"));
    };
    let mut stepper = match request.what {
        BenchWhat::Distill => {
            let distill = request.preset.distill();
            let mut stepper = Stepper::distill(b, &models, distill, request.seed)?;
            if request.cache {
                stepper.remember(b, batches)?;
            }
            stepper
        }
        _ => Stepper::alone(b, request.model.of(&models), request.seed)?,
    };
    let timing = stepper.time(b, batches, request.repeats, clock)?;

    let shape = ("shape", json!(request.shape.name()));
    let (what, choice) = match request.what {
        BenchWhat::Distill => ("distill", ("preset", json!(request.preset.name()))),
        _ => ("train", ("model", json!(request.model.name()))),
    };
    let load = [("max_tokens", json!(request.max_tokens))];
    let flop = |batch: &Pairs| match (request.what, request.model) {
        (BenchWhat::Distill, _) => work::distillation(&models, batch),
        (_, model) => work::training(model.of(&models), batch),
    };
    Ok(Measurement {
        what,
        choices: [shape, choice].into_iter().chain(bench.place()).chain(load).collect(),
        unit: "tokens",
        units: batches.iter().flat_map(|(_, target)| target).map(Vec::len).sum(),
        flop: batches.iter().map(flop).sum(),
        peak_gflops: 0.0,
        timing,
        latency: None,
        peak_memory: b.memory().or_else(|| memory::peak(None)),
    })
}

/// A model in training.
pub(super) struct Stepper<T> {
    learner: Learner<T>,
    teacher: Option<TeacherModel<T>>,
    objective: Objective,
    seed: u64,
    done: u64,
}

fn objective_of(distill: DistillConfig) -> Objective {
    objective(&RunConfig { distill, ..RunConfig::default() })
}

impl<T: Clone> Stepper<T> {
    /// A model without a teacher.
    pub fn alone<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        config: &Config,
        seed: u64,
    ) -> Result<Self> {
        let distill = DistillConfig { method: Method::None.into(), ..DistillConfig::default() };
        Ok(Self::new(b, plan(config, None)?, None, objective_of(distill), seed))
    }

    /// A student with its teacher.
    pub fn distill<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        models: &Models,
        distill: DistillConfig,
        seed: u64,
    ) -> Result<Self> {
        let mut teacher = TeacherModel::untrained(b, &models.teacher, rng::derive(seed, 1))?;
        let objective = objective_of(distill);
        let plan = plan(&models.student, Some((&objective.terms, &teacher.maps_config())))?;
        teacher.fix(b, &objective, &models.student, seed);
        Ok(Self::new(b, plan, Some(teacher), objective, seed))
    }

    /// Keeps what the teacher says of the batches in memory.
    fn remember<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        batches: &[Pairs],
    ) -> Result<()> {
        let pairs = batches.iter().flat_map(|(source, target)| source.iter().zip(target));
        let length = |sentence: &Vec<u32>| sentence.len() as u32;
        let lengths: Vec<_> = pairs.map(|(s, t)| (length(s), length(t))).collect();
        let objective = &self.objective;
        let (needs, layout) = (objective.needs(), objective.layout());
        let source = Source { lengths: &lengths, needs, layout, key: String::new() };
        match &mut self.teacher {
            Some(teacher) => teacher.remember(b, &Choice::memory(), &source),
            None => Ok(()),
        }
    }

    fn new<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        plan: Plan,
        teacher: Option<TeacherModel<T>>,
        objective: Objective,
        seed: u64,
    ) -> Self {
        let learner = Learner::random(b, plan, rng::derive(seed, 2));
        Self { learner, teacher, objective, seed, done: 0 }
    }

    /// Times rounds of one step on each batch.
    pub fn time<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        batches: &[Pairs],
        repeats: usize,
        clock: Option<&Clock>,
    ) -> Result<Timing> {
        // A profile waits after each operation, and where reads are free nothing is waited for.
        let rounds = if B::READS_ARE_FREE || clock.is_some() { 1 } else { ROUNDS };
        Timing::of_rounds(repeats, rounds, clock, |rounds| self.steps(b, batches, rounds))
    }

    /// Runs `rounds` of one step on each batch, then waits for the device.
    fn steps<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        batches: &[Pairs],
        rounds: usize,
    ) -> Result<()> {
        let first = self.done + 1;
        let mut unread = Vec::with_capacity(rounds * batches.len());
        for _ in 0..rounds {
            let mut before = 0;
            for batch in batches {
                let numbers = before..before + batch.0.len() as u32;
                before = numbers.end;
                unread.push(self.step(b, batch, numbers.collect())?);
            }
        }
        for (number, update) in (first..).zip(Unread::read(b, &unread)?) {
            let Update { losses, gradient_norm, .. } = update;
            if !(losses.get("loss").is_finite() && gradient_norm.is_finite()) {
                let text = format!("the loss of step {number} is {}", losses.get("loss"));
                return Err(Error::failed(text));
            }
        }
        Ok(())
    }

    fn step<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        batch: &Pairs,
        numbers: Vec<u32>,
    ) -> Result<Unread<T>> {
        self.done += 1;
        let key = rng::derive(self.seed, self.done);
        let step = Step { adam: Adam::default(), number: self.done, lr: RATE, ema_decay: 0.0 };
        let numbers = &[numbers];
        let at = At { step, epoch: 1, key, numbers, room: usize::MAX, ranks: &Ranks::alone() };
        let Self { learner, teacher, objective, .. } = self;
        update(b, learner, std::slice::from_ref(batch), teacher.as_ref(), objective, &at)
    }
}

impl BenchPreset {
    fn distill(self) -> DistillConfig {
        let (method, preset) = match self {
            Self::Official => (Method::A2d, Preset::Official),
            Self::Masked => (Method::A2d, Preset::Masked),
            Self::Rows => (Method::A2d, Preset::Rows),
            Self::WordKd => (Method::WordKd, Preset::Official),
        };
        DistillConfig { method: method.into(), preset, ..DistillConfig::default() }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Masked => "masked",
            Self::Rows => "rows",
            Self::WordKd => "word-kd",
        }
    }
}

impl BenchModel {
    fn of(self, models: &Models) -> &Config {
        match self {
            Self::Teacher => &models.teacher,
            Self::Student => &models.student,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
        }
    }
}
