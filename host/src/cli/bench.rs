//! `bench`.

use super::DeviceArgs;
use super::values::{beam, positive};
use crate::config::Precision;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `host bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host bench distill --batches batches.safetensors --max-tokens 4096 --threads 2 --json
  host bench train --model teacher --profile
  host bench translate --beam 5 --shape paper")]
pub struct BenchArgs {
    /// What is measured
    #[arg(value_enum)]
    pub what: BenchWhat,
    /// Token batches to measure on, as MAX_TOKENS.NUMBER.src, .prev and .tgt [default: a random one]
    #[arg(long, value_name = "FILE.safetensors")]
    pub batches: Option<PathBuf>,
    /// Sentences for translate: one a line, as token ids that end with 2 [default: those of --batches]
    #[arg(long, value_name = "FILE")]
    pub sources: Option<PathBuf>,
    /// Which of the batches, or the size of the random one: rows times the longest
    #[arg(long, value_name = "N", default_value = "4096", value_parser = positive)]
    pub max_tokens: usize,
    /// The sizes of the models
    #[arg(long, value_enum, default_value_t)]
    pub shape: BenchShape,
    /// The model that train trains
    #[arg(long, value_enum, default_value_t)]
    pub model: BenchModel,
    /// The losses of distill
    #[arg(long, value_enum, default_value_t)]
    pub preset: BenchPreset,
    /// The beam of translate [default: 1, then 5]
    #[arg(long, value_name = "N", value_parser = beam)]
    pub beam: Option<usize>,
    /// Repetitions whose median is told; one more goes before them
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub repeats: usize,
    /// What products are computed with: f32, tf32, bf16 or f16; on the CPU f32, and for study, slower, bf16
    #[arg(long, value_name = "P", value_enum, default_value_t, hide_possible_values = true)]
    pub precision: Precision,
    /// Tell the time of each operation too
    #[arg(long)]
    pub profile: bool,
    /// Where random weights and batches start
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Steps of a model trained alone.
    Train,
    /// Steps of a student with its teacher.
    Distill,
    /// Translation.
    Translate,
}

/// The sizes that `bench` measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchShape {
    /// V 8000, width 256, 4 heads, teacher of 6 + 6 layers, student of 3 + 3.
    #[default]
    Base,
    /// V 10000, width 512, 4 heads, teacher of 6 + 6 layers, student of 3 + 3.
    Paper,
    /// V 32000, width 1024, 16 heads, teacher of 12 + 12 layers, student of 4 + 4.
    Large,
    /// As small as can be: to see that it runs.
    #[value(hide = true)]
    Tiny,
}

/// The model that `bench train` trains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchModel {
    /// The large one.
    Teacher,
    /// The small one.
    #[default]
    Student,
}

/// The losses of `bench distill`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchPreset {
    /// As the authors' code.
    #[default]
    Official,
    /// Attention maps without padding and future.
    Masked,
    /// Attention maps row by row.
    Rows,
    /// The teacher's words alone.
    WordKd,
}
