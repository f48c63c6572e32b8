//! Random models as images.

use super::model::{LAYERS, plain};
use a2d_core::backend::Train;
use a2d_core::config::{
    Activation, Config, Embedding, Head, NORM_EPSILON, Output, Pooling, Positions, Special, Stack,
};
use a2d_core::image::{ENTRY_WORDS, Format, Weights};
use a2d_core::kd::Student;
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_host::export::{Beside, write, write_with};
use a2d_host::translate::image::Words;
use std::convert::Infallible;

/// A small configuration.
pub fn config(normalize_before: bool, share_embeddings: bool) -> Config {
    let encoder = Stack { d_model: 24, ffn_dim: 40, attention_heads: 3, layers: 2 };
    let narrow = Stack { d_model: 16, ffn_dim: 36, attention_heads: 4, layers: 1 };
    Config {
        target_vocabulary: if share_embeddings { 19 } else { 17 },
        share_embeddings,
        normalize_before,
        activation: if normalize_before { Activation::Gelu } else { Activation::Relu },
        ..plain(19, encoder, if share_embeddings { encoder } else { narrow })
    }
}

/// [`config`] as Marian has it: its activation, positions, start token and bias on the logits.
pub fn marian(share_embeddings: bool) -> Config {
    Config {
        activation: Activation::Silu,
        special: Special::MARIAN,
        positions: Positions::Marian,
        logits_bias: true,
        ..config(false, share_embeddings)
    }
}

/// The number of kinds of [`text`].
pub const TEXTS: u64 = 72;

/// A text model of random sizes. Its kind is one of [`TEXTS`]: pooling, dense layer, output, norms and embedding.
pub fn text(kind: u64) -> Config {
    let below = |number, most: u64| (rng::derive(kind, number) >> 16) % most;
    let attention_heads = 1 + below(0, 4) as usize;
    let d_model = attention_heads * (8 + below(1, 10) as usize);
    let stack = Stack {
        d_model,
        ffn_dim: 1 + below(2, 50) as usize,
        attention_heads,
        layers: 1 + below(3, 3) as usize,
    };
    let output = match kind / 4 % 3 {
        0 => Output::Labels(1 + below(4, 9) as usize),
        1 => Output::Vector(d_model),
        _ => Output::Vector(d_model + 1 + below(5, 9) as usize),
    };
    let pooling = if kind.is_multiple_of(2) { Pooling::First } else { Pooling::Mean };
    let bert = Embedding { positions: 11, types: 2, norm: true };
    let (positions, embedding, norm_epsilon) = match kind / 24 {
        0 => (Positions::Fairseq, Embedding::NONE, NORM_EPSILON),
        1 => (Positions::Learned, bert, 1e-12),
        _ => (Positions::Marian, Embedding { positions: 0, types: 0, norm: true }, 1e-6),
    };
    Config {
        target_vocabulary: output.targets(),
        decoder: Stack::NONE,
        encoder: stack,
        head: Some(Head { pooling, dense: (kind / 2).is_multiple_of(2), output }),
        positions,
        embedding,
        norm_epsilon,
        ..config((kind / 12).is_multiple_of(2), true)
    }
}

/// Random weights, larger than initial ones, so that distributions are sharp and searches end.
pub fn weights(config: &Config, seed: u64) -> Vec<Vec<f32>> {
    let model = Transformer::<Spec, LAYERS>::new(config).expect("a possible model");
    let mut all = Vec::new();
    let tree = Student::from(model);
    let Ok(_) = tree.try_map::<(), Infallible>(&mut |path, spec| {
        let key = rng::derive(seed, all.len() as u64);
        let gain = if path.to_string().contains("embed") { 1.0 } else { 2.0 };
        let value = |i| gain * spec.init.value(key, i, spec.shape.cols());
        let noise = |i| 0.1 * rng::normal(!key, i as u32);
        all.push((0..spec.shape.len()).map(|i| value(i) + noise(i)).collect());
        Ok(())
    });
    all
}

/// The model on a backend.
pub fn model<B: Train, const N: usize>(
    b: &mut B,
    config: &Config,
    weights: &[Vec<f32>],
) -> Transformer<B::Tensor, N> {
    let specs = Transformer::<Spec, N>::new(config).expect("a possible model");
    let mut weights = weights.iter();
    let bound =
        specs.try_map::<_, ()>(&mut |_, spec| Ok(b.tensor(weights.next().ok_or(())?, spec.shape)));
    bound.expect("as many weights as parameters")
}

/// The image of a model, without a tokenizer.
pub fn image(config: &Config, weights: &[Vec<f32>], format: Format) -> Words {
    Words::new(&write(config, weights, &[], format).expect("an image"))
}

/// [`image`] with a shortlist.
pub fn listed(
    config: &Config,
    weights: &[Vec<f32>],
    format: Format,
    always: &[u16],
    lists: &[Vec<u16>],
) -> Words {
    let beside = Beside { shortlist: shortlist(always, lists), ..Beside::default() };
    Words::new(&write_with(config, weights, &[], &beside, format).expect("an image"))
}

/// The bytes of a shortlist, as `a2d_core::image::Shortlist` documents them.
pub fn shortlist(always: &[u16], lists: &[Vec<u16>]) -> Vec<u8> {
    let mut starts = vec![0u32];
    starts.extend(lists.iter().scan(0, |at, list| {
        *at += list.len() as u32;
        Some(*at)
    }));
    let counts = [always.len() as u32, starts[lists.len()]];
    let mut bytes: Vec<u8> =
        counts.into_iter().chain(starts).flat_map(|x| x.to_le_bytes()).collect();
    let tokens = always.iter().chain(lists.iter().flatten());
    bytes.extend(tokens.flat_map(|x| x.to_le_bytes()));
    bytes
}

/// Parameters in the format of an image.
#[derive(Default)]
pub struct Parameters {
    directory: Vec<u32>,
    bytes: Vec<u8>,
}

impl Parameters {
    /// Adds a parameter; its number is the count of those before. `bytes` are numbers and scales in the format of an
    /// image.
    pub fn push(&mut self, format: Format, shape: Shape, bytes: &[u8]) {
        let entry: [u32; ENTRY_WORDS] =
            [format as u32, shape.rows() as u32, shape.cols() as u32, self.bytes.len() as u32];
        self.directory.extend(entry.map(u32::to_le));
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
    }

    /// Runs `f` on the parameters.
    pub fn with<R>(&self, f: impl FnOnce(Weights<'_>) -> R) -> R {
        let bytes = Words::new(&self.bytes);
        f(Weights::new(&self.directory, bytes.bytes()))
    }
}

/// The tables of a vocabulary of 7 tokens, as `a2d_core::token` documents them: the special ones, `▁`, `a`, `▁a`.
pub fn tokenizer() -> Vec<u8> {
    let mut tables = b"a2v\x01\0\0".to_vec();
    let halves = |all: &[u16]| all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let words = |all: &[u32]| all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    tables.extend(halves(&[7, 2, 1])); // tokens, characters, merges
    tables.extend(words(&[8, 0, 3, 4, 8])); // bytes of text, where each begins
    tables.extend(halves(&[0, 1, 1, 1])); // where the merges of each left token begin
    for (character, token) in [('a', 5), (a2d_core::token::MARK, 4)] {
        tables.extend(words(&[u32::from(character)]));
        tables.extend(halves(&[token]));
    }
    tables.extend(halves(&[5, 0, 6])); // right, rank, result
    tables.extend("▁a▁a".bytes());
    tables
}
