//! `bench`.

use super::DeviceArgs;
use super::values::{beam, positive};
use crate::bench::{BenchImage, BenchModel, BenchPreset, BenchRequest, BenchShape, BenchWhat};
use crate::config::Precision;
use a2d_packed::Isa;
use clap::Args;
use std::path::PathBuf;

/// `a2d bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d bench distill --batches batches.safetensors --max-tokens 4096 --threads 2 --json
  a2d bench train --model teacher --profile
  a2d bench translate --beam 5 --shape paper")]
pub struct BenchArgs {
    /// What to measure
    #[arg(value_enum)]
    pub what: BenchWhat,
    /// Token batches to measure on, as MAX_TOKENS.NUMBER.src, .prev and .tgt [default: a random one]
    #[arg(long, value_name = "FILE.safetensors")]
    pub batches: Option<PathBuf>,
    /// Sentences for translate: one a line, as token ids that end with 2 [default: the sources of --batches]
    #[arg(long, value_name = "FILE")]
    pub sources: Option<PathBuf>,
    /// Size of the batches of --batches to use, or of the random batch: sentences times the longest of them
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
    /// Keep the teacher's results of distill in memory, as `distill.cache = "memory"` does: the warm-up fills the cache
    #[arg(long)]
    pub cache: bool,
    /// Translate with an image, on the CPU: one of f32, int8 or int4 with random weights, or a file
    #[arg(long, value_name = "f32|int8|int4|FILE")]
    pub image: Option<BenchImage>,
    /// Vector instructions for --image [default: the fastest of this processor]
    #[arg(long, value_name = "NAME", requires = "image")]
    pub isa: Option<Isa>,
    /// The beam of translate [default: 1, then 5]
    #[arg(long, value_name = "N", value_parser = beam)]
    pub beam: Option<usize>,
    /// Number of timed repetitions, after one warm-up; the median is printed
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub repeats: usize,
    /// Precision of matrix products: f32, tf32, bf16 or f16; on the CPU f32, or bf16 to study its rounding (slower)
    #[arg(long, value_name = "P", value_enum, default_value_t, hide_possible_values = true)]
    pub precision: Precision,
    /// Also print the time of each operation
    #[arg(long)]
    pub profile: bool,
    /// Seed of random weights and batches
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl From<&BenchArgs> for BenchRequest {
    fn from(args: &BenchArgs) -> Self {
        Self {
            what: args.what,
            batches: args.batches.clone(),
            sources: args.sources.clone(),
            max_tokens: args.max_tokens,
            image: args.image.clone(),
            isa: args.isa.unwrap_or_else(Isa::best),
            shape: args.shape,
            model: args.model,
            preset: args.preset,
            cache: args.cache,
            beam: args.beam,
            repeats: args.repeats,
            precision: args.precision,
            profile: args.profile,
            seed: args.seed,
        }
    }
}
