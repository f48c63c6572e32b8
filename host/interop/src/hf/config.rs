//! `config.json` and `generation_config.json`.

use crate::arch::{activation, marian};
use crate::json;
use crate::line::misuse;
use crate::model::Generation;
use a2d_run::config::{Activation, ModelConfig};
use a2d_system::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The keys of `config.json` that decide what the model computes.
#[derive(Debug, Deserialize)]
pub struct Config {
    #[serde(skip)]
    path: PathBuf,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    activation_function: String,
    dropout: Option<f64>,
    attention_dropout: Option<f64>,
    activation_dropout: Option<f64>,
    /// Tokens of the source.
    pub vocab_size: usize,
    decoder_vocab_size: Option<usize>,
    share_encoder_decoder_embeddings: Option<bool>,
    scale_embedding: Option<bool>,
    normalize_before: Option<bool>,
    normalize_embedding: Option<bool>,
    add_final_layer_norm: Option<bool>,
    static_position_embeddings: Option<bool>,
    /// The end of a sentence.
    pub eos_token_id: usize,
    /// Padding: of one side where each has a vocabulary.
    pub pad_token_id: usize,
    /// The start of the decoder.
    pub decoder_start_token_id: usize,
    forced_eos_token_id: Option<usize>,
    num_beams: Option<usize>,
    max_length: Option<usize>,
    length_penalty: Option<f64>,
}

/// The keys of `generation_config.json` that are used.
#[derive(Debug, Deserialize)]
struct GenerationKeys {
    num_beams: Option<usize>,
    max_length: Option<usize>,
    length_penalty: Option<f64>,
}

/// Whether the `config.json` of a folder is of a Marian model.
///
/// # Errors
///
/// Misuse: the file is there and cannot be read.
pub fn is_marian(folder: &Path) -> Result<bool> {
    let path = folder.join("config.json");
    let config: Value = if path.is_file() { json::read(&path)? } else { Value::Null };
    Ok(config["model_type"] == MARIAN)
}

/// `model_type` of a Marian model.
const MARIAN: &str = "marian";

impl Config {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read, is of another architecture, or asks for what this program does not compute.
    pub fn read(path: &Path) -> Result<Self> {
        let value: Value = json::read(path)?;
        let error = |text: String| misuse(path, &text);
        let kind = value.get("model_type").and_then(Value::as_str).unwrap_or("none");
        if kind != MARIAN {
            return Err(error(format!(
                "has `model_type` = {kind:?}: only \"marian\" can be imported"
            )));
        }
        let mut config: Self =
            serde_json::from_value(value).map_err(|e| error(format!("is not usable: {e}")))?;
        config.path = path.to_owned();
        config.check().map_err(error)?;
        Ok(config)
    }

    /// A misuse of this file: `text` follows its name.
    pub fn error(&self, text: &str) -> Error {
        Error::misuse(format!("{} {text}", self.path.display()))
    }

    fn check(&self) -> Result<(), String> {
        let flags = [
            ("scale_embedding", self.scale_embedding.unwrap_or(false), true),
            ("normalize_before", self.normalize_before.unwrap_or(false), false),
            ("normalize_embedding", self.normalize_embedding.unwrap_or(false), false),
            ("add_final_layer_norm", self.add_final_layer_norm.unwrap_or(false), false),
            ("static_position_embeddings", self.static_position_embeddings.unwrap_or(true), true),
        ];
        if let Some((key, found, expected)) =
            flags.into_iter().find(|(_, found, expected)| found != expected)
        {
            return Err(format!("has `{key}` = {found}: only {expected} can be imported"));
        }
        if self.forced_eos_token_id.is_some_and(|id| id != self.eos_token_id) {
            return Err("has a `forced_eos_token_id` that is not its `eos_token_id`".to_owned());
        }
        if self.share() && self.target_size() != self.vocab_size {
            let sizes = [self.vocab_size, self.target_size()];
            return Err(format!("shares embeddings between vocabularies of {sizes:?} tokens"));
        }
        self.activation().map(|_| ())
    }

    /// Whether source and target have one table.
    pub fn share(&self) -> bool {
        self.share_encoder_decoder_embeddings.unwrap_or(true)
    }

    /// Tokens of the target.
    pub fn target_size(&self) -> usize {
        self.decoder_vocab_size.unwrap_or(self.vocab_size)
    }

    fn activation(&self) -> Result<Activation, String> {
        activation("activation_function", &self.activation_function)
    }

    /// `[model]` of a run.
    ///
    /// # Errors
    ///
    /// Misuse: the activation is not known.
    pub fn model(&self) -> Result<ModelConfig> {
        let unless = |size: usize, default: usize| (size != default).then_some(size);
        Ok(ModelConfig {
            d_model: self.d_model,
            ffn_dim: self.encoder_ffn_dim,
            decoder_ffn_dim: unless(self.decoder_ffn_dim, self.encoder_ffn_dim),
            encoder_layers: self.encoder_layers,
            decoder_layers: self.decoder_layers,
            encoder_attention_heads: self.encoder_attention_heads,
            decoder_attention_heads: self.decoder_attention_heads,
            dropout: self.dropout.unwrap_or(0.0),
            attention_dropout: self.attention_dropout.unwrap_or(0.0),
            activation_dropout: self.activation_dropout.unwrap_or(0.0),
            activation: self.activation().map_err(|why| self.error(&why))?,
            share_embeddings: self.share(),
            ..marian()
        })
    }

    /// The settings of translation: those of `generation_config.json` if it is there.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read.
    pub fn generation(&self, path: &Path) -> Result<Generation> {
        let Self { num_beams, max_length, length_penalty, .. } = *self;
        let own = GenerationKeys { num_beams, max_length, length_penalty };
        let keys = if path.exists() { json::read(path)? } else { own };
        let GenerationKeys { num_beams: beam, max_length, length_penalty } = keys;
        Ok(Generation { beam, max_length, length_penalty })
    }
}
