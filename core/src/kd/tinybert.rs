//! TinyBERT (Jiao et al., 2020): attention scores, and the embeddings and hidden states of all layers.
//!
//! The term of the states of a side is the sum over the embeddings and the student's layers of the mean over tokens and
//! width of `(W s + b - t)^2`, with one projection for all. The term of an attention is the sum over the student's
//! layers of the mean over heads, and over queries and the keys that they see, of the squared difference of the scaled
//! scores before the softmax. Layers are evenly spaced. The model with fewer heads repeats each of its heads.

use super::auxiliary::{Auxiliary, Projection, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::spaced;
use crate::backend::{StateForm, StateLoss, Train};
use crate::config::Config;
use crate::params::Spec;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The terms and their weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TinyBert {
    /// Whether the encoder is compared.
    pub encoder: bool,
    /// Whether the decoder is compared.
    pub decoder: bool,
    /// Whether the scores of cross-attention are compared.
    pub cross: bool,
    /// Whether hidden states are compared.
    pub states: bool,
    /// Whether attention scores are compared.
    pub scores: bool,
    /// The weight of all means.
    pub weight: f32,
}

impl TinyBert {
    /// The terms, weighted: the states of encoder and decoder, the scores of encoder, decoder and cross-attention.
    pub const NAMES: [Named; 5] = [
        Named {
            name: "tinybert_encoder",
            title: "Encoder states",
            note: "tinybert_encoder, weighted",
        },
        Named {
            name: "tinybert_decoder",
            title: "Decoder states",
            note: "tinybert_decoder, weighted",
        },
        Named {
            name: "tinybert_encoder_scores",
            title: "Encoder attention scores",
            note: "tinybert_encoder_scores, weighted",
        },
        Named {
            name: "tinybert_decoder_scores",
            title: "Decoder attention scores",
            note: "tinybert_decoder_scores, weighted",
        },
        Named {
            name: "tinybert_cross_scores",
            title: "Cross-attention scores",
            note: "tinybert_cross_scores, weighted",
        },
    ];

    const fn slot(side: Side) -> Slot {
        Slot { method: "tinybert", side, fixed: false, number: 0 }
    }

    /// The sides whose states are compared.
    fn sides(&self) -> impl Iterator<Item = Side> + use<> {
        let on = [self.states && self.encoder, self.states && self.decoder];
        Side::BOTH.into_iter().zip(on).filter_map(|(side, on)| on.then_some(side))
    }

    /// The attentions whose scores are compared.
    fn kinds(&self) -> impl Iterator<Item = usize> + use<> {
        let (on, scores) = ([self.encoder, self.decoder, self.cross], self.scores);
        (0..3).filter(move |&kind| scores && on[kind])
    }

    /// The names of the terms that are on.
    pub(super) fn names(&self) -> impl Iterator<Item = Named> + use<> {
        let states = self.sides().map(|side| Self::NAMES[side as usize]);
        states.chain(self.kinds().map(|kind| Self::NAMES[2 + kind]))
    }

    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        let projection = |side: Side| {
            let [out, input] = [teacher, student].map(|config| side.of(config).d_model);
            Projection::new(Self::slot(side), out, input)
        };
        all.projections.extend(self.sides().map(projection));
    }

    /// Computes the terms on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let states = self.sides().map(|side| self.compare_states(tape, of, side));
        let mut terms: Vec<_> = states.collect();
        terms.extend(self.kinds().map(|kind| self.compare_scores(tape, of, kind)));
        terms
    }

    fn compare_states<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
        side: Side,
    ) -> Counted<B::Tensor> {
        let states = of.states(side);
        let [students, teachers] = states.layers();
        let width = tape.backend().shape(&states.teacher[0]).cols();
        let weight = f64::from(self.weight) / (states.tokens * width).max(1) as f64;
        let how = StateLoss { form: StateForm::Square, pooled: false, weight: weight as f32 };
        let theirs = |layer| [spaced(layer, students, teachers)];
        let slot = |_| Self::slot(side);
        let sum = states.follow(tape, of.auxiliary, 0..=students, slot, theirs, how);
        Counted { name: Self::NAMES[side as usize].name, sum, weight }
    }

    fn compare_scores<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
        kind: usize,
    ) -> Counted<B::Tensor> {
        let heads = of.heads(kind);
        let entries = of.update.entries[kind] * heads[0].max(heads[1]);
        let weight = f64::from(self.weight) / entries.max(1) as f64;
        let sum = of.follow_scores(tape, kind, weight as f32);
        Counted { name: Self::NAMES[2 + kind].name, sum, weight }
    }
}
