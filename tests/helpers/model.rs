//! Small models, and functions that run them.

use a2d_core::backend::{Decode, Device, Train};
use a2d_core::batch::{Batch, Layout, Run};
use a2d_core::config::token::EOS;
use a2d_core::config::{Activation, Config, Embedding, NORM_EPSILON, Positions, Special, Stack};
use a2d_core::kd::{self, Lesson, Losses, Plan, Teacher};
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use a2d_core::rng;
use a2d_core::search::{Search, Sentence};

/// The largest number of layers of each stack in the suite.
pub const LAYERS: usize = 16;

/// The models of the suite.
pub type Model<P> = Transformer<P, LAYERS>;

/// A model of fairseq's defaults without dropout, with vocabularies of one size and a table for each side.
pub const fn plain(vocabulary: usize, encoder: Stack, decoder: Stack) -> Config {
    Config {
        source_vocabulary: vocabulary,
        target_vocabulary: vocabulary,
        share_embeddings: false,
        encoder,
        decoder,
        normalize_before: false,
        activation: Activation::Relu,
        dropout: 0.0,
        attention_dropout: 0.0,
        activation_dropout: 0.0,
        special: Special::FAIRSEQ,
        positions: Positions::Fairseq,
        logits_bias: false,
        head: None,
        embedding: Embedding::NONE,
        norm_epsilon: NORM_EPSILON,
    }
}

/// A student with the state of its optimiser.
pub type Learner<B> = kd::Learner<<B as Device>::Tensor, LAYERS>;

/// The learner of a plan whose parameters are `value(name, spec)`.
pub fn learner<B: Train>(
    b: &mut B,
    plan: Plan<LAYERS>,
    mut value: impl FnMut(&str, &Spec) -> Vec<f32>,
) -> Learner<B> {
    let tensor = |(name, spec): &(String, Spec)| b.tensor(&value(name, spec), spec.shape);
    let params = plan.params().iter().map(tensor).collect();
    kd::Learner::new(b, plan, params)
}

/// A trained student as a teacher.
pub fn teacher<T: Clone>(learner: &kd::Learner<T, LAYERS>) -> Teacher<T, LAYERS> {
    learner.student().model.into()
}

/// The losses of a lesson, and the gradient of each parameter.
pub fn gradients<B: Train>(
    b: &mut B,
    learner: &Learner<B>,
    of: &Lesson<'_, B, LAYERS>,
) -> (Losses, Vec<B::Tensor>) {
    let found = learner.gradients(b, of);
    (found.reports.read(b).expect("the device is there"), found.sums)
}

/// The elements of a tensor.
pub fn read<B: Device>(b: &mut B, x: &B::Tensor) -> Vec<f32> {
    let mut out = vec![0.0; b.shape(x).len()];
    b.read(x, &mut out).expect("the device is there");
    out
}

/// Sentences as [`Batch::new`] takes them.
pub fn slices(sentences: &[Vec<u32>]) -> Vec<&[u32]> {
    sentences.iter().map(Vec::as_slice).collect()
}

/// A batch of pairs, for a decoder that starts from EOS.
pub fn batch<B: Device>(
    b: &mut B,
    sources: &[Vec<u32>],
    targets: &[Vec<u32>],
    layout: Layout,
) -> Batch<B::Index> {
    batch_of(b, &Special::FAIRSEQ, sources, targets, layout)
}

/// A batch of pairs for a model with these special tokens.
pub fn batch_of<B: Device>(
    b: &mut B,
    special: &Special,
    sources: &[Vec<u32>],
    targets: &[Vec<u32>],
    layout: Layout,
) -> Batch<B::Index> {
    Batch::new(b, special, &slices(sources), &slices(targets), layout)
}

/// [`batch_of`] for any model: of a text, the first token of the target is its label.
pub fn batch_for<B: Device>(
    b: &mut B,
    model: &Config,
    sources: &[Vec<u32>],
    targets: &[Vec<u32>],
    layout: Layout,
) -> Batch<B::Index> {
    let pairs = (&slices(sources)[..], &slices(targets)[..]);
    Batch::of_model(b, model, pairs, 0..sources.len(), layout)
}

/// Sentences of random tokens, none of them special, and EOS; `lengths` count EOS.
pub fn sentences(key: u64, lengths: &[usize], vocabulary: usize) -> Vec<Vec<u32>> {
    let ordinary = vocabulary as u32 - 3;
    let sentence = |(i, length): (usize, &usize)| {
        let key = rng::derive(key, i as u64);
        let mut tokens: Vec<_> =
            (1..*length as u32).map(|t| 3 + rng::bits(key, t) % ordinary).collect();
        tokens.push(EOS);
        tokens
    };
    lengths.iter().enumerate().map(sentence).collect()
}

/// The rows of each sentence of `lengths` in a batch of `layout`.
pub fn runs(lengths: impl Iterator<Item = usize> + Clone, layout: Layout) -> Vec<Run> {
    let widest = lengths.clone().max().unwrap_or(0);
    let mut start = 0;
    let run = |valid| {
        let len = if layout == Layout::Padded { widest } else { valid };
        start += len;
        Run { start: start - len, len, valid }
    };
    lengths.map(run).collect()
}

/// One hypothesis: tokens with EOS, and the score.
pub type Hypothesis = (Vec<u32>, f32);

/// Searches for translations of `sources`; `max_length` gives the tokens before EOS for a source's length.
pub fn search<B: Decode>(
    b: &mut B,
    model: &Model<B::Param>,
    how: Search,
    sources: &[Vec<u32>],
    layout: Layout,
    max_length: impl Fn(usize) -> usize,
) -> Vec<Vec<Hypothesis>> {
    let nothing = vec![vec![EOS]; sources.len()];
    let batch = batch(b, sources, &nothing, layout);
    let memory = model.encode(b, &batch.source, &batch.encoder_grid, &mut ());
    let sentences: Vec<_> = runs(sources.iter().map(Vec::len), layout)
        .into_iter()
        .map(|memory| Sentence { memory, max_length: max_length(memory.valid) })
        .collect();
    let longest = sentences.iter().map(|s| s.max_length).max().unwrap_or(0);
    let (words, floats) = how.workspace(sentences.len(), longest);
    let (mut words, mut floats) = (vec![0; words], vec![0.0; floats]);
    let found = how.run(b, model, &memory, &sentences, &mut words, &mut floats).expect("searches");
    let hypothesis = |sentence, rank| {
        let mut tokens = vec![0; found.length(sentence, rank)];
        found.tokens(sentence, rank, &mut tokens);
        (tokens, found.score(sentence, rank))
    };
    (0..sentences.len())
        .map(|i| (0..found.count(i)).map(|rank| hypothesis(i, rank)).collect())
        .collect()
}
