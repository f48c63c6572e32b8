//! The rules that choose a configuration for a corpus.
//!
//! They are fixed at two corpora that were measured (`fixtures/results/multi30k.md`): 20,000 pairs of 7 words and 29,000
//! of 12, for which they give the sizes, learning rates and about the updates of `fixtures/configs/quickstart-long.toml`
//! and `fixtures/configs/multi30k.toml`. Above, sizes grow to those that Transformers of the literature have for their data
//! (Vaswani et al., 2017: width 512 and 6 layers for millions of pairs).

use super::Proposal;
use crate::config::{ModelConfig, RunConfig};
use a2d_data::prepare::Outline;
use a2d_system::output::thousands;

/// Sizes for corpora of up to a number of pairs.
struct Tier {
    most_pairs: usize,
    vocab_size: usize,
    max_tokens: usize,
    teacher: Size,
    student: Size,
}

/// The size of a model, and what goes with it.
#[derive(Clone, Copy)]
struct Size {
    d_model: usize,
    layers: usize,
    heads: usize,
    dropout: f64,
    /// The wider a model, the lower the learning rate that it bears.
    lr: f64,
}

const fn size(d_model: usize, layers: usize, heads: usize, dropout: f64, lr: f64) -> Size {
    Size { d_model, layers, heads, dropout, lr }
}

const fn tier(most_pairs: usize, sizes: [usize; 2], teacher: Size, student: Size) -> Tier {
    let [vocab_size, max_tokens] = sizes;
    Tier { most_pairs, vocab_size, max_tokens, teacher, student }
}

/// The fewer the pairs, the fewer the subwords, which must occur to be learnt, the smaller the batches, so that there are
/// enough of them, and the more dropout. A student keeps less in mind than its teacher, and needs less.
const TIERS: [Tier; 6] = [
    tier(5_000, [1_000, 512], size(128, 3, 4, 0.3, 2e-3), size(64, 2, 4, 0.1, 3e-3)),
    tier(15_000, [2_000, 1024], size(128, 3, 4, 0.2, 2e-3), size(64, 2, 4, 0.1, 3e-3)),
    tier(100_000, [4_000, 1024], size(128, 3, 4, 0.1, 2e-3), size(64, 2, 4, 0.1, 3e-3)),
    tier(500_000, [8_000, 2048], size(256, 4, 4, 0.1, 1e-3), size(128, 3, 4, 0.1, 2e-3)),
    tier(3_000_000, [16_000, 4096], size(512, 6, 8, 0.1, 5e-4), size(256, 3, 4, 0.1, 1e-3)),
    tier(usize::MAX, [32_000, 4096], size(512, 6, 8, 0.1, 5e-4), size(256, 4, 4, 0.1, 1e-3)),
];

/// The most subwords.
const MOST_SUBWORDS: usize = 32_000;
/// The share of a batch that is no padding, about.
const FILLED: f64 = 0.9;
/// Average pairs in a batch, at least.
const LEAST_PAIRS: f64 = 32.0;
/// Updates of the smallest training, which smaller corpora reach by more epochs ...
const LEAST_UPDATES: f64 = 3000.0;
/// ... up to this many.
const MOST_EPOCHS: usize = 200;
/// Updates from one validation to the next, about, and at most.
const VALIDATED: usize = 200;
const MOST_UNVALIDATED: usize = 4000;
/// Sentences that a validation translates.
const TRANSLATED: usize = 500;

fn tier_of(pairs: usize) -> &'static Tier {
    let found = TIERS.iter().find(|tier| pairs <= tier.most_pairs);
    found.unwrap_or(&TIERS[TIERS.len() - 1])
}

/// The size of the vocabulary for a corpus of so many pairs and distinct characters. At most half of a vocabulary is
/// characters, so many of them take a larger one.
pub fn vocab_size(pairs: usize, alphabet: usize) -> usize {
    let for_letters = (2 * alphabet).next_multiple_of(500);
    tier_of(pairs).vocab_size.max(for_letters).min(MOST_SUBWORDS)
}

/// The updates of a training: with ten times the pairs, five times the updates.
fn wanted_updates(pairs: usize) -> f64 {
    LEAST_UPDATES * (pairs as f64 / 20_000.0).powf(0.7).max(1.0)
}

/// Chooses sizes, batches and schedule for a corpus, with the reason for each.
pub fn choose(corpus: &Outline) -> Proposal {
    let tier = tier_of(corpus.pairs.train);
    let mut run = RunConfig::default();
    run.data.vocab_size = corpus.vocab_size;
    run.model = model(tier.student);
    run.teacher.model = model(tier.teacher);
    let pairs = LEAST_PAIRS * corpus.longer;
    let train = &mut run.train;
    train.max_tokens = tier.max_tokens.max(pairs as usize).next_power_of_two();
    let tokens = corpus.pairs.train as f64 * corpus.longer;
    let epoch = (tokens / (FILLED * train.max_tokens as f64)).ceil().max(1.0) as usize;
    let epochs = (wanted_updates(corpus.pairs.train) / epoch as f64).ceil() as usize;
    train.max_epoch = epochs.clamp(2, MOST_EPOCHS);
    train.warmup_updates = warmup(train.max_epoch * epoch);
    let most = (train.max_epoch / 5).max(1);
    train.validate_interval = (VALIDATED / epoch).clamp(1, most);
    if epoch > MOST_UNVALIDATED {
        train.validate_interval_updates = MOST_UNVALIDATED as u64 / 2;
    }
    if corpus.pairs.valid > TRANSLATED {
        train.valid_bleu_sentences = TRANSLATED;
    }
    (train.beam, train.lr) = (1, tier.student.lr);
    run.teacher.train = run.train.clone();
    run.teacher.train.lr = tier.teacher.lr;
    Proposal { reasons: reasons(&run, corpus, epoch), updates_per_epoch: epoch, run }
}

fn model(size: Size) -> ModelConfig {
    let Size { d_model, layers, heads, dropout, .. } = size;
    ModelConfig {
        d_model,
        ffn_dim: 4 * d_model,
        encoder_layers: layers,
        decoder_layers: layers,
        encoder_attention_heads: heads,
        decoder_attention_heads: heads,
        dropout,
        ..ModelConfig::default()
    }
}

/// A sixth of all updates, and no more than the literature has.
fn warmup(updates: usize) -> u64 {
    let sixth = (updates / 6).clamp(1, 4000);
    (if sixth > 100 { sixth / 50 * 50 } else { sixth }) as u64
}

/// What is written above each key, or above the first of several.
fn reasons(run: &RunConfig, corpus: &Outline, epoch: usize) -> Vec<(&'static str, String)> {
    let (train, pairs) = (&run.train, thousands(corpus.pairs.train));
    let updates = thousands(train.max_epoch * epoch);
    let in_batch = FILLED * train.max_tokens as f64 / corpus.longer;
    let dropout = run.teacher.model.dropout;
    let mut reasons = vec![
        (
            "data.vocab_size",
            format!(
                "{pairs} pairs of {:.1} words, {} different characters: subwords that occur often enough to be learnt.",
                (corpus.words[0] + corpus.words[1]) / 2.0,
                thousands(corpus.alphabet),
            ),
        ),
        ("model.d_model", "The student: what is to be small and fast.".to_owned()),
        (
            "train.max_tokens",
            format!("Some {in_batch:.0} pairs an update, {} updates an epoch.", thousands(epoch)),
        ),
        ("train.lr", "The wider a model, the lower its learning rate.".to_owned()),
        ("train.warmup_updates", "A sixth of all updates, at most 4,000.".to_owned()),
        (
            "train.max_epoch",
            format!(
                "{updates} updates: fewer pairs are seen more often. `train.patience` ends it earlier."
            ),
        ),
        ("train.validate_interval", "Epochs between validations.".to_owned()),
        (
            "train.beam",
            "Validations are greedy, which is faster; translations have a beam of 5.".to_owned(),
        ),
        (
            "teacher.model.d_model",
            format!(
                "The teacher: as large as {pairs} pairs can fill. Dropout {dropout}: the fewer pairs, the more."
            ),
        ),
        ("teacher.train.lr", "All other keys of [train] hold for the teacher too.".to_owned()),
    ];
    if train.valid_bleu_sentences > 0 {
        let valid = thousands(corpus.pairs.valid);
        let text = format!("Of {valid} sentences: enough to tell models apart.");
        reasons.push(("train.valid_bleu_sentences", text));
    }
    if train.validate_interval_updates > 0 {
        let text = "An epoch is long: validations between, too.".to_owned();
        reasons.push(("train.validate_interval_updates", text));
    }
    reasons
}
