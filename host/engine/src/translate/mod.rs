//! Translation of text.

pub(crate) mod batch;
mod engine;
pub mod image;
pub mod lengths;
pub mod lines;
pub mod packed;
pub mod saved;
pub mod sink;
pub mod source;
mod units;
pub(crate) mod window;

use a2d_core::backend::{self, Decode};
use a2d_core::search::Search;
use a2d_data::vocab::{EOS, Vocab};
use a2d_run::config::{BeamSearch, TrainConfig};
use a2d_run::model::{Model, core_config, model_size, plan, take_all};
use a2d_run::opened::Opened;
use a2d_system::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest source line and longest translation, in tokens. Longer lines are cut with a warning, because attention maps
/// grow with the square of the length.
pub const MOST_TOKENS: usize = 1024;

/// Default batch size in tokens.
pub const MOST_BATCH: usize = 4096;

/// Search and batch options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchOptions {
    /// Beam and length penalty.
    pub search: Search,
    /// Longest translation: `max_length_a` times the length of the source (EOS included) ...
    pub max_length_a: f64,
    /// ... plus `max_length_b`.
    pub max_length_b: f64,
    /// Largest batch in padded tokens: hypotheses times the longest sentence.
    pub max_tokens: usize,
    /// Number of translations of each line.
    pub n_best: usize,
}

impl SearchOptions {
    /// Options for `n_best` translations of each line in batches of `max_tokens` tokens.
    pub fn new(search: BeamSearch, max_tokens: usize, n_best: usize) -> Self {
        let BeamSearch { beam, length_penalty, max_length_a, max_length_b } = search;
        let search = Search { beam, length_penalty: length_penalty as f32, ..Search::GREEDY };
        Self { search, max_length_a, max_length_b, max_tokens, n_best }
    }

    /// The search options used in validation.
    pub fn of(train: &TrainConfig) -> Self {
        Self::new(train.search(), MOST_BATCH, 1)
    }

    /// Longest translation in tokens for a source of `source` tokens, EOS included.
    pub fn max_length(&self, source: usize) -> usize {
        ((self.max_length_a * source as f64 + self.max_length_b) as usize).clamp(1, MOST_TOKENS)
    }
}

/// One translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids without EOS.
    pub tokens: Vec<u32>,
    /// Log-probability divided by length to the power of the length penalty.
    pub score: f32,
}

/// What is called with the number of sentences that were just finished. Its error ends the work.
pub type Watch<'a> = dyn Fn(usize) -> Result<()> + Sync + 'a;

/// Translates sentences of token ids, each ended by EOS. Returns the hypotheses of each sentence, best first, in the
/// order of `sources`. `done` is called with the number of sentences of each finished batch.
///
/// # Errors
///
/// The device was lost; the errors of `done`.
pub fn translate_tokens<B: Decode>(
    b: &mut B,
    model: &Model<B::Param>,
    sources: &[Vec<u32>],
    options: &SearchOptions,
    done: &Watch<'_>,
) -> Result<Vec<Vec<Hypothesis>>> {
    let order = longest_first(sources);
    let batches = batches(&order, sources, options, b.workers());
    let found = Mutex::new(Ok(vec![Vec::new(); sources.len()]));
    b.share(batches.len(), &|b, number| {
        if locked(&found).is_err() {
            return;
        }
        let batch = batches[number];
        let sources: Vec<&[u32]> = batch.iter().map(|&i| &sources[i][..]).collect();
        let best = batch::search(b, model, &sources, options, &mut || {});
        let best = best.and_then(|best| done(batch.len()).map(|()| best));
        let mut found = locked(&found);
        match (found.as_mut(), best) {
            (Ok(found), Ok(best)) => batch.iter().zip(best).for_each(|(&i, best)| found[i] = best),
            (Ok(_), Err(e)) => *found = Err(e),
            (Err(_), _) => {}
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The numbers of the sentences, by length.
fn longest_first(sources: &[Vec<u32>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(sources[i].len()));
    order
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The batches of sentences in `order`, longest first: none is larger than the options say, or than a worker's share.
fn batches<'a>(
    mut order: &'a [usize],
    sources: &[Vec<u32>],
    options: &SearchOptions,
    workers: usize,
) -> Vec<&'a [usize]> {
    let share = order.len().div_ceil(workers);
    let mut batches = Vec::new();
    while let Some(&first) = order.first() {
        let longest = sources[first].len().max(1);
        let most = options.max_tokens / (longest * options.search.beam);
        let (batch, rest) = order.split_at(most.min(share).clamp(1, order.len()));
        batches.push(batch);
        order = rest;
    }
    batches
}

/// A model with its vocabulary.
pub struct Translator<T> {
    /// The model.
    pub model: Model<T>,
    /// Its vocabulary.
    pub vocab: Vocab,
    /// Number of parameters.
    pub size: usize,
    /// Fingerprint of the weights.
    pub fingerprint: String,
    /// Length of the longest source sentence in training, in tokens, if the checkpoint states it.
    pub longest: Option<usize>,
}

/// A translation as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Translation {
    /// The translated line.
    pub text: String,
    /// See [`Hypothesis::score`].
    pub score: f32,
}

/// The translations of several lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// The translations of each line, best first. A blank line has one empty translation.
    pub lines: Vec<Vec<Translation>>,
    /// Number of tokens in the best translations, EOS included.
    pub tokens: usize,
    /// Length of each source line in tokens, before the cut to [`MOST_TOKENS`].
    pub lengths: Vec<usize>,
}

impl<T: Clone> Translator<T> {
    /// Opens the best checkpoint of a run.
    ///
    /// # Errors
    ///
    /// Misuse: the run is incomplete or damaged.
    pub fn open<B: backend::Train<Tensor = T, Param = T>>(
        b: &mut B,
        folder: &Path,
    ) -> Result<Self> {
        let opened = Opened::new(folder)?;
        let longest = opened.longest_source();
        let Opened { run, vocab, saved } = opened;
        let fingerprint = saved.fingerprint();
        let plan = plan(&core_config(&run.model, run.task, vocab.sizes()), None)?;
        let params = take_all(b, &plan, saved)?;
        let size = model_size(&plan);
        Ok(Self { model: plan.bind(params).model, vocab, size, fingerprint, longest })
    }
}

/// Translates lines. A line that is blank, or becomes empty under normalisation, gives a blank translation.
///
/// # Errors
///
/// The device was lost; no translation was found; the errors of `done`.
pub fn translate_lines<B: Decode, S: AsRef<str> + Sync>(
    b: &mut B,
    model: &Model<B::Param>,
    vocab: &Vocab,
    lines: &[S],
    options: &SearchOptions,
    done: &Watch<'_>,
) -> Result<Translated> {
    search_lines(b, model, vocab, lines, options, done)?.checked()
}

/// [`translate_lines`], where a line may have no translation.
fn search_lines<B: Decode, S: AsRef<str> + Sync>(
    b: &mut B,
    model: &Model<B::Param>,
    vocab: &Vocab,
    lines: &[S],
    options: &SearchOptions,
    done: &Watch<'_>,
) -> Result<Translated> {
    let search = Search { forbidden: vocab.target().forbidden(), ..options.search };
    let options = SearchOptions { search, ..*options };
    let find = |mut sources: Vec<Vec<u32>>| {
        sources.iter_mut().for_each(|source| source.push(EOS));
        translate_tokens(b, model, &sources, &options, done)
    };
    let sources = vocab.source().encode_batch(lines)?;
    translate_encoded(lines, sources, find, |tokens| vocab.target().decode(tokens))
}

impl Translated {
    /// Checks that each line has a translation.
    fn checked(self) -> Result<Self> {
        match self.lines.iter().position(Vec::is_empty) {
            Some(line) => Err(not_found(line + 1)),
            None => Ok(self),
        }
    }
}

fn not_found(line: usize) -> Error {
    let text = "no translation found: the weights are too large, or contain NaN";
    Error::failed(format!("line {line}: {text}"))
}

/// Translates lines already encoded as `sources` without EOS. Blank lines stay blank, long lines are cut to
/// `MOST_TOKENS - 1` tokens, and `decode` turns the hypotheses that `find` returns for the rest into text.
fn translate_encoded<S: AsRef<str>>(
    lines: &[S],
    mut sources: Vec<Vec<u32>>,
    find: impl FnOnce(Vec<Vec<u32>>) -> Result<Vec<Vec<Hypothesis>>>,
    decode: impl Fn(&[u32]) -> Result<String>,
) -> Result<Translated> {
    let filled: Vec<usize> = (0..lines.len())
        .filter(|&i| !lines[i].as_ref().trim().is_empty() && !sources[i].is_empty())
        .collect();
    let lengths = sources.iter().map(Vec::len).collect();
    sources.iter_mut().for_each(|source| source.truncate(MOST_TOKENS - 1));
    let sources = filled.iter().map(|&i| std::mem::take(&mut sources[i])).collect();
    let found = find(sources)?;

    let blank = vec![Translation { text: String::new(), score: 0.0 }];
    let mut out = Translated { lines: vec![blank; lines.len()], tokens: 0, lengths };
    for (i, hypotheses) in filled.into_iter().zip(found) {
        out.tokens += hypotheses.first().map_or(0, |h| h.tokens.len() + 1);
        let text = |h: Hypothesis| Ok(Translation { text: decode(&h.tokens)?, score: h.score });
        out.lines[i] = hypotheses.into_iter().map(text).collect::<Result<_>>()?;
    }
    Ok(out)
}
