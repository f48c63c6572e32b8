//! An upper bound on the device memory of a training step, computed from sizes alone.
//!
//! Counted are: parameters, moments, gradients, and as many that do not lie where Adam reads them; the teacher's parameters; the
//! values that the tape keeps for the backward pass; the gradients alive in the backward pass; all attention maps with
//! their gradients, and the aligned maps if map losses are used; the teacher's maps; the states and projections of both
//! models if they are compared, with gradients; one block of logits; rounded operands of matrix products. The bound assumes the worst batch: no padding, and every sentence as long as the
//! longest.

use super::objective;
use a2d_core::config::{Activation, Config, Stack};
use a2d_core::kd::Terms;
use a2d_data::vocab::Sizes;
use a2d_run::config::{Precision, RunConfig};
use a2d_run::model::{core_config, model_size, plan};
use a2d_system::error::Result;

/// Bytes of an f32.
const NUMBER: f64 = 4.0;

/// Parameters, two moments, gradients, gradients of one more part of a batch, and the row of those that Adam reads.
const COPIES_OF_PARAMETERS: f64 = 6.0;

/// Largest block of logits, in elements.
const LOGITS: f64 = (1 << 26) as f64;

/// Size of a 16-bit copy of an operand, in f32 elements.
const ROUNDED: f64 = 0.5;

/// Usable share of free memory. The rest is for rounding in the pool and for kernels.
const USABLE: f64 = 0.85;

/// Sizes that determine the memory of a step.
#[derive(Debug, Clone)]
pub struct Need {
    student: Config,
    /// Number of trained parameters.
    parameters: usize,
    /// Whether a weight average is kept.
    averaged: bool,
    /// Size of rounded copies per operand element, in f32 elements.
    rounded: f64,
    teacher: Option<Teaching>,
    /// Passes of the student over a batch.
    passes: f64,
    /// Longest sentence on either side, in tokens.
    longest: usize,
}

#[derive(Debug, Clone)]
struct Teaching {
    config: Config,
    parameters: usize,
    /// Whether map losses use the teacher's maps.
    maps: bool,
    /// Elements per token for the comparison of hidden states and projections.
    compared: f64,
}

impl Need {
    /// The needs of a step of `run` with sentences up to `longest` tokens, vocabularies of `sizes` and an optional teacher.
    ///
    /// # Errors
    ///
    /// Misuse: an invalid configuration.
    pub fn new(
        run: &RunConfig,
        teacher: Option<&RunConfig>,
        sizes: Sizes,
        longest: usize,
    ) -> Result<Self> {
        let student = core_config(&run.model, run.task, sizes);
        let terms = objective(run).terms;
        let teaching = |teacher: &RunConfig| -> Result<_> {
            let config = core_config(&teacher.model, teacher.task, sizes);
            let parameters = model_size(&plan(&config, None)?);
            let (compared, maps) = (compared(&terms, &student, &config), terms.needs().maps);
            Ok(Teaching { config, parameters, maps, compared })
        };
        let teacher = teacher.map(teaching).transpose()?;
        let plan = plan(&student, teacher.as_ref().map(|teacher| (&terms, &teacher.config)))?;
        let parameters = plan.params().iter().map(|(_, spec)| spec.shape.len()).sum();
        let averaged = run.train.ema_decay > 0.0;
        let short = matches!(run.train.precision, Precision::Bf16 | Precision::F16);
        let rounded = if short { ROUNDED } else { 0.0 };
        let twice = terms.iter().any(|term| term.two_passes().is_some());
        let passes = if twice { 2.0 } else { 1.0 };
        let longest = longest.max(1);
        Ok(Self { student, parameters, averaged, rounded, teacher, passes, longest })
    }

    /// Upper bound in bytes for a step on a batch of `max_tokens` padded tokens.
    pub fn bytes(&self, max_tokens: usize) -> u64 {
        let tokens = max_tokens as f64;
        let numbers = self.standing() + self.logits(tokens) + tokens * self.of_a_token(max_tokens);
        (NUMBER * numbers) as u64
    }

    /// Largest batch in padded tokens that fits `free` bytes. `None` if a single pair of the longest length does not
    /// fit.
    pub fn most_tokens(&self, free: u64) -> Option<usize> {
        let fits = |tokens: usize| self.bytes(tokens) as f64 <= USABLE * free as f64;
        if !fits(self.longest) {
            return None;
        }
        // The bound is monotonic in the number of tokens.
        let (mut low, mut high) = (self.longest, 1 << 40);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        Some(low)
    }

    /// Elements independent of the batch.
    fn standing(&self) -> f64 {
        let teacher = self.teacher.as_ref().map_or(0, |t| t.parameters);
        let copies = COPIES_OF_PARAMETERS + if self.averaged { 1.0 } else { 0.0 };
        let rounded = self.rounded * (self.parameters + teacher) as f64;
        copies * self.parameters as f64 + teacher as f64 + rounded
    }

    /// Elements of a block of logits: the student's with rounded copies, and the teacher's.
    fn logits(&self, tokens: f64) -> f64 {
        let block = LOGITS.min(tokens * self.student.target_vocabulary as f64);
        let models = if self.teacher.is_some() { 2.0 } else { 1.0 };
        block * (models + self.rounded)
    }

    /// Elements for each token of a batch.
    fn of_a_token(&self, max_tokens: usize) -> f64 {
        let keys = self.longest.min(max_tokens) as f64;
        let rows = self.passes * kept(&self.student) + self.teacher.as_ref().map_or(0.0, passing);
        let rows = rows + self.teacher.as_ref().map_or(0.0, |teacher| teacher.compared);
        (1.0 + self.rounded) * rows + keys * self.maps()
    }

    /// Elements of attention maps per pair of query and key. With map losses: the stored maps and the aligned maps with
    /// their gradients, and the teacher's maps. Otherwise two maps per head of one layer, recomputed in the backward
    /// pass.
    fn maps(&self) -> f64 {
        let (own, widest) = (maps(&self.student), heads(&self.student));
        match &self.teacher {
            Some(Teaching { config, maps: true, .. }) => {
                2.0 * own + 2.0 * widest + 3.0 * maps(config)
            }
            Some(Teaching { config, .. }) => 2.0 * widest + heads(config),
            None => 2.0 * widest,
        }
    }
}

/// Elements per token that comparisons of hidden states and projections keep: what the teacher hands out, the gradients
/// of what the student hands out, and projected states with their gradients.
fn compared(terms: &Terms, student: &Config, teacher: &Config) -> f64 {
    let needs = terms.needs();
    let of = |config: &Config, states: usize, projections: usize| {
        let (encoder, decoder) = (&config.encoder, &config.decoder);
        let layers = encoder.layers * encoder.d_model + decoder.layers * decoder.d_model;
        let embeddings = encoder.d_model + decoder.d_model;
        // Cross-attention has as many projections as the decoder's self-attention.
        let crossed = layers + decoder.layers * decoder.d_model;
        states * (layers + embeddings) + projections * 3 * crossed
    };
    let [states, projections] = [needs.hidden, needs.projections].map(usize::from);
    let handed = of(teacher, states, projections) + 2 * of(student, states, projections);
    let auxiliary = terms.auxiliary(student, teacher);
    let projected = auxiliary.projections.iter().map(|of| of.weight.shape.rows());
    // Of embeddings and all layers there may be one projection.
    let states = 1 + student.encoder.layers.max(student.decoder.layers);
    (handed + 3 * states * projected.sum::<usize>()) as f64
}

/// Number of attention maps of a model.
fn maps(config: &Config) -> f64 {
    (config.encoder.maps() + 2 * config.decoder.maps()) as f64
}

/// Largest number of heads of an attention.
fn heads(config: &Config) -> f64 {
    config.encoder.attention_heads.max(config.decoder.attention_heads) as f64
}

/// Elements stored for the backward pass per source and target token, plus those of one layer's backward pass.
fn kept(config: &Config) -> f64 {
    let (encoder, decoder) = (&config.encoder, &config.decoder);
    // Queries, keys, values, context, residual sum and norm of each attention; residual sum and norm of the
    // feed-forward block.
    let rows = 8 * encoder.layers * encoder.d_model + 14 * decoder.layers * decoder.d_model;
    let inner = match config.activation {
        Activation::Relu if config.activation_dropout == 0.0 => 1,
        _ => 2,
    };
    let inner = inner * (encoder.layers * encoder.ffn_dim + decoder.layers * decoder.ffn_dim);
    (rows + inner) as f64 + passing_through(config)
}

/// Elements per token of a teacher, which keeps one layer at a time.
fn passing(teaching: &Teaching) -> f64 {
    passing_through(&teaching.config)
}

/// Elements per token of one layer during its forward pass.
fn passing_through(config: &Config) -> f64 {
    let of = |stack: &Stack| 10 * stack.d_model + 3 * stack.ffn_dim;
    (of(&config.encoder) + of(&config.decoder)) as f64
}
