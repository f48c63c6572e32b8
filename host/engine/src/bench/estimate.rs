//! The time that a configuration's steps and translations, or readings of texts, take on a device, measured with random
//! models and batches.

use super::input::sentence;
use super::measurement::Timing;
use super::shape::Models;
use super::steps::Stepper;
use super::translation::Decoding;
use super::work;
use crate::backend::device::{Chosen, Device};
use crate::backend::work::Work;
use crate::texts::reader::read_tokens;
use crate::train::Pairs;
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_core::rng;
use a2d_data::vocab::Sizes;
use a2d_run::config::{ModelConfig, RunConfig, TrainConfig};
use a2d_run::model::{core_config, plan};
use a2d_system::error::Result;

/// Timed repetitions, after one that is not timed. The fastest counts: other processes disturb the others.
const REPEATS: usize = 2;
/// Floating-point operations of a repetition on the CPU: about a second on one core. A larger batch is extrapolated.
const BUDGET: f64 = 2e10;
/// The most sentences in a repetition.
const SENTENCES: usize = 32;

/// The mean lengths of a corpus in tokens, with the ends of the sentences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lengths {
    /// The source.
    pub source: usize,
    /// The target; not read of texts.
    pub target: usize,
}

/// Measured times of a training, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// An update, with the teacher if there is one.
    pub step: f64,
    /// A translation by the model, or a text that it reads.
    pub sentence: f64,
    /// Whether a smaller batch was measured than the configuration's.
    pub extrapolated: bool,
}

impl Times {
    /// Seconds of a training of so many updates, with epochs of `epoch` updates, and of its validations on a text of
    /// `valid` pairs.
    pub fn training(&self, train: &TrainConfig, updates: f64, epoch: u64, valid: usize) -> f64 {
        let translated = validated(train, updates as u64, epoch, valid);
        updates * train.update_freq as f64 * self.step + translated * self.sentence
    }
}

/// Updates of a training with epochs of `epoch` updates; `None` if only patience or time ends it.
pub fn updates(train: &TrainConfig, epoch: u64) -> Option<u64> {
    let by_epochs = (train.max_epoch > 0).then_some((train.max_epoch as u64).saturating_mul(epoch));
    let by_updates = (train.max_update > 0).then_some(train.max_update);
    by_epochs.into_iter().chain(by_updates).min()
}

/// The sentences that the validations of a training of so many updates translate, of `valid` in the text.
pub fn validated(train: &TrainConfig, updates: u64, epoch: u64, valid: usize) -> f64 {
    let by_updates = match train.validate_interval_updates {
        0 => 0.0,
        interval => updates as f64 / interval as f64,
    };
    let by_epochs = updates.div_ceil(epoch.max(1)) / train.validate_interval.max(1) as u64;
    let translated = match train.valid_bleu_sentences {
        0 => valid,
        most => valid.min(most),
    };
    (by_epochs as f64 + by_updates) * translated as f64
}

/// Measures updates and translations of a run's model on sentences of these lengths; with the teacher that its method
/// learns from, if given.
///
/// # Errors
///
/// Misuse: sizes that are no model. The device was lost.
pub fn times(
    run: &RunConfig,
    teacher: Option<&ModelConfig>,
    sizes: Sizes,
    lengths: Lengths,
    device: &Chosen,
) -> Result<Times> {
    let student = core_config(&run.model, run.task, sizes);
    let teacher = teacher.map(|model| core_config(model, run.task, sizes));
    let longest = |model: &Config| match model.embedding.positions {
        0 => usize::MAX,
        rows => rows,
    };
    let most = longest(&student).min(teacher.as_ref().map_or(usize::MAX, longest));
    let lengths = Lengths { source: lengths.source.min(most), ..lengths };
    let budget = if device.device() == Device::Cpu { BUDGET } else { f64::INFINITY };
    let estimate = Estimate { run, student, teacher, lengths, budget };
    device.run(run.train.precision, estimate)
}

struct Estimate<'a> {
    run: &'a RunConfig,
    student: Config,
    teacher: Option<Config>,
    lengths: Lengths,
    /// Operations of a repetition.
    budget: f64,
}

impl Work for Estimate<'_> {
    type Output = Times;

    fn go<B: Train>(self, b: &mut B) -> Result<Times> {
        let seed = self.run.train.seed;
        let (student, max_tokens) = (self.student, self.run.train.max_tokens);
        let (step, extrapolated) = match self.teacher {
            None => {
                let mut stepper = Stepper::alone(b, &student, seed)?;
                let flop = |pairs: &Pairs| work::training(&student, pairs);
                self.step(b, &mut stepper, max_tokens, &flop)?
            }
            Some(teacher) => {
                let models = Models { teacher, student };
                let distill = self.run.distill.of_task(self.run.task);
                let mut stepper = Stepper::distill(b, &models, distill, seed)?;
                let flop = |pairs: &Pairs| work::distillation(&models, pairs);
                self.step(b, &mut stepper, max_tokens, &flop)?
            }
        };
        Ok(Times { step, sentence: self.sentence(b, &student)?, extrapolated })
    }
}

impl Estimate<'_> {
    /// The seconds of an update on a batch of `max_tokens`, and whether they are extrapolated from two smaller batches.
    fn step<B: Train>(
        &self,
        b: &mut B,
        stepper: &mut Stepper<B::Tensor>,
        max_tokens: usize,
        flop: &dyn Fn(&Pairs) -> f64,
    ) -> Result<(f64, bool)> {
        let rows = (max_tokens / self.lengths.source.max(self.lengths.target)).max(1);
        let most = (self.budget / flop(&self.batch(1))).max(2.0) as usize;
        let mut measure = |rows| {
            let batch = [self.batch(rows)];
            stepper.time(b, &batch, REPEATS, None).map(|timing| fastest(&timing))
        };
        if rows <= most {
            return Ok((measure(rows)?, false));
        }
        let (half, whole) = (measure(most / 2)?, measure(most)?);
        let each = (whole - half).max(0.0) / (most - most / 2) as f64;
        Ok((whole + each * (rows - most) as f64, true))
    }

    /// The seconds of a translation into a sentence of average length, or of reading a text.
    fn sentence<B: Train>(&self, b: &mut B, config: &Config) -> Result<f64> {
        let (length, beam) = (self.lengths.target.max(2), self.run.train.beam);
        let one = work::translation(config, &self.batch(1).0, beam, length);
        let count = ((self.budget / one) as usize).clamp(1, SENTENCES);
        let (sentences, seed) = (self.batch(count).0, self.run.train.seed);
        let timing = if config.head.is_some() {
            let plan = plan(config, None)?;
            let model = plan.bind(plan.init(b, seed)).model;
            Timing::of(REPEATS, None, || read_tokens(b, &model, &sentences, &|_| Ok(())).map(drop))?
        } else {
            let decoding = Decoding::new(b, config, beam, length, seed)?;
            Timing::of(REPEATS, None, || decoding.translate(b, &sentences))?
        };
        Ok(fastest(&timing) / count as f64)
    }

    fn batch(&self, rows: usize) -> Pairs {
        let side = |side: u64, length: usize, vocabulary: usize| {
            let key = rng::derive(self.run.train.seed, side);
            let row = |row| sentence(rng::derive(key, row as u64), length, vocabulary);
            (0..rows).map(row).collect()
        };
        let (Lengths { source, target }, config) = (self.lengths, &self.student);
        let targets = match config.head {
            None => side(2, target, config.target_vocabulary),
            Some(_) => (0..rows).map(|row| vec![(row % config.target_vocabulary) as u32]).collect(),
        };
        (side(1, source, config.source_vocabulary), targets)
    }
}

fn fastest(timing: &Timing) -> f64 {
    timing.seconds[0]
}
