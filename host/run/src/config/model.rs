//! `[model]` and `[teacher.model]`: the sizes of a Transformer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The sizes of an encoder-decoder Transformer, and its dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A finished run with whose weights the training begins, such as an imported model. The keys of `[model]` and the
    /// vocabulary are that run's; `dropout`, `pooling` and their like may be set. The head is new where the run has none, or
    /// one for other labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Width of the encoder and the decoder.
    pub d_model: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_dim: usize,
    /// Width of the encoder; default `d_model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_d_model: Option<usize>,
    /// Width of the decoder; default `d_model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_d_model: Option<usize>,
    /// Inner width in the encoder; default `ffn_dim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_ffn_dim: Option<usize>,
    /// Inner width in the decoder; default `ffn_dim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_ffn_dim: Option<usize>,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Heads of the encoder's self-attention.
    pub encoder_attention_heads: usize,
    /// Heads of the decoder's self- and cross-attention.
    pub decoder_attention_heads: usize,
    /// Dropout of embeddings and of every sublayer's output.
    pub dropout: f64,
    /// Dropout of attention probabilities.
    pub attention_dropout: f64,
    /// Dropout after the activation of the feed-forward layers.
    pub activation_dropout: f64,
    /// The activation of the feed-forward layers.
    pub activation: Activation,
    /// Layer norm before each sublayer (pre-norm) instead of after it.
    pub normalize_before: bool,
    /// One embedding table for source, target and output. Otherwise one table for the source and one for target and
    /// output.
    pub share_embeddings: bool,
    /// The position embedding. A student with Marian's, and with `decoder_start = "bos"`, can be exported to Hugging
    /// Face's format.
    pub positions: Positions,
    /// The first input of the decoder.
    pub decoder_start: DecoderStart,
    /// A bias of each token, added to the logits.
    pub logits_bias: bool,
    /// How the tokens of a text become one vector. Only with `task = "classify"` or `"embed"`.
    pub pooling: Pooling,
    /// A layer with a hyperbolic tangent after the pooling, as BERT's pooler. Only with `task = "classify"` or `"embed"`.
    pub pooler: bool,
    /// The width of vectors with `task = "embed"`. 0: the teacher's; of a teacher, its own width.
    pub vector_width: usize,
    /// A layer norm after the embeddings, as in BERT. Only with `task = "classify"` or `"embed"`.
    pub embedding_norm: bool,
    /// Rows of the table of learned positions, the most tokens of a text; only with `positions = "learned"`.
    pub max_positions: usize,
    /// Token types, as in BERT; 0: none. Only with `task = "classify"` or `"embed"`.
    pub token_types: usize,
    /// Added to the variance of a row in layer norms. BERT has 1e-12.
    pub norm_epsilon: f64,
}

/// How the tokens of a text become one vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over all tokens.
    #[default]
    Mean,
    /// The first token, which begins every text.
    First,
}

/// The position embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// fairseq's sinusoids, from 2.
    #[default]
    Fairseq,
    /// Marian's sinusoids, from 0.
    Marian,
    /// A table of `max_positions` rows, as in BERT. Only with `task = "classify"` or `"embed"`.
    Learned,
}

/// The first input of the decoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecoderStart {
    /// The end of sentence, as in fairseq.
    #[default]
    Eos,
    /// The begin of sentence, whose embedding stays 0, as in Marian.
    Bos,
}

/// The activation of a feed-forward layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x * Phi(x)`, the exact form.
    Gelu,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            init: None,
            d_model: 256,
            ffn_dim: 1024,
            encoder_d_model: None,
            decoder_d_model: None,
            encoder_ffn_dim: None,
            decoder_ffn_dim: None,
            encoder_layers: 3,
            decoder_layers: 3,
            encoder_attention_heads: 4,
            decoder_attention_heads: 4,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            activation: Activation::Relu,
            normalize_before: false,
            share_embeddings: true,
            positions: Positions::Fairseq,
            decoder_start: DecoderStart::Eos,
            logits_bias: false,
            pooling: Pooling::Mean,
            pooler: false,
            vector_width: 0,
            embedding_norm: false,
            max_positions: 0,
            token_types: 0,
            norm_epsilon: 1e-5,
        }
    }
}

impl ModelConfig {
    /// Width of the encoder.
    pub fn encoder_width(&self) -> usize {
        self.encoder_d_model.unwrap_or(self.d_model)
    }

    /// Width of the decoder.
    pub fn decoder_width(&self) -> usize {
        self.decoder_d_model.unwrap_or(self.d_model)
    }

    /// Width of the vectors of a text model.
    pub fn vectors(&self) -> usize {
        if self.vector_width == 0 { self.encoder_width() } else { self.vector_width }
    }

    /// Inner width of the encoder's feed-forward layers.
    pub fn encoder_inner(&self) -> usize {
        self.encoder_ffn_dim.unwrap_or(self.ffn_dim)
    }

    /// Inner width of the decoder's feed-forward layers.
    pub fn decoder_inner(&self) -> usize {
        self.decoder_ffn_dim.unwrap_or(self.ffn_dim)
    }

    /// The model with every optional size filled in.
    pub fn complete(&self) -> Self {
        Self {
            encoder_d_model: Some(self.encoder_width()),
            decoder_d_model: Some(self.decoder_width()),
            encoder_ffn_dim: Some(self.encoder_inner()),
            decoder_ffn_dim: Some(self.decoder_inner()),
            ..self.clone()
        }
    }
}
