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
  a2d bench translate --beam 5 --shape paper
  a2d bench products --shape paper --precision f32,bf16")]
pub struct BenchArgs {
    /// What to measure; several, as of other options, with commas between them: all combinations, one after another
    #[arg(value_enum, required = true, value_delimiter = ',')]
    pub what: Vec<BenchWhat>,
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
    #[arg(long, value_enum, value_delimiter = ',', default_value = "base")]
    pub shape: Vec<BenchShape>,
    /// The model that train trains
    #[arg(long, value_enum, value_delimiter = ',', default_value = "student")]
    pub model: Vec<BenchModel>,
    /// The losses of distill
    #[arg(long, value_enum, value_delimiter = ',', default_value = "official")]
    pub preset: Vec<BenchPreset>,
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
    /// Number of timed repetitions, after one warm-up; the median is printed. On a GPU, a repetition of steps is 5 rounds
    /// that are waited for together, of products 20, and their mean counts
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub repeats: usize,
    /// Precision of matrix products: f32, tf32, bf16 or f16; on the CPU f32, or bf16 to study its rounding (slower)
    #[arg(
        long,
        value_name = "P",
        value_enum,
        value_delimiter = ',',
        default_value = "f32",
        hide_possible_values = true
    )]
    pub precision: Vec<Precision>,
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

impl BenchArgs {
    /// A request for each combination of what is listed: of models where one is trained alone, of presets where it is
    /// distilled.
    pub fn requests(&self) -> Vec<BenchRequest> {
        let mut requests = Vec::new();
        for &shape in &self.shape {
            for &precision in &self.precision {
                let of =
                    |(what, model, preset)| self.request(shape, precision, what, model, preset);
                requests.extend(self.tasks().map(of));
            }
        }
        requests
    }

    /// What is measured, with its model and preset. What has none takes the first.
    fn tasks(&self) -> impl Iterator<Item = (BenchWhat, BenchModel, BenchPreset)> {
        self.what.iter().flat_map(|&what| {
            let models = if what == BenchWhat::Train { &self.model[..] } else { &self.model[..1] };
            let distills = what == BenchWhat::Distill;
            let presets = if distills { &self.preset[..] } else { &self.preset[..1] };
            let of = move |&model| presets.iter().map(move |&preset| (what, model, preset));
            models.iter().flat_map(of)
        })
    }

    fn request(
        &self,
        shape: BenchShape,
        precision: Precision,
        what: BenchWhat,
        model: BenchModel,
        preset: BenchPreset,
    ) -> BenchRequest {
        BenchRequest {
            what,
            batches: self.batches.clone(),
            sources: self.sources.clone(),
            max_tokens: self.max_tokens,
            image: self.image.clone(),
            isa: self.isa.unwrap_or_else(Isa::best),
            shape,
            model,
            preset,
            cache: self.cache,
            beam: self.beam,
            repeats: self.repeats,
            precision,
            profile: self.profile,
            seed: self.seed,
        }
    }
}
