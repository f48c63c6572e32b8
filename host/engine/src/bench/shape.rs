//! Model sizes of the benchmarks.

use super::BenchShape;
use a2d_core::config::Config;
use a2d_data::vocab::Sizes;
use a2d_run::config::{ModelConfig, Task};
use a2d_run::model::core_config;

/// A teacher and its student.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Models {
    /// The larger model.
    pub teacher: Config,
    /// The smaller model.
    pub student: Config,
}

impl BenchShape {
    /// The models of this shape: one shared embedding, equal numbers of encoder and decoder layers, dropout 0.1.
    pub fn models(self) -> Models {
        let (vocabulary, d_model, ffn_dim, heads, [teacher, student]) = match self {
            Self::Base => (8_000, 256, 1024, 4, [6, 3]),
            Self::Paper => (10_000, 512, 1024, 4, [6, 3]),
            Self::Large => (32_000, 1024, 4096, 16, [12, 4]),
            Self::Tiny => (8_000, 16, 32, 2, [2, 1]),
        };
        let model = |layers| ModelConfig {
            d_model,
            ffn_dim,
            encoder_layers: layers,
            decoder_layers: layers,
            encoder_attention_heads: heads,
            decoder_attention_heads: heads,
            ..ModelConfig::default()
        };
        let config =
            |layers| core_config(&model(layers), Task::Translate, Sizes::joint(vocabulary));
        Models { teacher: config(teacher), student: config(student) }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Paper => "paper",
            Self::Large => "large",
            Self::Tiny => "tiny",
        }
    }
}
