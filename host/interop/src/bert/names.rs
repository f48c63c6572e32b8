//! Names of tensors in a BERT model. All but that of the classifier may stand behind `bert.`.

/// The table of tokens.
pub const TOKENS: &str = "embeddings.word_embeddings.weight";
/// The table of positions.
pub const POSITIONS: &str = "embeddings.position_embeddings.weight";
/// The table of token types.
pub const TYPES: &str = "embeddings.token_type_embeddings.weight";
/// The numbers of the positions, which say nothing.
pub const NUMBERS: &str = "embeddings.position_ids";
/// The pooler.
pub const POOLER: [&str; 2] = ["pooler.dense.weight", "pooler.dense.bias"];
/// The map to the labels.
pub const CLASSIFIER: &str = "classifier.weight";
/// The bias of the labels.
pub const CLASSIFIER_BIAS: &str = "classifier.bias";
/// What the heads of pretraining begin with.
pub const PRETRAINING: &str = "cls.";

/// This program's names of the parameters that are not taken as they are.
pub mod own {
    /// The table of tokens.
    pub const TOKENS: &str = "encoder.embed_tokens.weight";
    /// The table of positions.
    pub const POSITIONS: &str = "encoder.embed_positions.weight";
    /// The table of token types.
    pub const TYPES: &str = "encoder.embed_types.weight";
    /// The map to the labels.
    pub const OUTPUT: &str = "head.output.weight";
    /// The bias of the labels.
    pub const OUTPUT_BIAS: &str = "head.output.bias";
}

/// Parts of names: ours and BERT's.
const PARTS: [(&str, &str); 10] = [
    ("self_attn.q_proj", "attention.self.query"),
    ("self_attn.k_proj", "attention.self.key"),
    ("self_attn.v_proj", "attention.self.value"),
    ("self_attn.out_proj", "attention.output.dense"),
    ("self_attn_layer_norm", "attention.output.LayerNorm"),
    ("fc1", "intermediate.dense"),
    ("fc2", "output.dense"),
    ("final_layer_norm", "output.LayerNorm"),
    ("encoder.layernorm_embedding", "embeddings.LayerNorm"),
    ("head.dense", "pooler.dense"),
];

/// `encoder.layer.0.attention.self.query.weight` of `encoder.layers.0.self_attn.q_proj.weight`.
pub fn of(name: &str) -> Option<String> {
    let (path, end) = name.rsplit_once('.')?;
    let layer = path.strip_prefix("encoder.layers.").and_then(|rest| rest.split_once('.'));
    let (before, part) = match layer {
        Some((layer, part)) => (format!("encoder.layer.{layer}."), part),
        None => (String::new(), path),
    };
    let (_, theirs) = PARTS.iter().find(|(ours, _)| *ours == part)?;
    Some(format!("{before}{theirs}.{end}"))
}

/// The name that converted TensorFlow files have for a part of a layer norm.
pub fn of_tensorflow(name: &str) -> String {
    let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
    name.replace("LayerNorm.bias", "LayerNorm.beta")
}
