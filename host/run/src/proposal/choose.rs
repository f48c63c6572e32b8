//! The rules that choose a configuration for a corpus.
//!
//! They are fixed at two corpora that were measured (`fixtures/results/multi30k.md`): 20,000 pairs of 7 words and 29,000
//! of 12, for which they give the sizes, learning rates and about the updates of `fixtures/configs/quickstart-long.toml`
//! and `fixtures/configs/multi30k.toml`. Above, sizes grow to those that Transformers of the literature have for their data
//! (Vaswani et al., 2017: width 512 and 6 layers for millions of pairs). `fixtures/results/defaults.md` compares them with
//! other values at 2,000 to 47,000 pairs.

use super::reasons::reasons;
use super::tiers::{FILLED, Size, tier_of};
use super::{Corpus, Proposal};
use crate::config::{ModelConfig, RunConfig, TrainConfig, WIDEST};

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
/// The width of an attention head, where there are more than [`LEAST_HEADS`].
const HEAD: usize = 64;
const LEAST_HEADS: usize = 4;

/// The updates of a training: with ten times the pairs, five times the updates.
fn wanted_updates(pairs: usize) -> f64 {
    LEAST_UPDATES * (pairs as f64 / 20_000.0).powf(0.7).max(1.0)
}

/// The keys that the rules may set, by path.
type IsOpen<'a> = &'a dyn Fn(&str) -> bool;

/// Chooses sizes, batches and schedule for a corpus, with the reason for each.
pub fn choose(corpus: &Corpus) -> Proposal {
    complete(RunConfig::default(), &|_| true, corpus)
}

/// Chooses the values of `run` that are open. They suit those that are not: the heads divide a width that is set, the
/// teacher is larger than a student whose size is set, and the warm-up is shorter than a training with a limit.
pub(super) fn complete(mut run: RunConfig, is_open: IsOpen<'_>, corpus: &Corpus) -> Proposal {
    let tier = tier_of(corpus.train);
    if let Some(vocab) = corpus.vocab.as_ref().filter(|_| is_open("data.vocab_size")) {
        run.data.vocab_size = vocab.size;
    }
    // Layers are copied between models of one width.
    let alike = run.distill.init_from_teacher.is_some();
    let width = if alike { tier.teacher.d_model } else { tier.student.d_model };
    let student = Size { d_model: width, ..tier.student };
    size(&mut run.model, &Open("model", is_open), student);
    size(&mut run.teacher.model, &Open("teacher.model", is_open), {
        let width = wider(&run.model);
        Size {
            d_model: if alike { width } else { tier.teacher.d_model.max(times(2, width)) },
            layers: tier.teacher.layers.max(deeper(&run.model)),
            ..tier.teacher
        }
    });
    let epoch = schedule(&mut run.train, &Open("train", is_open), corpus, wider(&run.model));
    let teacher = &mut run.teacher;
    let open = Open("teacher.train", is_open);
    schedule(&mut teacher.train, &open, corpus, wider(&teacher.model));
    Proposal { reasons: reasons(&run, corpus, epoch), updates_per_epoch: epoch, run }
}

/// A table, and the keys that may be set.
struct Open<'a>(&'static str, IsOpen<'a>);

impl Open<'_> {
    /// Sets `place`, the value of `key`, if it is open.
    fn put<T>(&self, key: &str, place: &mut T, value: T) {
        let Self(table, is_open) = self;
        if is_open(&format!("{table}.{key}")) {
            *place = value;
        }
    }
}

fn size(model: &mut ModelConfig, open: &Open<'_>, size: Size) {
    open.put("d_model", &mut model.d_model, size.d_model);
    open.put("ffn_dim", &mut model.ffn_dim, times(4, model.d_model));
    open.put("encoder_layers", &mut model.encoder_layers, size.layers);
    open.put("decoder_layers", &mut model.decoder_layers, size.layers);
    let [encoder, decoder] = [model.encoder_width(), model.decoder_width()].map(heads);
    open.put("encoder_attention_heads", &mut model.encoder_attention_heads, encoder);
    open.put("decoder_attention_heads", &mut model.decoder_attention_heads, decoder);
    open.put("dropout", &mut model.dropout, size.dropout);
}

/// A multiple of a width, within the limit.
fn times(factor: usize, width: usize) -> usize {
    width.saturating_mul(factor).min(WIDEST)
}

/// The heads of a width, which they divide; at most those of the widest.
fn heads(width: usize) -> usize {
    let most = (width / HEAD).clamp(LEAST_HEADS, WIDEST / HEAD);
    (1..=most).rev().find(|&heads| width.is_multiple_of(heads)).unwrap_or(1)
}

fn wider(model: &ModelConfig) -> usize {
    model.encoder_width().max(model.decoder_width())
}

fn deeper(model: &ModelConfig) -> usize {
    model.encoder_layers.max(model.decoder_layers)
}

/// The wider a model, the lower the learning rate that it bears.
fn lr(width: usize) -> f64 {
    match width {
        0..=64 => 6e-3,
        65..=128 => 2e-3,
        129..=256 => 1e-3,
        _ => 5e-4,
    }
}

/// Chooses batches, limits and validations for a model of some width; returns the updates of an epoch.
fn schedule(train: &mut TrainConfig, open: &Open<'_>, corpus: &Corpus, width: usize) -> usize {
    let pairs = (LEAST_PAIRS * corpus.longer) as usize;
    let batch = tier_of(corpus.train).max_tokens.max(pairs).next_power_of_two();
    open.put("max_tokens", &mut train.max_tokens, batch);
    open.put("lr", &mut train.lr, lr(width));
    let tokens = corpus.train as f64 * corpus.longer;
    let update = FILLED * train.max_tokens as f64 * train.update_freq as f64;
    let epoch = (tokens / update).ceil().max(1.0) as usize;
    let wanted = wanted_updates(corpus.train);
    let epochs = ((wanted / epoch as f64).ceil() as usize).clamp(2, MOST_EPOCHS);
    open.put("max_epoch", &mut train.max_epoch, if train.max_update > 0 { 0 } else { epochs });
    let updates = limit(train, epoch).unwrap_or(wanted as usize);
    open.put("warmup_updates", &mut train.warmup_updates, warmup(updates));
    let most = (updates / epoch / 5).max(1);
    open.put("validate_interval", &mut train.validate_interval, (VALIDATED / epoch).clamp(1, most));
    let between = if epoch > MOST_UNVALIDATED { MOST_UNVALIDATED as u64 / 2 } else { 0 };
    open.put("validate_interval_updates", &mut train.validate_interval_updates, between);
    let translated = if corpus.valid > TRANSLATED { TRANSLATED } else { 0 };
    open.put("valid_bleu_sentences", &mut train.valid_bleu_sentences, translated);
    open.put("beam", &mut train.beam, 1);
    epoch
}

/// The most updates that a training may have, if they are limited.
fn limit(train: &TrainConfig, epoch: usize) -> Option<usize> {
    let epochs = Some(train.max_epoch.saturating_mul(epoch)).filter(|&updates| updates > 0);
    let updates = usize::try_from(train.max_update).ok().filter(|&updates| updates > 0);
    epochs.into_iter().chain(updates).min()
}

/// A sixth of all updates, and no more than the literature has.
fn warmup(updates: usize) -> u64 {
    let sixth = (updates / 6).clamp(1, 4000);
    (if sixth > 100 { sixth / 50 * 50 } else { sixth }) as u64
}
