//! The options of a benchmark.

use a2d_core::image::Format;
use a2d_packed::Isa;
use a2d_run::config::Precision;
use clap::ValueEnum;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// A benchmark request.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRequest {
    /// The kind of work measured.
    pub what: BenchWhat,
    /// File of token batches; `None`: a random batch.
    pub batches: Option<PathBuf>,
    /// File of sentences to translate; `None`: the source sentences of the batches.
    pub sources: Option<PathBuf>,
    /// Batch size in padded tokens (rows times the longest sentence): selects batches of the file, or sets the size of
    /// the random batch.
    pub max_tokens: usize,
    /// The image that translates; `None`: a model on a device.
    pub image: Option<BenchImage>,
    /// The vector instructions for an image.
    pub isa: Isa,
    /// Model sizes.
    pub shape: BenchShape,
    /// The model of a `train` benchmark.
    pub model: BenchModel,
    /// The losses of a `distill` benchmark.
    pub preset: BenchPreset,
    /// Whether the teacher's results of a `distill` benchmark are kept in memory.
    pub cache: bool,
    /// Beam size of translation; `None`: 1 and 5.
    pub beam: Option<usize>,
    /// Number of measured repetitions.
    pub repeats: usize,
    /// Precision of matrix products.
    pub precision: Precision,
    /// Whether each operation is timed.
    pub profile: bool,
    /// Seed of random weights and batches.
    pub seed: u64,
}

impl BenchRequest {
    /// The beams of translation.
    pub(super) fn beams(&self) -> Vec<usize> {
        self.beam.map_or(vec![1, 5], |beam| vec![beam])
    }
}

/// The image of a `translate` benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BenchImage {
    /// Random weights in this format.
    Random(Format),
    /// A file.
    File(PathBuf),
}

impl FromStr for BenchImage {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "f32" => Self::Random(Format::F32),
            "int8" => Self::Random(Format::Int8),
            "int4" => Self::Random(Format::Int4),
            path => Self::File(path.into()),
        })
    }
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
    /// Single matrix products of a step, with as many rows as a batch has tokens.
    Products,
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
    /// The smallest possible sizes, for a quick test.
    #[value(hide = true)]
    Tiny,
}

/// The model that `bench train` trains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchModel {
    /// The larger model.
    Teacher,
    /// The smaller model.
    #[default]
    Student,
}

/// The losses of `bench distill`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchPreset {
    /// The losses of the paper's reference code.
    #[default]
    Official,
    /// Map losses without padding and masked positions.
    Masked,
    /// Map losses per query row.
    Rows,
    /// Word-level distillation only.
    WordKd,
}
