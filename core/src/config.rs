//! What a model is made of.

use core::fmt;

/// Special tokens, in fairseq's order.
pub mod token {
    /// Begin of sentence: unused by the model, kept for the vocabulary's sake.
    pub const BOS: u32 = 0;
    /// Padding.
    pub const PAD: u32 = 1;
    /// End of sentence; also what the decoder starts from.
    pub const EOS: u32 = 2;
    /// Unknown.
    pub const UNK: u32 = 3;
}

/// The nonlinearity of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `x Phi(x)`, exact (erf).
    Gelu,
}

/// One of the two halves of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// D
    pub d_model: usize,
    /// F
    pub ffn_dim: usize,
    /// H
    pub attention_heads: usize,
    /// L
    pub layers: usize,
}

/// The shape of an encoder-decoder Transformer and how it is trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// V of the source side.
    pub source_vocabulary: usize,
    /// V of the target side.
    pub target_vocabulary: usize,
    /// One table for source, target and output; otherwise target and output share one.
    pub share_embeddings: bool,
    /// Reads the source.
    pub encoder: Stack,
    /// Writes the target.
    pub decoder: Stack,
    /// Pre-norm: `x + f(norm(x))` and a norm after each stack; otherwise post-norm: `norm(x + f(x))`.
    pub normalize_before: bool,
    /// Of the feed-forward block.
    pub activation: Activation,
    /// After the embeddings and after each block, before the residual.
    pub dropout: f32,
    /// On attention probabilities.
    pub attention_dropout: f32,
    /// After the nonlinearity.
    pub activation_dropout: f32,
}

/// Why a configuration describes no model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impossible {
    /// Something that must be positive is zero; its name.
    Zero(&'static str),
    /// Heads do not divide the width.
    Heads {
        /// `encoder` or `decoder`.
        stack: &'static str,
        /// D
        d_model: usize,
        /// H
        heads: usize,
    },
    /// More layers than the model's type has room for.
    Layers {
        /// `encoder` or `decoder`.
        stack: &'static str,
        /// L
        layers: usize,
        /// What fits.
        most: usize,
    },
    /// One shared table needs equal vocabularies and widths.
    Shared,
    /// A probability outside `[0, 1)`; its name.
    Probability(&'static str),
}

impl Config {
    /// Checks everything that [`crate::nn::Transformer::new`] relies on.
    pub fn check(&self, most_layers: usize) -> Result<(), Impossible> {
        for (name, vocabulary) in [
            ("source vocabulary", self.source_vocabulary),
            ("target vocabulary", self.target_vocabulary),
        ] {
            if vocabulary <= token::UNK as usize {
                return Err(Impossible::Zero(name));
            }
        }
        check_stack("encoder", &self.encoder, most_layers)?;
        check_stack("decoder", &self.decoder, most_layers)?;
        if self.share_embeddings
            && (self.source_vocabulary, self.encoder.d_model)
                != (self.target_vocabulary, self.decoder.d_model)
        {
            return Err(Impossible::Shared);
        }
        for (name, p) in [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(Impossible::Probability(name));
            }
        }
        Ok(())
    }
}

fn check_stack(stack: &'static str, of: &Stack, most: usize) -> Result<(), Impossible> {
    for (name, value) in [
        ("d_model", of.d_model),
        ("ffn_dim", of.ffn_dim),
        ("attention_heads", of.attention_heads),
        ("layers", of.layers),
    ] {
        if value == 0 {
            return Err(Impossible::Zero(name));
        }
    }
    if of.layers > most {
        return Err(Impossible::Layers { stack, layers: of.layers, most });
    }
    if !of.d_model.is_multiple_of(of.attention_heads) {
        return Err(Impossible::Heads { stack, d_model: of.d_model, heads: of.attention_heads });
    }
    Ok(())
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => write!(f, "{name} is too small"),
            Self::Heads { stack, d_model, heads } => {
                write!(f, "{stack}: {heads} attention heads do not divide d_model {d_model}")
            }
            Self::Layers { stack, layers, most } => {
                write!(f, "{stack}: {layers} layers, at most {most} are possible")
            }
            Self::Shared => f.write_str(
                "shared embeddings need equal vocabularies and equal d_model on both sides",
            ),
            Self::Probability(name) => write!(f, "{name} must be in [0, 1)"),
        }
    }
}

impl core::error::Error for Impossible {}
