//! `[model]` of a run, where several importers agree.

use a2d_run::config::{Activation, DecoderStart, ModelConfig, Positions};

/// Marian's positions, start and bias of the logits; the sizes are still defaults.
pub fn marian() -> ModelConfig {
    ModelConfig {
        positions: Positions::Marian,
        logits_bias: true,
        decoder_start: DecoderStart::Bos,
        ..ModelConfig::default()
    }
}

/// The activation that transformers names `name` in the key `key`.
///
/// # Errors
///
/// It is another one than the core computes.
pub fn activation(key: &str, name: &str) -> Result<Activation, String> {
    Ok(match name {
        "relu" => Activation::Relu,
        "gelu" => Activation::Gelu,
        "swish" | "silu" => Activation::Silu,
        other => {
            let known = "only relu, gelu, swish and silu can be imported";
            return Err(format!("has `{key}` = {other:?}: {known}"));
        }
    })
}
