//! Names of tensors in a Hugging Face Marian model.

/// The bias of the logits, `[1, V]`.
pub const BIAS: &str = "final_logits_bias";
/// The table that source and target share.
pub const SHARED: &str = "model.shared.weight";
/// The source's table.
pub const SOURCE: &str = "model.encoder.embed_tokens.weight";
/// The target's table.
pub const TARGET: &str = "model.decoder.embed_tokens.weight";
/// The output projection.
pub const OUTPUT: &str = "lm_head.weight";
/// The position tables of both stacks.
pub const POSITIONS: [&str; 2] =
    ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"];

/// The name of this program's parameter `name` of a layer.
pub fn of(name: &str) -> String {
    format!("model.{name}")
}
