//! `[model]` of a run for Marian's architecture.

use a2d_run::config::{DecoderStart, ModelConfig, Positions};

/// Marian's positions, start and bias of the logits; the sizes are still defaults.
pub fn marian() -> ModelConfig {
    ModelConfig {
        positions: Positions::Marian,
        logits_bias: true,
        decoder_start: DecoderStart::Bos,
        ..ModelConfig::default()
    }
}
