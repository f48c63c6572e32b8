//! The options that a model was trained with, `special:model.yml`.

use super::yaml::{self, Keys};
use a2d_run::config::{Activation, ModelConfig};

/// Options that decide what the model computes, with the values that are computed here. Where one is missing, the model is
/// older than it, and computes as by the first value.
const EXPECTED: [(&str, &[&str]); 20] = [
    ("type", &["transformer"]),
    ("tied-embeddings-all", &["true"]),
    ("transformer-decoder-autoreg", &["self-attention"]),
    ("transformer-preprocess", &[""]),
    ("transformer-postprocess", &["dan"]),
    ("transformer-postprocess-emb", &["d", ""]),
    ("transformer-postprocess-top", &[""]),
    ("transformer-ffn-activation", &["relu", "swish"]),
    ("transformer-ffn-depth", &["2"]),
    ("transformer-decoder-ffn-depth", &["2", "0"]),
    ("transformer-no-projection", &["false"]),
    ("transformer-no-bias", &["false"]),
    ("transformer-no-affine", &["false"]),
    ("transformer-train-position-embeddings", &["false"]),
    ("transformer-tied-layers", &[""]),
    ("right-left", &["false"]),
    ("ulr", &["false"]),
    ("lemma-dim-emb", &["0"]),
    ("output-omit-bias", &["false"]),
    ("input-types", &["", "sequence"]),
];

/// Options without which the architecture is not known.
const NEEDED: [&str; 4] =
    ["type", "tied-embeddings-all", "transformer-postprocess", "transformer-ffn-activation"];

/// The architecture of a model.
pub struct Options(Keys);

impl Options {
    /// Reads and checks the bytes of `special:model.yml`.
    ///
    /// # Errors
    ///
    /// They are not text, or an option has a value that is not computed here.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default());
        let options = Self(yaml::read(text.map_err(|_| "has options that are not UTF-8")?));
        for (name, values) in EXPECTED {
            options.check(name, values)?;
        }
        Ok(options)
    }

    fn check(&self, name: &str, values: &[&str]) -> Result<(), String> {
        let found = match self.0.get(name) {
            None if NEEDED.contains(&name) => return Err(format!("has no option `{name}`")),
            None => return Ok(()),
            Some(found) => found,
        };
        let found: Vec<&str> =
            if found.is_empty() { vec![""] } else { found.iter().map(String::as_str).collect() };
        match found.iter().find(|value| !values.contains(value)) {
            None => Ok(()),
            Some(value) => {
                let shown: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                Err(format!(
                    "was trained with `{name}` = {value:?}: only {} can be imported",
                    shown.join(" or ")
                ))
            }
        }
    }

    fn number(&self, name: &str) -> Result<usize, String> {
        let value = self.0.get(name).and_then(|values| values.first()?.parse().ok());
        value.ok_or_else(|| format!("has no number as option `{name}`"))
    }

    /// `[model]` of a run.
    ///
    /// # Errors
    ///
    /// A size is missing.
    pub fn model(&self) -> Result<ModelConfig, String> {
        let ffn_dim = self.number("transformer-dim-ffn")?;
        let decoder = self.number("transformer-decoder-dim-ffn").ok();
        let swish =
            self.0.get("transformer-ffn-activation").is_some_and(|values| values == &["swish"]);
        let heads = self.number("transformer-heads")?;
        Ok(ModelConfig {
            d_model: self.number("dim-emb")?,
            ffn_dim,
            decoder_ffn_dim: decoder.filter(|dim| ![0, ffn_dim].contains(dim)),
            encoder_layers: self.number("enc-depth")?,
            decoder_layers: self.number("dec-depth")?,
            encoder_attention_heads: heads,
            decoder_attention_heads: heads,
            activation: if swish { Activation::Silu } else { Activation::Relu },
            share_embeddings: true,
            ..crate::arch::marian()
        })
    }
}
