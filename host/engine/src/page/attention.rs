//! Attention maps of teacher and students on the same sentences.

use crate::train::objective;
use a2d_core::backend::{Normalisation, Train};
use a2d_core::batch::{Batch, Layout};
use a2d_core::kd::{Align, HeadMix, MapTerms, Term, elements, forward};
use a2d_core::nn::Trace;
use a2d_core::shape::Shape;
use a2d_data::vocab::{EOS, Subwords, Vocab};
use a2d_report::alignment::{Frame, KINDS};
use a2d_report::numbers::{base64, bytes, digits, rounded};
use a2d_run::config::RunConfig;
use a2d_run::model::Model;
use a2d_system::error::{Error, Result};
use serde_json::{Map, Value, json};

/// Largest and smallest number of tokens shown of a sentence.
const TOKENS: (usize, usize) = (40, 6);

/// Bytes of attention maps on a page, before base64.
const MOST_BYTES: usize = 3 << 20;

/// Tokens shown of each sentence when every sentence has `maps` attention maps.
pub fn tokens_shown(maps: usize, sentences: usize) -> usize {
    let area = MOST_BYTES / (maps * sentences).max(1);
    area.isqrt().clamp(TOKENS.1, TOKENS.0)
}

/// Token ids of a sentence and of its translation, or of a text and its label; the last is EOS, except of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    source: Vec<u32>,
    target: Vec<u32>,
    /// Whether tokens were cut off the end of either side.
    cut: bool,
}

impl TokenPair {
    /// Encodes both lines, each cut to `most` tokens with EOS.
    ///
    /// # Errors
    ///
    /// Misuse: a line of 4 GiB or more.
    pub fn new(vocab: &Vocab, source: &str, target: &str, most: usize) -> Result<Self> {
        let mut cut = false;
        let mut side = |side: &dyn Subwords, line: &str| {
            let mut ids = side.encode(line)?;
            cut |= ids.len() >= most;
            ids.truncate(most - 1);
            ids.push(EOS);
            Ok::<_, Error>(ids)
        };
        let (source, target) = (side(vocab.source(), source)?, side(vocab.target(), target)?);
        Ok(Self { source, target, cut })
    }

    /// Encodes a text for a text model, cut to `most` tokens with BOS and EOS. The label is of no account.
    ///
    /// # Errors
    ///
    /// Misuse: a line of 4 GiB or more.
    pub fn text(vocab: &Vocab, text: &str, most: usize) -> Result<Self> {
        let (mut encoder, mut source) = (vocab.source().encoder(), Vec::new());
        let (most, mut buffer) = (most.saturating_sub(2), String::new());
        let text = encoder.normalization().apply(text, &mut buffer);
        let cut = encoder.encode_text(text, most, &mut source)? > most;
        source.push(EOS);
        Ok(Self { source, target: vec![0], cut })
    }

    /// Lengths of source and target, in tokens.
    fn size(&self) -> (usize, usize) {
        (self.source.len(), self.target.len())
    }
}

/// The texts of tokens.
fn texts(side: &dyn Subwords, ids: &[u32]) -> Value {
    ids.iter().map(|&id| side.piece(id).unwrap_or("?")).collect()
}

/// The maps of one kind of attention, `[M, T, S]`.
#[derive(Debug, Clone, PartialEq)]
struct Maps {
    count: usize,
    /// Heads of a layer; all maps if they have no layers.
    heads: usize,
    values: Vec<f32>,
    /// `(T, S)`: queries and keys.
    size: (usize, usize),
}

impl Maps {
    fn read<B: Train>(b: &mut B, layers: &[B::Tensor], size: (usize, usize)) -> Result<Self> {
        let heads = layers.first().map_or(0, |map| b.shape(map).rows());
        let values = elements(b, &layers.iter().collect::<Vec<_>>())?;
        Ok(Self { count: layers.len() * heads, heads, values, size })
    }

    /// Maps as bytes 0 to 255. Probabilities span 0 to 1; other values span each map's own minimum to maximum.
    fn json(&self, probabilities: bool) -> Value {
        let (queries, keys) = self.size;
        let (mut data, mut ranges) = (Vec::new(), Vec::new());
        for map in self.values.chunks((queries * keys).max(1)) {
            let least = map.iter().copied().fold(f32::INFINITY, f32::min);
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (low, high) = if probabilities { (0.0, 1.0) } else { (least, most) };
            data.extend(bytes(map.iter().copied(), low, high));
            ranges.push(json!([rounded(low.into()), rounded(high.into())]));
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

    /// For each map, the KL divergence from the teacher's row to the student's row in nats, averaged over queries.
    /// `None` if the shapes or the number of maps differ.
    fn divergences(&self, teacher: &Self) -> Option<Vec<Value>> {
        let (queries, keys) = self.size;
        let area = (queries * keys).max(1);
        let term = |(&own, &theirs): (&f32, &f32)| match theirs > 0.0 {
            true => f64::from(theirs) * f64::from(theirs / own.max(f32::MIN_POSITIVE)).ln(),
            false => 0.0,
        };
        let maps = self.values.chunks(area).zip(teacher.values.chunks(area));
        let all = maps.map(|(own, theirs)| own.iter().zip(theirs).map(term).sum::<f64>());
        let fits = self.size == teacher.size && self.count == teacher.count;
        fits.then(|| all.map(|sum| digits(sum / queries.max(1) as f64, 3)).collect())
    }

    /// Applies a softmax to each query's row. A causal row ends at the diagonal.
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

/// The kinds of attention that a model has, by name, each with something of it.
type Kinds<T> = Vec<(&'static str, T)>;

/// The maps of `trace`, of encoder, decoder and cross-attention.
fn layers<T>(trace: &Trace<T>) -> [&[T]; 3] {
    [&trace.encoder, &trace.decoder, &trace.cross]
}

/// Reads the maps of a sentence with `source` and `target` tokens.
fn read<B: Train>(
    b: &mut B,
    trace: &Trace<B::Tensor>,
    (source, target): (usize, usize),
) -> Result<Kinds<Maps>> {
    let sizes = [(source, source), (target, target), (target, source)];
    let all = KINDS.iter().zip(layers(trace).into_iter().zip(sizes));
    let there = all.filter(|(_, (layers, _))| !layers.is_empty());
    there.map(|((name, _), (layers, size))| Ok((*name, Maps::read(b, layers, size)?))).collect()
}

/// The maps as JSON.
fn json_of(kinds: &Kinds<Maps>, probabilities: bool) -> Kinds<Value> {
    kinds.iter().map(|(name, maps)| (*name, maps.json(probabilities))).collect()
}

/// One model and one sentence pair whose attention maps are shown.
pub struct View<'a, B: Train> {
    /// The model.
    pub model: &'a Model<B::Tensor>,
    /// The run's configuration.
    pub run: &'a RunConfig,
    /// The learned head alignment.
    pub alignment: Option<&'a Frame>,
    /// The teacher that the alignment was learned against.
    pub teacher: Option<&'a Model<B::Tensor>>,
    /// The sentence pair.
    pub pair: &'a TokenPair,
    /// The model's vocabulary.
    pub vocab: &'a Vocab,
}

impl<B: Train> View<'_, B> {
    /// The model's attention maps, followed by the aligned maps if there is an alignment.
    ///
    /// # Errors
    ///
    /// The device was lost.
    pub fn json(&self, b: &mut B) -> Result<Vec<Value>> {
        let TokenPair { source, target, .. } = self.pair;
        let (config, pair) = (&self.model.config, (&[&source[..]][..], &[&target[..]][..]));
        let batch = Batch::of_model(b, config, pair, 0..1, Layout::Packed);
        let mut trace = Trace::maps();
        forward(self.model, b, &batch, &mut trace);
        let own = read(b, &trace, self.pair.size())?;
        let mut views = vec![self.view(false, json_of(&own, true))];
        if let Some(align) = self.alignment.and_then(|frame| align(b, frame, &trace)) {
            let terms = self.terms();
            align.mix(b, &mut trace, &batch, terms.input);
            let mixed = read(b, &trace, self.pair.size())?;
            let kinds = match terms.normalisation {
                Normalisation::Row => self.compared(b, &batch, mixed)?,
                Normalisation::Map => json_of(&mixed, false),
            };
            views.push(self.view(true, kinds));
        }
        Ok(views)
    }

    /// The terms that the alignment was learned for.
    fn terms(&self) -> MapTerms {
        let maps = |term: &Term| if let Term::Maps(maps) = term { Some(*maps) } else { None };
        objective(self.run).terms.iter().find_map(maps).unwrap_or(MapTerms::OFFICIAL)
    }

    /// Aligned maps after the row softmax, with their divergences from the teacher's maps.
    fn compared(
        &self,
        b: &mut B,
        batch: &Batch<B::Index>,
        mut mixed: Kinds<Maps>,
    ) -> Result<Kinds<Value>> {
        mixed.iter_mut().for_each(|(name, maps)| maps.normalise(*name == "decoder"));
        let mut kinds = json_of(&mixed, true);
        if let Some(teacher) = self.teacher {
            let mut trace = Trace::maps();
            forward(teacher, b, batch, &mut trace);
            let theirs = read(b, &trace, self.pair.size())?;
            for (((_, kind), (_, mixed)), (_, theirs)) in kinds.iter_mut().zip(&mixed).zip(&theirs)
            {
                kind["divergence"] = json!(mixed.divergences(theirs));
            }
        }
        Ok(kinds)
    }

    fn view(&self, aligned: bool, kinds: Kinds<Value>) -> Value {
        let TokenPair { source, target, cut } = self.pair;
        let mut view = Map::from_iter([
            ("aligned".to_owned(), json!(aligned)),
            ("cut".to_owned(), json!(cut)),
            ("source".to_owned(), texts(self.vocab.source(), source)),
        ]);
        if self.model.config.head.is_none() {
            let start = [self.model.config.special.start];
            let inputs: Vec<u32> =
                start.iter().chain(&target[..target.len() - 1]).copied().collect();
            view.insert("inputs".to_owned(), texts(self.vocab.target(), &inputs));
            view.insert("target".to_owned(), texts(self.vocab.target(), target));
        }
        view.extend(kinds.into_iter().map(|(name, maps)| (name.to_owned(), maps)));
        Value::Object(view)
    }
}

/// Uploads the alignment to the device. `None` if its sizes do not fit the maps of `trace`.
fn align<B: Train>(b: &mut B, frame: &Frame, trace: &Trace<B::Tensor>) -> Option<Align<B::Tensor>> {
    let count =
        |layers: &[B::Tensor]| -> usize { layers.iter().map(|map| b.shape(map).rows()).sum() };
    let mut kinds = frame.kinds.iter().zip(layers(trace).map(count));
    let fits = kinds.all(|(kind, maps)| kind.first().map_or(0, Vec::len) == maps);
    let mut mix = |kind: usize| {
        let rows = &frame.kinds[kind];
        if rows.is_empty() {
            return None;
        }
        let values: Vec<f32> = rows.iter().flatten().map(|&x| x as f32).collect();
        let (teacher, student) = (rows.len(), rows[0].len());
        Some(HeadMix {
            weight: b.tensor(&values, Shape::matrix(teacher, student)),
            // The softmax is invariant to a constant added to a whole map.
            bias: b.tensor(&vec![0.0; teacher], Shape::vector(teacher)),
        })
    };
    fits.then_some(())?;
    Some(Align { encoder: mix(0)?, decoder: mix(1), cross: mix(2) })
}
