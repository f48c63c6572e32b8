//! What a step takes of a device's memory, bounded from the sizes alone.
//!
//! Counted are: parameters, moments, gradients and what Adam gathers them in; the teacher's parameters; the values
//! that the tape keeps until the way back; the gradients alive on the way; all attention maps, with their gradients and
//! the aligned ones where they are learned from; the teacher's maps; one block of logits; what products take rounded. The
//! bound is for the worst batch: every token is padded to, and every sentence as long as the longest.

use a2d_core::config::{Activation, Config, Stack};
use a2d_run::config::{Precision, Run};
use a2d_run::model::{core_config, model_size, plan};
use a2d_system::error::Result;

/// Bytes of a number.
const NUMBER: f64 = 4.0;

/// Parameters, two moments, the gradients, those of one more part of a batch, and what Adam gathers them in.
const COPIES_OF_PARAMETERS: f64 = 6.0;

/// Logits at once, at most.
const LOGITS: f64 = (1 << 26) as f64;

/// What a number that products take rounded to 16 bits takes beside itself, in numbers.
const ROUNDED: f64 = 0.5;

/// The share of free memory that may be planned with: pools round up, and kernels take some.
const USABLE: f64 = 0.85;

/// What a step needs.
#[derive(Debug, Clone)]
pub struct Need {
    student: Config,
    /// What is trained, in numbers.
    parameters: usize,
    /// Whether their average is kept.
    averaged: bool,
    /// What products take rounded, in numbers for each that they take.
    rounded: f64,
    teacher: Option<Teaching>,
    /// The longest sentence on either side.
    longest: usize,
}

#[derive(Debug, Clone)]
struct Teaching {
    config: Config,
    parameters: usize,
    /// Whether its maps are wanted.
    maps: bool,
}

impl Need {
    /// Of a step of `run` over sentences up to `longest` and a joint vocabulary, with a teacher made by another run.
    ///
    /// # Errors
    ///
    /// Misuse: a configuration describes no model.
    pub fn new(
        run: &Run,
        teacher: Option<&Run>,
        vocabulary: usize,
        longest: usize,
    ) -> Result<Self> {
        let student = core_config(&run.model, vocabulary);
        let teaching = |teacher: &Run| -> Result<_> {
            let config = core_config(&teacher.model, vocabulary);
            let parameters = model_size(&plan(&config, None)?);
            Ok(Teaching { config, parameters, maps: run.distill.method.needs().maps })
        };
        let teacher = teacher.map(teaching).transpose()?;
        let plan = plan(&student, teacher.as_ref().filter(|t| t.maps).map(|t| &t.config))?;
        let parameters = plan.params().iter().map(|(_, spec)| spec.shape.len()).sum();
        let averaged = run.train.ema_decay > 0.0;
        let short = matches!(run.train.precision, Precision::Bf16 | Precision::F16);
        let rounded = if short { ROUNDED } else { 0.0 };
        Ok(Self { student, parameters, averaged, rounded, teacher, longest: longest.max(1) })
    }

    /// Bytes that a step on a batch of `max_tokens` takes at most.
    pub fn bytes(&self, max_tokens: usize) -> u64 {
        let tokens = max_tokens as f64;
        let numbers = self.standing() + self.logits(tokens) + tokens * self.of_a_token(max_tokens);
        (NUMBER * numbers) as u64
    }

    /// The most tokens, rows times the longest, that a step has room for in `free` bytes; none where a single pair of
    /// the longest has none.
    pub fn most_tokens(&self, free: u64) -> Option<usize> {
        let fits = |tokens: usize| self.bytes(tokens) as f64 <= USABLE * free as f64;
        if !fits(self.longest) {
            return None;
        }
        // The bound grows with the tokens.
        let (mut low, mut high) = (self.longest, 1 << 40);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        Some(low)
    }

    /// Numbers that are there whatever the batch.
    fn standing(&self) -> f64 {
        let teacher = self.teacher.as_ref().map_or(0, |t| t.parameters);
        let copies = COPIES_OF_PARAMETERS + if self.averaged { 1.0 } else { 0.0 };
        let rounded = self.rounded * (self.parameters + teacher) as f64;
        copies * self.parameters as f64 + teacher as f64 + rounded
    }

    /// The logits of a block: the student's, which are rounded too, and the teacher's.
    fn logits(&self, tokens: f64) -> f64 {
        let block = LOGITS.min(tokens * self.student.target_vocabulary as f64);
        let models = if self.teacher.is_some() { 2.0 } else { 1.0 };
        block * (models + self.rounded)
    }

    /// Numbers for each token of a batch.
    fn of_a_token(&self, max_tokens: usize) -> f64 {
        let keys = self.longest.min(max_tokens) as f64;
        let rows = kept(&self.student) + self.teacher.as_ref().map_or(0.0, passing);
        (1.0 + self.rounded) * rows + keys * self.maps()
    }

    /// Maps over a pair of tokens. Where they are learned from: those kept, with their gradients; the aligned ones with
    /// theirs, and the teacher's. Otherwise two of a layer on the way back, where they are computed anew.
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

/// All maps of a model.
fn maps(config: &Config) -> f64 {
    let of = |stack: &Stack, maps: usize| (maps * stack.layers * stack.attention_heads) as f64;
    of(&config.encoder, 1) + of(&config.decoder, 2)
}

/// The maps of one attention.
fn heads(config: &Config) -> f64 {
    config.encoder.attention_heads.max(config.decoder.attention_heads) as f64
}

/// Numbers of a source and a target token that are kept for the way back, and those of a layer's way back itself.
fn kept(config: &Config) -> f64 {
    let (encoder, decoder) = (&config.encoder, &config.decoder);
    // Queries, keys, values, context, sum and norm of each attention; sum and norm of the feed-forward block.
    let rows = 8 * encoder.layers * encoder.d_model + 14 * decoder.layers * decoder.d_model;
    let inner = match config.activation {
        Activation::Relu if config.activation_dropout == 0.0 => 1,
        _ => 2,
    };
    let inner = inner * (encoder.layers * encoder.ffn_dim + decoder.layers * decoder.ffn_dim);
    (rows + inner) as f64 + passing_through(config)
}

/// Numbers of a teacher's token, of which no layer but the last is kept.
fn passing(teaching: &Teaching) -> f64 {
    passing_through(&teaching.config)
}

/// What one layer holds while it is computed.
fn passing_through(config: &Config) -> f64 {
    let of = |stack: &Stack| 10 * stack.d_model + 3 * stack.ffn_dim;
    (of(&config.encoder) + of(&config.decoder)) as f64
}
