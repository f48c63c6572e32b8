//! `config.json`.

use crate::arch::activation;
use crate::json;
use crate::line::misuse;
use a2d_data::vocab::Labels;
use a2d_run::config::{Activation, ModelConfig, Positions};
use a2d_system::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The class in transformers that gives labels.
const CLASSIFIER: &str = "BertForSequenceClassification";

/// The other classes that can be imported, as encoders: the heads of pretraining are left out.
const ENCODERS: [&str; 4] =
    ["BertModel", "BertForMaskedLM", "BertForNextSentencePrediction", "BertForPreTraining"];

/// The keys of `config.json` that decide what the model computes.
#[derive(Debug, Deserialize)]
pub struct Keys {
    architectures: Option<Vec<String>>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    /// Rows of the table of positions.
    pub max_position_embeddings: usize,
    /// Rows of the table of token types.
    pub type_vocab_size: usize,
    /// Rows of the table of tokens.
    pub vocab_size: usize,
    layer_norm_eps: Option<f64>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    add_cross_attention: Option<bool>,
    id2label: Option<BTreeMap<String, String>>,
    problem_type: Option<String>,
}

/// A `config.json` that can be imported.
pub struct Config {
    path: PathBuf,
    /// What it says.
    pub keys: Keys,
    activation: Activation,
    /// Whether the model gives labels.
    pub is_classifier: bool,
}

impl Config {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read, is of another architecture, or asks for what this program does not compute.
    pub fn read(path: &Path) -> Result<Self> {
        let value: Value = json::read(path)?;
        let config = check_kind(&value).and_then(|()| {
            let keys: Keys =
                serde_json::from_value(value).map_err(|e| format!("is not usable: {e}"))?;
            keys.check()?;
            Ok(Self {
                path: path.to_owned(),
                activation: activation("hidden_act", &keys.hidden_act)?,
                is_classifier: keys.is_classifier()?,
                keys,
            })
        });
        config.map_err(|why| misuse(path, &why))
    }

    /// A misuse of this file: `text` follows its name.
    pub fn error(&self, text: &str) -> Error {
        misuse(&self.path, text)
    }

    /// The names of the labels, by their number in the file.
    ///
    /// # Errors
    ///
    /// Misuse: the model does not choose one of several labels, or their names cannot be used.
    pub fn labels(&self) -> Result<Vec<String>> {
        self.keys.labels().map_err(|why| self.error(&why))
    }

    /// The encoder's part of `[model]` of a run, without the number of positions.
    pub fn model(&self) -> ModelConfig {
        let keys = &self.keys;
        ModelConfig {
            d_model: keys.hidden_size,
            ffn_dim: keys.intermediate_size,
            encoder_layers: keys.num_hidden_layers,
            encoder_attention_heads: keys.num_attention_heads,
            dropout: keys.hidden_dropout_prob.unwrap_or(0.0),
            attention_dropout: keys.attention_probs_dropout_prob.unwrap_or(0.0),
            activation: self.activation,
            positions: Positions::Learned,
            // A single type is a part of the positions.
            token_types: if keys.type_vocab_size > 1 { keys.type_vocab_size } else { 0 },
            embedding_norm: true,
            norm_epsilon: keys.layer_norm_eps.unwrap_or(1e-12),
            ..ModelConfig::default()
        }
    }
}

impl Keys {
    fn check(&self) -> Result<(), String> {
        if self.is_decoder == Some(true) || self.add_cross_attention == Some(true) {
            return Err("is of a decoder: only encoders can be imported".to_owned());
        }
        only("position_embedding_type", self.position_embedding_type.as_deref(), "absolute")
    }

    fn is_classifier(&self) -> Result<bool, String> {
        match self.architectures.iter().flatten().next().map(String::as_str) {
            Some(CLASSIFIER) => Ok(true),
            Some(class) if !ENCODERS.contains(&class) => {
                let known = format!("only {CLASSIFIER}, {} can be imported", ENCODERS.join(", "));
                Err(format!("has `architectures` = [{class:?}]: {known}"))
            }
            _ => Ok(false),
        }
    }

    fn labels(&self) -> Result<Vec<String>, String> {
        only("problem_type", self.problem_type.as_deref(), "single_label_classification")?;
        // Where there are no names, transformers has two of these.
        let Some(names) = &self.id2label else {
            return Ok(["LABEL_0", "LABEL_1"].map(String::from).into());
        };
        if names.len() < 2 {
            return Err("has fewer than 2 labels in `id2label`".to_owned());
        }
        let label = |number: usize| {
            let missing = || format!("has no label {number} of {}", names.len());
            let name = names.get(&number.to_string()).ok_or_else(missing)?;
            Ok(Labels::FORM.apply(name, &mut String::new()).to_owned())
        };
        let labels = (0..names.len()).map(label).collect::<Result<Vec<_>, String>>()?;
        let checked = Labels::new(labels.clone());
        checked.map(|_| labels).map_err(|e| format!("has an odd `id2label`: {e}"))
    }
}

/// Refuses another value of a key than `expected`, which is also that of a missing key.
fn only(key: &str, found: Option<&str>, expected: &str) -> Result<(), String> {
    match found.filter(|found| *found != expected) {
        None => Ok(()),
        Some(other) => Err(format!("has `{key}` = {other:?}: only {expected:?} can be imported")),
    }
}

/// Checks that the model is a BERT, by its kind or its class.
fn check_kind(config: &Value) -> Result<(), String> {
    let kind = config["model_type"].as_str();
    let class = config["architectures"][0].as_str().unwrap_or_default();
    match kind {
        Some("bert") => Ok(()),
        None if class.starts_with("Bert") => Ok(()),
        kind => {
            let kind = kind.unwrap_or("none");
            Err(format!(
                "has `model_type` = {kind:?}: only \"bert\" and \"marian\" can be imported"
            ))
        }
    }
}
