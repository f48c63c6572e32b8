//! `[train]` and `[teacher.train]`: optimiser, schedule, validation, stopping.

use a2d_device::Precision;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a model is trained and when that ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Epochs after which training ends; 0: no limit.
    pub max_epoch: usize,
    /// Updates after which training ends; 0: no limit.
    pub max_update: u64,
    /// Seconds of updates (validations do not count) after which training ends; 0: no limit.
    pub time_limit_seconds: f64,
    /// What makes a validation the best: its BLEU or chrF, or the loss. Of equal ones, the lower loss. Where BLEU says
    /// nothing (it is 0, or no reference has four words), chrF decides, and where that is 0 the loss.
    pub select_by: SelectBy,
    /// Validations without a better one after which training ends; 0: no limit.
    pub patience: usize,
    /// Largest padded batch: sentences times the longer of source and target.
    pub max_tokens: usize,
    /// Batches whose gradients are summed for one update.
    pub update_freq: usize,
    /// The highest learning rate, reached after `warmup_updates`.
    pub lr: f64,
    /// Updates over which the learning rate rises.
    pub warmup_updates: u64,
    /// The learning rate at the first update; negative: 0.
    pub warmup_init_lr: f64,
    /// Decay of Adam's mean of gradients.
    pub adam_beta1: f64,
    /// Decay of Adam's mean of squared gradients.
    pub adam_beta2: f64,
    /// What keeps Adam from dividing by zero.
    pub adam_eps: f64,
    /// Decoupled weight decay, scaled by the learning rate, on every parameter.
    pub weight_decay: f64,
    /// Largest norm of the gradient; 0: no clipping.
    pub clip_norm: f64,
    /// Decay of the exponential moving average of parameters, which is validated and kept; 0: no average.
    pub ema_decay: f64,
    /// What a loss that is no number leads to.
    pub on_nan: OnNan,
    /// Probability mass that the target gives to all other tokens.
    pub label_smoothing: f64,
    /// Where every random number starts: parameters, dropout, the order of batches.
    pub seed: u64,
    /// Updates between two lines of the log.
    pub log_interval: u64,
    /// Updates between two checkpoints beside those of each epoch; 0: none.
    pub save_interval_updates: u64,
    /// Minutes after which a checkpoint is written in any case; 0: never.
    pub save_interval_minutes: f64,
    /// Epochs between two validations.
    pub validate_interval: usize,
    /// Updates between two validations beside those after epochs; 0: none.
    pub validate_interval_updates: u64,
    /// Weights of the last validations that are kept for `host average`.
    pub keep_last: usize,
    /// Write TensorBoard's event files beside the log.
    pub tensorboard: bool,
    /// The numbers that are computed with.
    pub precision: Precision,
    /// Hypotheses kept by the beam search of validation.
    pub beam: usize,
    /// Exponent of the length that a hypothesis' score is divided by.
    pub length_penalty: f64,
    /// Longest translation: `max_length_a` times the source's length plus `max_length_b`.
    pub max_length_a: f64,
    /// See `max_length_a`.
    pub max_length_b: f64,
    /// Sentences translated for the BLEU of a validation, from the first; 0: all.
    pub valid_bleu_sentences: usize,
}

/// What the best of a run's models is chosen by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SelectBy {
    /// BLEU on the validation set.
    #[default]
    Bleu,
    /// chrF on the validation set.
    Chrf,
    /// The loss on the validation set.
    Loss,
}

impl fmt::Display for SelectBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
            Self::Loss => "loss",
        })
    }
}

/// What a loss that is no number leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// The end, with the last good checkpoint.
    #[default]
    Stop,
    /// Going on from the last good checkpoint with half the learning rate.
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

impl Default for Train {
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
            beam: 5,
            length_penalty: 1.0,
            max_length_a: 1.2,
            max_length_b: 10.0,
            valid_bleu_sentences: 0,
        }
    }
}
