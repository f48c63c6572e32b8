//! `export`.

use super::translation::SearchArgs;
use super::values::{not_negative, positive};
use a2d_core::image::Format;
use a2d_interop::ct2::Quantization;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What reads the exported model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// A device, or this program: an image.
    #[default]
    A2d,
    /// CTranslate2: a folder.
    Ctranslate2,
    /// Hugging Face's transformers: a folder with a Marian model.
    Huggingface,
    /// Argos Translate and LibreTranslate: a package.
    Argos,
}

/// The number format of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quantise {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Two bytes per number, one scale per matrix.
    Int16,
    /// One byte per number, one scale per row.
    Int8,
    /// Half a byte per number, one scale per 32 numbers.
    Int4,
}

impl Quantise {
    /// The format of an image, if images have it.
    pub fn of_image(self) -> Option<Format> {
        match self {
            Self::F32 => Some(Format::F32),
            Self::Int8 => Some(Format::Int8),
            Self::Int4 => Some(Format::Int4),
            Self::F16 | Self::Int16 => None,
        }
    }

    /// The format of CTranslate2, if it has it.
    pub fn of_ctranslate2(self) -> Option<Quantization> {
        match self {
            Self::F32 => Some(Quantization::F32),
            Self::F16 => Some(Quantization::F16),
            Self::Int16 => Some(Quantization::Int16),
            Self::Int8 => Some(Quantization::Int8),
            Self::Int4 => None,
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
  a2d export runs/quickstart --format ctranslate2 --quantize int8 --out student-ct2
  a2d export runs/opus-mt --format huggingface --out student-hf
  a2d export runs/intents --max-drop 1 --out intents.a2d
  a2d export intents.a2d --max-source 32 --int8-cache --emit-rust intents.rs
  a2d export runs/opus-mt --format argos --quantize int8 --out de_en.argosmodel
The run's validation text is translated by the run and by the image, in the device's own arithmetic;
where it is no longer there, --source and --reference name another.")]
pub struct ExportArgs {
    /// The run; with --emit-rust, also an image that `a2d export` wrote
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// What reads it: a2d, ctranslate2, huggingface or argos
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, hide_possible_values = true)]
    pub format: Target,
    /// Numbers of the matrices: f32, int8 or int4; for ctranslate2 and argos f32, f16, int16 or int8 [default: int8,
    /// for huggingface f32]
    #[arg(
        long,
        value_enum,
        value_name = "NUMBERS",
        hide_possible_values = true,
        visible_alias = "quantise"
    )]
    pub quantize: Option<Quantise>,
    /// The image; for ctranslate2 and huggingface a new folder, for argos a file
    #[arg(long, value_name = "FILE", required_unless_present = "emit_rust")]
    pub out: Option<PathBuf>,
    /// Also write a Rust source file with the image, its limits and the size of its arena as constants
    #[arg(long, value_name = "FILE")]
    pub emit_rust: Option<PathBuf>,
    /// Fail and write nothing if BLEU falls by more than this; if BLEU is 0, chrF is compared. Of a classifier the
    /// accuracy, of an embedder the cosine with the run
    #[arg(long, value_name = "X", value_parser = not_negative, visible_alias = "max-drop")]
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
    /// Longest source, in tokens, for the arena size [default: 64]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_source: Option<usize>,
    /// Longest translation, in tokens, for the arena size [default: 64]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_target: Option<usize>,
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
