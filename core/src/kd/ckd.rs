//! Combinatorial Knowledge Distillation (Wu et al., 2020): each layer of the student follows several layers of the
//! teacher together.
//!
//! The term of a side is the mean over its tokens and the student's layers of `|s / |s| - t / |t||^2`, where `s` is the
//! student's projected state and `t` the concatenation of the states of a group of the teacher's layers. The authors'
//! code sums in place of the means.
//!
//! Their code can compare attention scores too: the term of an attention is the mean over queries, heads and the
//! student's layers of the sum over the keys that a query sees of the squared difference of the scaled scores before the
//! softmax, from evenly spaced layers of the teacher. The authors' code sums over queries and layers, counts the queries
//! of padding, and needs equal numbers of heads; here the model with fewer heads repeats each of its heads.

use super::auxiliary::{Auxiliary, Projection, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::Grouping;
use crate::backend::{StateForm, StateLoss, Train};
use crate::config::{Config, Impossible};
use crate::needs::Needs;
use crate::params::Spec;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The term of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ckd {
    /// The stack that is compared.
    pub side: Side,
    /// The teacher's layers for each layer of the student.
    pub groups: Grouping,
    /// The weight of the mean.
    pub weight: f32,
    /// The weight of the scores of the side's attentions, in the decoder of both; 0 if they are not compared.
    pub attention: f32,
}

impl Ckd {
    /// The terms, weighted: the states of encoder and decoder, the scores of encoder, decoder and cross-attention.
    pub const NAMES: [Named; 5] = [
        Named { name: "ckd_encoder", title: "Encoder states", note: "ckd_encoder, weighted" },
        Named { name: "ckd_decoder", title: "Decoder states", note: "ckd_decoder, weighted" },
        Named {
            name: "ckd_encoder_scores",
            title: "Encoder attention scores",
            note: "ckd_encoder_scores, weighted",
        },
        Named {
            name: "ckd_decoder_scores",
            title: "Decoder attention scores",
            note: "ckd_decoder_scores, weighted",
        },
        Named {
            name: "ckd_cross_scores",
            title: "Cross-attention scores",
            note: "ckd_cross_scores, weighted",
        },
    ];

    /// The data that the term needs.
    pub(super) const fn needs(&self) -> Needs {
        Needs { hidden: true, projections: self.attention > 0.0, ..Needs::NONE }
    }

    /// The attentions whose scores are compared.
    fn kinds(&self) -> impl Iterator<Item = usize> + use<> {
        match self.side {
            _ if self.attention == 0.0 => 0..0,
            Side::Encoder => 0..1,
            Side::Decoder => 1..3,
        }
    }

    /// The names of the terms that are on.
    pub(super) fn names(&self) -> impl Iterator<Item = Named> + use<> {
        let states = core::iter::once(Self::NAMES[self.side as usize]);
        states.chain(self.kinds().map(|kind| Self::NAMES[2 + kind]))
    }

    const fn slot(&self, number: usize) -> Slot {
        Slot { method: "ckd", side: self.side, fixed: false, number }
    }

    pub(super) fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        self.groups.check("ckd", self.side, student, teacher)
    }

    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        let (own, theirs) = (self.side.of(student), self.side.of(teacher));
        let projection = |number| {
            let group = self.groups.of(number, own.layers, theirs.layers);
            Projection::new(self.slot(number), group.len() * theirs.d_model, own.d_model)
        };
        all.projections.extend((0..own.layers).map(projection));
    }

    /// Computes the term on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let states = of.states(self.side);
        let [students, teachers] = states.layers();
        let weight = f64::from(self.weight) / (states.tokens * students).max(1) as f64;
        let how = StateLoss { form: StateForm::Direction, pooled: false, weight: weight as f32 };
        let theirs = |layer| self.groups.of(layer - 1, students, teachers).iter();
        let slot = |layer| self.slot(layer - 1);
        let sum = states.follow(tape, of.auxiliary, 1..=students, slot, theirs, how);
        let mut terms =
            Vec::from([Counted { name: Self::NAMES[self.side as usize].name, sum, weight }]);
        terms.extend(self.kinds().map(|kind| {
            let heads = of.heads(kind);
            let weight = f64::from(self.attention)
                / (states.tokens * students * heads[0].max(heads[1])).max(1) as f64;
            let sum = of.follow_scores(tape, kind, weight as f32);
            Counted { name: Self::NAMES[2 + kind].name, sum, weight }
        }));
        terms
    }
}
