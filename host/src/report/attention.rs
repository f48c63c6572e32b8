//! Attention maps of teacher and students on the same sentences.

use super::alignment::{Frame, KINDS};
use super::numbers::{base64, bytes};
use crate::config::Run;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::train::objective;
use crate::vocab::{EOS, Vocab};
use a2d_core::backend::{Normalisation, Train};
use a2d_core::batch::{Batch, Layout};
use a2d_core::kd::{Align, HeadMix, elements, forward};
use a2d_core::nn::Trace;
use a2d_core::shape::Shape;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Tokens of a sentence that are shown, at most and at least.
const TOKENS: (usize, usize) = (40, 6);

/// Bytes of maps on a page, before they are written as text.
const MOST_BYTES: usize = 3 << 20;

/// How many tokens of each sentence are shown where `maps` maps come of every one.
pub fn tokens_shown(maps: usize, sentences: usize) -> usize {
    let area = MOST_BYTES / (maps * sentences).max(1);
    area.isqrt().clamp(TOKENS.1, TOKENS.0)
}

/// A sentence and its translation as tokens, each ended by EOS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    source: Vec<u32>,
    target: Vec<u32>,
    /// Tokens are missing at the end.
    cut: bool,
}

impl Pair {
    /// The first `most` tokens of both.
    ///
    /// Errors (misuse): a line of 4 GiB.
    pub fn new(vocab: &Vocab, source: &str, target: &str, most: usize) -> Result<Self> {
        let mut cut = false;
        let mut side = |line: &str| {
            let mut ids = vocab.encode(line)?;
            cut |= ids.len() >= most;
            ids.truncate(most - 1);
            ids.push(EOS);
            Ok::<_, Error>(ids)
        };
        let (source, target) = (side(source)?, side(target)?);
        Ok(Self { source, target, cut })
    }
}

/// The texts of tokens.
pub struct Pieces(HashMap<u64, String>);

impl Pieces {
    /// Of a vocabulary.
    pub fn new(vocab: &Vocab) -> Self {
        let document: Value = serde_json::from_slice(&vocab.to_bytes()).unwrap_or_default();
        let ids = document["model"]["vocab"].as_object();
        let piece = |(text, id): (&String, &Value)| Some((id.as_u64()?, text.clone()));
        Self(ids.into_iter().flatten().filter_map(piece).collect())
    }

    fn of(&self, ids: &[u32]) -> Value {
        ids.iter().map(|&id| self.0.get(&id.into()).map_or("?", String::as_str)).collect()
    }
}

/// The maps of one kind of attention, `[M, T, S]`.
#[derive(Debug, Clone, PartialEq)]
struct Maps {
    count: usize,
    /// Heads of a layer; all of them where layers mean nothing.
    heads: usize,
    values: Vec<f32>,
    /// Queries, keys.
    size: (usize, usize),
}

impl Maps {
    fn read<B: Train>(b: &mut B, layers: &[B::Tensor], size: (usize, usize)) -> Result<Self> {
        let heads = layers.first().map_or(0, |map| b.shape(map).rows());
        let values = elements(b, &layers.iter().collect::<Vec<_>>());
        let values = values.map_err(|e| Error::failed(e.to_string()))?;
        Ok(Self { count: layers.len() * heads, heads, values, size })
    }

    /// Probabilities 0 to 1 as bytes 0 to 255; of what are none, each map from its least to its largest value.
    fn json(&self, probabilities: bool) -> Value {
        let (queries, keys) = self.size;
        let (mut data, mut ranges) = (Vec::new(), Vec::new());
        for map in self.values.chunks((queries * keys).max(1)) {
            let least = map.iter().copied().fold(f32::INFINITY, f32::min);
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (low, high) = if probabilities { (0.0, 1.0) } else { (least, most) };
            data.extend(bytes(map.iter().copied(), low, high));
            ranges.push(json!([
                super::numbers::rounded(low.into()),
                super::numbers::rounded(high.into())
            ]));
        }
        json!({
            "count": self.count,
            "heads": self.heads,
            "rows": queries,
            "cols": keys,
            "data": base64(&data),
            "ranges": if probabilities { Value::Null } else { Value::Array(ranges) },
        })
    }

    /// Each query's row as the distribution that it is compared as; a causal one ends at the diagonal.
    fn normalise(&mut self, causal: bool) {
        let (queries, keys) = self.size;
        for (i, row) in self.values.chunks_mut(keys.max(1)).enumerate() {
            let seen = if causal { i % queries.max(1) + 1 } else { keys };
            let (row, unseen) = row.split_at_mut(seen.min(keys));
            unseen.fill(0.0);
            softmax(row);
        }
    }
}

fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

/// Where maps are looked at: the model and what it reads.
pub struct View<'a, B: Train> {
    /// The model.
    pub model: &'a Model<B::Tensor>,
    /// Its settings.
    pub run: &'a Run,
    /// What it learned to be mixed by.
    pub alignment: Option<&'a Frame>,
    /// The sentences.
    pub pair: &'a Pair,
    /// Their tokens.
    pub pieces: &'a Pieces,
}

impl<B: Train> View<'_, B> {
    /// The model's maps, and beside them, where it has an alignment, what the alignment makes of them.
    ///
    /// Errors: the device was lost.
    pub fn json(&self, b: &mut B) -> Result<Vec<Value>> {
        let Pair { source, target, .. } = self.pair;
        let batch = Batch::new(b, &[&source[..]], &[&target[..]], Layout::Packed);
        let mut trace = Trace::default();
        forward(self.model, b, &batch, &mut trace);
        let mut views = vec![self.view(b, &trace, None)?];
        if let Some(align) = self.alignment.and_then(|frame| align(b, frame, &trace)) {
            let mixed = align.mix(b, trace, &batch);
            let rows = objective(self.run).maps.map(|maps| maps.normalisation);
            views.push(self.view(b, &mixed, Some(rows == Some(Normalisation::Row)))?);
        }
        Ok(views)
    }

    /// `aligned`: whether aligned maps are compared row by row; nothing of the model's own.
    fn view(&self, b: &mut B, trace: &Trace<B::Tensor>, aligned: Option<bool>) -> Result<Value> {
        let Pair { source, target, cut } = self.pair;
        let (s, t) = (source.len(), target.len());
        let inputs: Vec<u32> = [EOS].iter().chain(&target[..t - 1]).copied().collect();
        let mut view = Map::new();
        view.insert("aligned".to_owned(), json!(aligned.is_some()));
        view.insert("by_row".to_owned(), json!(aligned));
        view.insert("cut".to_owned(), json!(cut));
        view.insert("source".to_owned(), self.pieces.of(source));
        view.insert("inputs".to_owned(), self.pieces.of(&inputs));
        view.insert("target".to_owned(), self.pieces.of(target));
        let kinds = [(&trace.encoder, (s, s)), (&trace.decoder, (t, t)), (&trace.cross, (t, s))];
        for (kind, (layers, size)) in kinds.into_iter().enumerate() {
            let mut maps = Maps::read(b, layers, size)?;
            if aligned == Some(true) {
                maps.normalise(kind == 1);
            }
            view.insert(KINDS[kind].0.to_owned(), maps.json(aligned != Some(false)));
        }
        Ok(Value::Object(view))
    }
}

/// The alignment on a device; nothing where it is not of these maps.
fn align<B: Train>(b: &mut B, frame: &Frame, trace: &Trace<B::Tensor>) -> Option<Align<B::Tensor>> {
    let count = |b: &mut B, layers: &[B::Tensor]| -> usize {
        layers.iter().map(|map| b.shape(map).rows()).sum()
    };
    let maps = [count(b, &trace.encoder), count(b, &trace.decoder), count(b, &trace.cross)];
    let fits = frame.kinds.iter().zip(maps).all(|(kind, maps)| kind[0].len() == maps);
    let mut mix = |kind: usize| {
        let rows = &frame.kinds[kind];
        let values: Vec<f32> = rows.iter().flatten().map(|&x| x as f32).collect();
        let (teacher, student) = (rows.len(), rows[0].len());
        HeadMix {
            weight: b.tensor(&values, Shape::matrix(teacher, student)),
            // A shift of a whole map changes nothing once it is a distribution.
            bias: b.tensor(&vec![0.0; teacher], Shape::vector(teacher)),
        }
    };
    fits.then(|| Align { encoder: mix(0), decoder: mix(1), cross: mix(2) })
}
