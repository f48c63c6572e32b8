//! `[train]` and `[teacher.train]`: optimiser, schedule, validation, stopping.

use super::BeamSearch;
use a2d_device::Precision;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The training of a model and its limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Maximum number of epochs; 0: no limit.
    pub max_epoch: usize,
    /// Maximum number of updates; 0: no limit.
    pub max_update: u64,
    /// Time limit in seconds, validations excluded; 0: no limit.
    pub time_limit_seconds: f64,
    /// The criterion for the best checkpoint: BLEU, chrF or loss on the validation set. Ties go to the lower loss. If
    /// BLEU is 0 or no reference has four words, chrF is used; if chrF is 0, the loss. With `task = "classify"`, accuracy
    /// stands for BLEU and chrF; with `"embed"`, the loss.
    pub select_by: SelectBy,
    /// Patience: validations without improvement, from the end of the warm-up on, before training ends; 0: no limit.
    pub patience: usize,
    /// Largest padded batch in tokens: sentences times the longer of source and target.
    pub max_tokens: usize,
    /// Gradient accumulation: batches per update.
    pub update_freq: usize,
    /// Peak learning rate, reached after `warmup_updates`.
    pub lr: f64,
    /// Updates of linear learning-rate warmup.
    pub warmup_updates: u64,
    /// Initial learning rate of the warmup; negative: 0.
    pub warmup_init_lr: f64,
    /// Adam's beta 1: decay of the first moment.
    pub adam_beta1: f64,
    /// Adam's beta 2: decay of the second moment.
    pub adam_beta2: f64,
    /// Adam's epsilon: avoids division by zero.
    pub adam_eps: f64,
    /// Decoupled weight decay, scaled by the learning rate, on every parameter.
    pub weight_decay: f64,
    /// Gradient clipping: maximum norm; 0: no clipping.
    pub clip_norm: f64,
    /// Decay of the exponential moving average (EMA) of the parameters, which is validated and kept; 0: no EMA.
    pub ema_decay: f64,
    /// On a NaN loss: `stop`, or `retry` from the last good checkpoint at half the learning rate.
    pub on_nan: OnNan,
    /// Label smoothing: probability mass spread over all other tokens.
    pub label_smoothing: f64,
    /// Seed of all random numbers: parameters, dropout, batch order.
    pub seed: u64,
    /// Updates between log lines.
    pub log_interval: u64,
    /// Updates between checkpoints, besides those of each epoch; 0: none.
    pub save_interval_updates: u64,
    /// Maximum minutes between checkpoints; 0: no limit.
    pub save_interval_minutes: f64,
    /// Epochs between validations.
    pub validate_interval: usize,
    /// Updates between validations, besides those after epochs; 0: none.
    pub validate_interval_updates: u64,
    /// Number of recent validated weights kept for `a2d average`.
    pub keep_last: usize,
    /// Write TensorBoard event files in addition to the log.
    pub tensorboard: bool,
    /// The precision of matrix products.
    pub precision: Precision,
    /// Beam size in validation.
    pub beam: usize,
    /// Length penalty: hypothesis scores are divided by length to this power.
    pub length_penalty: f64,
    /// Longest translation in tokens: `max_length_a` times the source's length plus `max_length_b`.
    pub max_length_a: f64,
    /// Longest translation in tokens: what is added to `max_length_a` times the source's length.
    pub max_length_b: f64,
    /// Validation sentences translated for BLEU, from the first; 0: all.
    pub valid_bleu_sentences: usize,
}

/// The criterion for the best checkpoint.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum SelectBy {
    /// BLEU on the validation set.
    #[default]
    Bleu,
    /// chrF on the validation set.
    Chrf,
    /// The loss on the validation set.
    Loss,
    /// The accuracy on the validation set, with `task = "classify"`.
    Accuracy,
}

impl fmt::Display for SelectBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
        })
    }
}

/// On a NaN loss: `stop`, or `retry` from the last good checkpoint at half the learning rate.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// Stop with the last good checkpoint.
    #[default]
    Stop,
    /// Continue from the last good checkpoint at half the learning rate.
    Retry,
}

impl fmt::Display for OnNan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Retry => "retry",
        })
    }
}

impl TrainConfig {
    /// The beam search of validation.
    pub fn search(&self) -> BeamSearch {
        let &Self { beam, length_penalty, max_length_a, max_length_b, .. } = self;
        BeamSearch { beam, length_penalty, max_length_a, max_length_b }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            max_epoch: 0,
            max_update: 0,
            time_limit_seconds: 0.0,
            select_by: SelectBy::Bleu,
            patience: 10,
            max_tokens: 4096,
            update_freq: 1,
            lr: 5e-4,
            warmup_updates: 4000,
            warmup_init_lr: -1.0,
            adam_beta1: 0.9,
            adam_beta2: 0.98,
            adam_eps: 1e-8,
            weight_decay: 1e-4,
            clip_norm: 0.0,
            ema_decay: 0.0,
            on_nan: OnNan::Stop,
            label_smoothing: 0.1,
            seed: 1,
            log_interval: 100,
            save_interval_updates: 0,
            save_interval_minutes: 10.0,
            validate_interval: 1,
            validate_interval_updates: 0,
            keep_last: 5,
            tensorboard: false,
            precision: Precision::F32,
            beam: BeamSearch::DEFAULT.beam,
            length_penalty: BeamSearch::DEFAULT.length_penalty,
            max_length_a: BeamSearch::DEFAULT.max_length_a,
            max_length_b: BeamSearch::DEFAULT.max_length_b,
            valid_bleu_sentences: 0,
        }
    }
}
