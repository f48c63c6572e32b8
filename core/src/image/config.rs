//! A configuration as words.

use super::Error;
use crate::config::{
    Activation, Config, Embedding, Head, NORM_EPSILON, Output, Pooling, Positions, Special, Stack,
    TEXT,
};

/// Words of a configuration with a decoder.
pub const CONFIG_WORDS: usize = 12;

/// Words of the configuration of a text model.
pub const TEXT_WORDS: usize = 18;

/// The limit of all sizes. Larger sizes are not usable; a product of two smaller sizes fits in 64 bits.
const MOST: u32 = 1 << 24;

/// The flags of version 1 of the format, and all.
const FLAGS: [u32; 2] = [4, 32];

/// The flags of a head.
const HEAD_FLAGS: u32 = 16;

/// A configuration as words, in native byte order.
pub type Words = heapless::Vec<u32, TEXT_WORDS>;

/// The words of section 1: both vocabulary sizes; the sum of 1 if embeddings are shared, 2 with pre-norm, and in version 2
/// of the format 4 with Marian's positions, 8 with a bias on the logits and 16 if the decoder starts from the begin of
/// sentence; the activation (0: relu, 1: gelu, in version 2 also 2: silu); width, inner width, heads and layers of the
/// encoder, then of the decoder.
///
/// In version 3, for a text model, then: the sum of 1 if it pools the mean, 2 with a dense layer, 4 if the output is a
/// vector, 8 with a norm of the embeddings; the width of the output; the rows of the tables of positions and of types; the
/// epsilon of norms as the bits of an f32; a zero. Positions are learned if their table has rows.
pub fn config_words(config: &Config) -> Words {
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
        Activation::Tanh => 3,
    };
    let of = |stack: &Stack| {
        [stack.d_model, stack.ffn_dim, stack.attention_heads, stack.layers].map(|n| n as u32)
    };
    let sizes = [config.source_vocabulary as u32, config.target_vocabulary as u32];
    let of_all = sizes.into_iter().chain([flags, activation]).chain(of(e)).chain(of(d));
    let of_head = config.head.as_ref().map(|head| head_words(config, head));
    of_all.chain(of_head.into_iter().flatten()).collect()
}

/// The words of a text model that follow those of all models.
fn head_words(config: &Config, head: &Head) -> [u32; TEXT_WORDS - CONFIG_WORDS] {
    let Embedding { positions, types, norm } = config.embedding;
    let flags = u32::from(head.pooling == Pooling::Mean)
        + 2 * u32::from(head.dense)
        + 4 * u32::from(matches!(head.output, Output::Vector(_)))
        + 8 * u32::from(norm);
    let width = head.output.width() as u32;
    [flags, width, positions as u32, types as u32, config.norm_epsilon.to_bits(), 0]
}

/// The oldest version of the format that has the words.
pub fn version(words: &[u32]) -> u32 {
    match words {
        [_, _, flags, activation, rest @ ..] if rest.len() + 4 == CONFIG_WORDS => {
            if *flags < FLAGS[0] && *activation < 2 { 1 } else { 2 }
        }
        _ => 3,
    }
}

/// The inverse of [`config_words`], from little-endian words.
pub(super) fn config(words: &[u32]) -> Result<Config, Error> {
    let (words, head) = words.split_first_chunk::<CONFIG_WORDS>().ok_or(Error::Config)?;
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
    let config = Config {
        source_vocabulary: source as usize,
        target_vocabulary: target as usize,
        share_embeddings: flags & 1 != 0,
        encoder: stack(ed, ef, eh, el),
        decoder: stack(dd, df, dh, dl),
        head: None,
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
        norm_epsilon: NORM_EPSILON,
        special: if flags & 16 == 0 { Special::FAIRSEQ } else { Special::MARIAN },
        positions: if flags & 4 == 0 { Positions::Fairseq } else { Positions::Marian },
        embedding: Embedding::NONE,
        logits_bias: flags & 8 != 0,
    };
    match head {
        [] => Ok(config),
        head if TEXT => text(config, head),
        _ => Err(Error::Config),
    }
}

/// The configuration of a text model, from that of all models and the words of [`head_words`].
fn text(config: Config, words: &[u32]) -> Result<Config, Error> {
    let words: [u32; TEXT_WORDS - CONFIG_WORDS] = words.try_into().map_err(|_| Error::Config)?;
    let [flags, width, positions, types, epsilon, zero] = words.map(u32::from_le);
    let epsilon = f32::from_bits(epsilon);
    let sizes = [width, positions, types];
    let valid = zero == 0 && flags < HEAD_FLAGS && (0.0..1.0).contains(&epsilon);
    if !valid || sizes.iter().any(|size| *size > MOST) {
        return Err(Error::Config);
    }
    let [width, positions, types] = sizes.map(|size| size as usize);
    Ok(Config {
        head: Some(Head {
            pooling: if flags & 1 == 0 { Pooling::First } else { Pooling::Mean },
            dense: flags & 2 != 0,
            output: if flags & 4 == 0 { Output::Labels(width) } else { Output::Vector(width) },
        }),
        norm_epsilon: epsilon,
        positions: if positions > 0 { Positions::Learned } else { config.positions },
        embedding: Embedding { positions, types, norm: flags & 8 != 0 },
        ..config
    })
}
