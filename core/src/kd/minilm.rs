//! MiniLM and MiniLMv2 (Wang et al., 2020 and 2021): relations between the tokens of a sentence in one layer.
//!
//! A relation is the softmax of scaled products of queries, keys or values, head by head. The term of an attention is
//! the mean over sentences, queries and heads of `KL(teacher || student)`, summed over its relations: queries with keys
//! and values with values in version 1; queries, keys and values each with themselves in version 2, divided into as many
//! heads as wanted. Models may have any widths. In the decoder's self-attention no token is related to later ones; the
//! queries of cross-attention are those of the target, its keys and values those of the source.

use super::inputs::{Counted, Inputs, Named};
use super::layers::total;
use crate::backend::{RelationForm, RelationLoss, Train};
use crate::batch::{Batch, Grid};
use crate::config::{Config, Impossible, Stack};
use crate::nn::Projections;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The relations that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MiniLM: queries with keys, values with values; the heads are those of the models.
    One,
    /// MiniLMv2: queries, keys and values with themselves, in this number of relation heads; 0: the teacher's number
    /// of heads.
    Two(usize),
}

/// The terms and their weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MiniLm {
    /// The relations that are compared.
    pub version: Version,
    /// The teacher's layer, from 1; 0 is the last. The student's is its last.
    pub layer: usize,
    /// Whether encoder self-attention is compared.
    pub encoder: bool,
    /// Whether decoder self-attention is compared.
    pub decoder: bool,
    /// Whether cross-attention is compared.
    pub cross: bool,
    /// The weight of all means.
    pub weight: f32,
}

impl MiniLm {
    /// The terms, weighted: encoder, decoder, cross.
    pub const NAMES: [Named; 3] = [
        Named {
            name: "minilm_encoder",
            title: "Encoder relations",
            note: "minilm_encoder, weighted",
        },
        Named {
            name: "minilm_decoder",
            title: "Decoder relations",
            note: "minilm_decoder, weighted",
        },
        Named { name: "minilm_cross", title: "Cross relations", note: "minilm_cross, weighted" },
    ];

    /// The attentions that are compared.
    fn kinds(&self) -> impl Iterator<Item = usize> + use<> {
        let on = [self.encoder, self.decoder, self.cross];
        (0..3).filter(move |&kind| on[kind])
    }

    /// The names of the terms that are on.
    pub(super) fn names(&self) -> impl Iterator<Item = Named> + use<> {
        self.kinds().map(|kind| Self::NAMES[kind])
    }

    /// The heads of both models' relations.
    fn heads(&self, own: usize, theirs: usize) -> [usize; 2] {
        match self.version {
            Version::One => [own, theirs],
            Version::Two(0) => [theirs; 2],
            Version::Two(heads) => [heads; 2],
        }
    }

    pub(super) fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        for kind in self.kinds() {
            let stack = |config: &Config| if kind == 0 { config.encoder } else { config.decoder };
            let (own, theirs) = (stack(student), stack(teacher));
            let heads = self.heads(own.attention_heads, theirs.attention_heads);
            let uneven = |of: Stack, heads| !of.d_model.is_multiple_of(heads);
            let (why, found) = if heads[0] != heads[1] {
                ("version 1 needs equal numbers of attention heads", heads)
            } else if uneven(own, heads[0]) || uneven(theirs, heads[1]) {
                ("`relation_heads` does not divide both widths", [own.d_model, theirs.d_model])
            } else if self.layer > theirs.layers {
                ("the teacher lacks the layer `layer`", [own.layers, theirs.layers])
            } else {
                continue;
            };
            return Err(Impossible::Pair { method: "minilm", why, found });
        }
        Ok(())
    }

    /// Computes the terms on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        self.kinds().map(|kind| self.compare(tape, of, kind)).collect()
    }

    fn compare<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
        kind: usize,
    ) -> Counted<B::Tensor> {
        let (own, theirs) = (of.student.projections_of(kind), of.teacher.projections_of(kind));
        let last = if self.layer == 0 { theirs.len() } else { self.layer };
        let (own, theirs) = (own[own.len() - 1], theirs[last - 1]);
        let heads = self.heads(own.heads, theirs.heads);
        let weight = f64::from(self.weight) / (of.update.sentences * heads[0]).max(1) as f64;
        let how = RelationLoss { form: RelationForm::Divergence, heads, weight: weight as f32 };
        let (queries, keys) = grids(of.batch, kind);
        let mut relation = |left: Part, right: Part, grid: &Grid<B::Index>| {
            let student = [left.of(own), right.of(own)];
            let teacher = [left.of(theirs), right.of(theirs)];
            tape.relation_loss(student, teacher, grid, how)
        };
        let (q, k, v) = (Part::Queries, Part::Keys, Part::Values);
        let first = match self.version {
            Version::One => Vec::from([relation(q, k, of.batch.grid(kind))]),
            Version::Two(_) => Vec::from([relation(q, q, &queries), relation(k, k, &keys)]),
        };
        let values: Vec<_> = first.into_iter().chain([relation(v, v, &keys)]).collect();
        Counted { name: Self::NAMES[kind].name, sum: total(tape, values), weight }
    }
}

/// One side of a relation.
#[derive(Clone, Copy)]
enum Part {
    Queries,
    Keys,
    Values,
}

impl Part {
    fn of<T>(self, all: &Projections<T>) -> &T {
        match self {
            Self::Queries => &all.q,
            Self::Keys => &all.kv.k,
            Self::Values => &all.kv.v,
        }
    }
}

/// The grids of an attention's queries with each other, and of its keys with each other.
fn grids<I: Clone>(batch: &Batch<I>, kind: usize) -> (Grid<I>, Grid<I>) {
    let (encoder, decoder) = (&batch.encoder_grid, &batch.decoder_grid);
    match kind {
        0 => (encoder.clone(), encoder.clone()),
        1 => (decoder.clone(), decoder.clone()),
        _ => (Grid { causal: false, ..decoder.clone() }, encoder.clone()),
    }
}
