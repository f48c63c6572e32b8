//! What is to be measured, and how often.

use a2d_run::config::Precision;
use clap::ValueEnum;
use std::path::PathBuf;

/// A measurement that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is measured.
    pub what: BenchWhat,
    /// A file of token batches; without it, a random batch.
    pub batches: Option<PathBuf>,
    /// A file of sentences to translate; without it, those of the batches.
    pub sources: Option<PathBuf>,
    /// The batches of the file that are taken, or the size of the random one: rows times the longest.
    pub max_tokens: usize,
    /// The sizes of the models.
    pub shape: BenchShape,
    /// The model that is trained alone.
    pub model: BenchModel,
    /// The losses of distillation.
    pub preset: BenchPreset,
    /// The beam of translation; without it, 1 and 5.
    pub beam: Option<usize>,
    /// Repetitions that are measured.
    pub repeats: usize,
    /// What products are computed with.
    pub precision: Precision,
    /// Whether each operation is timed.
    pub profile: bool,
    /// Where random weights and batches start.
    pub seed: u64,
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
