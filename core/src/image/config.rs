//! A configuration as words.

use super::Error;
use crate::config::{Activation, Config, Positions, Special, Stack};

/// Words of a configuration.
pub const CONFIG_WORDS: usize = 12;

/// The limit of all sizes. Larger sizes are not usable; a product of two smaller sizes fits in 64 bits.
const MOST: u32 = 1 << 24;

/// The flags of version 1 of the format, and all.
const FLAGS: [u32; 2] = [4, 32];

/// The words of section 1, in native byte order: both vocabulary sizes; the sum of 1 if embeddings are shared, 2 with
/// pre-norm, and in version 2 of the format 4 with Marian's positions, 8 with a bias on the logits and 16 if the decoder
/// starts from the begin of sentence; the activation (0: relu, 1: gelu, in version 2 also 2: silu); width, inner width,
/// heads and layers of the encoder, then of the decoder.
pub fn config_words(config: &Config) -> [u32; CONFIG_WORDS] {
    let Config { encoder: e, decoder: d, .. } = config;
    let flags = u32::from(config.share_embeddings)
        + 2 * u32::from(config.normalize_before)
        + 4 * u32::from(config.positions == Positions::Marian)
        + 8 * u32::from(config.logits_bias)
        + 16 * u32::from(config.special == Special::MARIAN);
    let activation = match config.activation {
        Activation::Relu => 0,
        Activation::Gelu => 1,
        Activation::Silu => 2,
    };
    [
        config.source_vocabulary as u32,
        config.target_vocabulary as u32,
        flags,
        activation,
        e.d_model as u32,
        e.ffn_dim as u32,
        e.attention_heads as u32,
        e.layers as u32,
        d.d_model as u32,
        d.ffn_dim as u32,
        d.attention_heads as u32,
        d.layers as u32,
    ]
}

/// The oldest version of the format that has the words.
pub fn version([_, _, flags, activation, ..]: &[u32; CONFIG_WORDS]) -> u32 {
    if *flags < FLAGS[0] && *activation < 2 { 1 } else { 2 }
}

/// The inverse of [`config_words`], from little-endian words.
pub(super) fn config(words: &[u32]) -> Result<Config, Error> {
    let words: [u32; CONFIG_WORDS] = words.try_into().map_err(|_| Error::Config)?;
    let words = words.map(u32::from_le);
    if words.iter().any(|word| *word > MOST) {
        return Err(Error::Config);
    }
    let [source, target, flags, activation, stacks @ ..] = words;
    let [ed, ef, eh, el, dd, df, dh, dl] = stacks.map(|word| word as usize);
    let stack = |d_model, ffn_dim, attention_heads, layers| Stack {
        d_model,
        ffn_dim,
        attention_heads,
        layers,
    };
    Ok(Config {
        source_vocabulary: source as usize,
        target_vocabulary: target as usize,
        share_embeddings: flags & 1 != 0,
        encoder: stack(ed, ef, eh, el),
        decoder: stack(dd, df, dh, dl),
        normalize_before: flags & 2 != 0,
        activation: match activation {
            _ if flags >= FLAGS[1] => return Err(Error::Config),
            0 => Activation::Relu,
            1 => Activation::Gelu,
            2 => Activation::Silu,
            _ => return Err(Error::Config),
        },
        dropout: 0.0,
        attention_dropout: 0.0,
        activation_dropout: 0.0,
        special: if flags & 16 == 0 { Special::FAIRSEQ } else { Special::MARIAN },
        positions: if flags & 4 == 0 { Positions::Fairseq } else { Positions::Marian },
        logits_bias: flags & 8 != 0,
    })
}
