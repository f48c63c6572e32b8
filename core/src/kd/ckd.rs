//! Combinatorial Knowledge Distillation (Wu et al., 2020): each layer of the student follows several layers of the
//! teacher together.
//!
//! The term of a side is the mean over its tokens and the student's layers of `|s / |s| - t / |t||^2`, where `s` is the
//! student's projected state and `t` the concatenation of the states of a group of the teacher's layers. The authors'
//! code sums in place of the means.

use super::auxiliary::{Auxiliary, Projection, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::Grouping;
use crate::backend::{StateForm, StateLoss, Train};
use crate::config::{Config, Impossible};
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
}

impl Ckd {
    /// The terms of both sides, weighted.
    pub const NAMES: [Named; 2] = [
        Named { name: "ckd_encoder", title: "Encoder states", note: "ckd_encoder, weighted" },
        Named { name: "ckd_decoder", title: "Decoder states", note: "ckd_decoder, weighted" },
    ];

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
        [Counted { name: Self::NAMES[self.side as usize].name, sum, weight }].into()
    }
}
