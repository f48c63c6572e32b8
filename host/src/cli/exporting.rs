//! `export`.

use super::translation::SearchArgs;
use super::values::{not_negative, positive};
use a2d_core::image::Format;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The number format of the matrices of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quantise {
    /// 32-bit floats.
    F32,
    /// One byte per number, one scale per row.
    Int8,
    /// Half a byte per number, one scale per 32 numbers.
    Int4,
}

impl From<Quantise> for Format {
    fn from(of: Quantise) -> Self {
        match of {
            Quantise::F32 => Self::F32,
            Quantise::Int8 => Self::Int8,
            Quantise::Int4 => Self::Int4,
        }
    }
}

/// `a2d export`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d export runs/quickstart --quantize int8 --out student.a2d
  a2d export runs/quickstart --quantize int4 --max-bleu-drop 1 --out student.a2d
  echo 'Ein Hund läuft.' | a2d translate student.a2d
  a2d export runs/quickstart --beam 1 --max-source 32 --max-target 32 --out student.a2d --emit-rust student.rs
  a2d export student.a2d --beam 1 --max-source 16 --max-target 16 --emit-rust student.rs
The run's validation text is translated by the run and by the image, in the device's own arithmetic;
where it is no longer there, --source and --reference name another.")]
pub struct ExportArgs {
    /// The run; with --emit-rust, also an image that `a2d export` wrote
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Format of the matrices: f32, int8 or int4 [default: int8]
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true,
        visible_alias = "quantise"
    )]
    pub quantize: Option<Quantise>,
    /// The image
    #[arg(long, value_name = "FILE", required_unless_present = "emit_rust")]
    pub out: Option<PathBuf>,
    /// Also write a Rust source file with the image, its limits and the size of its arena as constants
    #[arg(long, value_name = "FILE")]
    pub emit_rust: Option<PathBuf>,
    /// Fail and write nothing if BLEU falls by more than this; if BLEU is 0, chrF is compared
    #[arg(long, value_name = "X", value_parser = not_negative)]
    pub max_bleu_drop: Option<f64>,
    /// Text to compare on, instead of the run's validation text
    #[arg(long, value_name = "FILE", requires = "reference")]
    pub source: Option<PathBuf>,
    /// Its reference translation
    #[arg(long, value_name = "FILE", requires = "source")]
    pub reference: Option<PathBuf>,
    /// Compare on the first N lines [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub sentences: Option<usize>,
    /// Longest source, in tokens, for the arena size
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    pub max_source: usize,
    /// Longest translation, in tokens, for the arena size
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    pub max_target: usize,
    /// Use an int8 key-value cache, in the comparison and for the arena size: less memory
    #[arg(long)]
    pub int8_cache: bool,
    /// Choose from the N most frequent tokens, and the N that each source token most often became in the training
    /// data, rather than from all: fewer products a step
    #[arg(long, value_name = "N", value_parser = positive)]
    pub shortlist: Option<usize>,
    /// The search.
    #[command(flatten)]
    pub search: SearchArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
