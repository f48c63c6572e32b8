//! Lines of text through a text model.

use crate::translate::{MOST_TOKENS, Translator, Watch};
use a2d_core::backend::{Decode, Train};
use a2d_core::batch::{Batch, Layout};
use a2d_core::config::{Config, Head, Output};
use a2d_core::kd;
use a2d_data::vocab::{EOS, Vocab};
use a2d_run::model::Model;
use a2d_system::error::{Error, Result};
use std::cmp::Reverse;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most padded tokens of a batch.
pub(super) const BATCH: usize = 4096;

/// The most numbers of texts that are in memory at a time, where all of them are not needed together.
const NUMBERS: usize = 1 << 22;

/// The numbers that a model makes of a text: one for each label, or the elements of a vector.
pub fn width(config: &Config) -> usize {
    config.head.map_or(0, |head| head.output.width())
}

/// What a text model makes of several texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The numbers of a text: its labels, or the width of vectors.
    pub width: usize,
    /// `[texts, width]`: logits of labels, or vectors of length 1.
    pub values: Vec<f32>,
    /// The texts that were longer than the model reads, and were cut.
    pub cut: usize,
}

impl Read {
    /// The most texts that are read at a time, of so many numbers each.
    pub(super) fn most(width: usize) -> usize {
        (NUMBERS / width.max(1)).max(1)
    }

    /// The numbers of each text.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// A text model with its vocabulary.
pub struct Reader<T> {
    /// The model.
    pub model: Model<T>,
    /// Its vocabulary, and its labels.
    pub vocab: Vocab,
    /// Number of parameters.
    pub size: usize,
}

impl<T: Clone> Reader<T> {
    /// Opens the best checkpoint of a run of a text model.
    ///
    /// # Errors
    ///
    /// Misuse: the run is incomplete or damaged, or translates.
    pub fn open<B: Train<Tensor = T, Param = T>>(b: &mut B, folder: &Path) -> Result<Self> {
        let Translator { model, vocab, size, .. } = Translator::open(b, folder)?;
        if model.config.head.is_none() {
            let text = "translates: it has neither labels nor vectors of texts";
            return Err(Error::misuse(format!("{} {text}", folder.display())));
        }
        Ok(Self { model, vocab, size })
    }
}

/// The most tokens of a text, BOS and EOS included.
pub fn longest<P>(model: &Model<P>) -> usize {
    match model.config.embedding.positions {
        0 => MOST_TOKENS,
        rows => rows.min(MOST_TOKENS),
    }
}

/// Reads lines. Those that are too long for the model are cut. `done` is called with the number of texts of each finished
/// batch.
///
/// # Errors
///
/// The device was lost; the errors of `done`.
pub fn read_lines<B: Decode, S: AsRef<str>>(
    b: &mut B,
    model: &Model<B::Param>,
    vocab: &Vocab,
    lines: &[S],
    done: &Watch<'_>,
) -> Result<Read> {
    let (mut encoder, longest) = (vocab.source().encoder(), longest(model));
    let (mut texts, mut cut, mut buffer) = (Vec::with_capacity(lines.len()), 0, String::new());
    for line in lines {
        let mut ids = Vec::new();
        let most = longest.saturating_sub(2);
        let line = encoder.normalization().apply(line.as_ref(), &mut buffer);
        cut += usize::from(encoder.encode_text(line, most, &mut ids)? > most);
        ids.push(EOS);
        texts.push(ids);
    }
    Ok(Read { cut, ..read_tokens(b, model, &texts, done)? })
}

/// [`read_lines`] of texts that are tokens, BOS and EOS included.
///
/// # Errors
///
/// As [`read_lines`].
pub fn read_tokens<B: Decode>(
    b: &mut B,
    model: &Model<B::Param>,
    texts: &[Vec<u32>],
    done: &Watch<'_>,
) -> Result<Read> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&i| Reverse(texts[i].len()));
    let batches = batches(&order, texts, b.workers());
    let width = width(&model.config);
    let values = Mutex::new(Ok(vec![0.0; texts.len() * width]));
    b.share(batches.len(), &|b, number| {
        if locked(&values).is_err() {
            return;
        }
        let batch = batches[number];
        let rows = read_batch(b, model, &batch.iter().map(|&i| &texts[i][..]).collect::<Vec<_>>());
        let rows = rows.and_then(|rows| done(batch.len()).map(|()| rows));
        let mut values = locked(&values);
        match (values.as_mut(), rows) {
            (Ok(values), Ok(rows)) => batch
                .iter()
                .zip(rows.chunks_exact(width))
                .for_each(|(&i, row)| values[i * width..][..width].copy_from_slice(row)),
            (Ok(_), Err(e)) => *values = Err(e),
            (Err(_), _) => {}
        }
    });
    let values = values.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Ok(Read { width, values, cut: 0 })
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The batches of texts in `order`, longest first: none is larger than a worker's share.
fn batches<'a>(mut order: &'a [usize], texts: &[Vec<u32>], workers: usize) -> Vec<&'a [usize]> {
    let share = order.len().div_ceil(workers.max(1));
    let mut batches = Vec::new();
    while let Some(&first) = order.first() {
        let most = BATCH / texts[first].len().max(1);
        let (batch, rest) = order.split_at(most.min(share).clamp(1, order.len()));
        batches.push(batch);
        order = rest;
    }
    batches
}

/// Logits of labels or vectors of one batch, row by row.
fn read_batch<B: Decode>(b: &mut B, model: &Model<B::Param>, texts: &[&[u32]]) -> Result<Vec<f32>> {
    let labels = vec![&[0][..]; texts.len()];
    let all = 0..texts.len();
    let batch = Batch::of_model(b, &model.config, (texts, &labels), all, Layout::Packed);
    let pooled = kd::forward(model, b, &batch, &mut ());
    let labelled = matches!(model.config.head, Some(Head { output: Output::Labels(_), .. }));
    let rows = if labelled { model.logits(b, &pooled) } else { model.vectors(b, pooled) };
    let mut values = vec![0.0; b.shape(&rows).len()];
    b.read(&rows, &mut values)?;
    if !labelled {
        values.chunks_exact_mut(b.shape(&rows).cols()).for_each(normalise);
    }
    Ok(values)
}

/// Divides a vector by its length. A vector of zeros stays.
fn normalise(row: &mut [f32]) {
    let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}
