//! ALP-KD (Passban et al., 2021): each layer of the student follows a mixture of the teacher's layers, weighted by
//! attention of the student's state to the teacher's.
//!
//! The term of a side is the sum over the student's layers of the mean over its tokens and the width of `(s - c)^2`,
//! `c = sum_i a_i t_i`, `a = softmax(scale s . t_i)`. A student of another width is projected.

use super::auxiliary::{Auxiliary, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::Grouping;
use crate::backend::{StateForm, StateLoss, Train};
use crate::config::{Config, Impossible};
use crate::math::sqrt;
use crate::params::Spec;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The term of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alp {
    /// The stack that is compared.
    pub side: Side,
    /// The teacher's layers that each layer of the student attends to.
    pub groups: Grouping,
    /// Whether products are divided by the square root of the width. Without it, states of unit variance attend to one
    /// layer alone.
    pub scaled: bool,
    /// Whether the weights of the mixture are constants in the gradient.
    pub detached: bool,
    /// The weight of the sum of means.
    pub weight: f32,
}

impl Alp {
    /// The terms of both sides, weighted.
    pub const NAMES: [Named; 2] = [
        Named { name: "alp_encoder", title: "Encoder states", note: "alp_encoder, weighted" },
        Named { name: "alp_decoder", title: "Decoder states", note: "alp_decoder, weighted" },
    ];

    const fn slot(&self, number: usize) -> Slot {
        Slot { method: "alp", side: self.side, fixed: false, number }
    }

    pub(super) fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        self.groups.check("alp-kd", self.side, student, teacher)
    }

    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        let (own, theirs) = (self.side.of(student), self.side.of(teacher));
        all.fit((0..own.layers).map(|number| self.slot(number)), theirs.d_model, own.d_model);
    }

    /// Computes the term on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let states = of.states(self.side);
        let [students, teachers] = states.layers();
        let width = tape.backend().shape(&states.teacher[0]).cols();
        let weight = f64::from(self.weight) / (states.tokens * width).max(1) as f64;
        let scale = if self.scaled { 1.0 / sqrt(width as f32) } else { 1.0 };
        let form = StateForm::Mixture { scale, detached: self.detached };
        let how = StateLoss { form, pooled: false, weight: weight as f32 };
        let theirs = |layer| self.groups.of(layer - 1, students, teachers).iter();
        let slot = |layer| self.slot(layer - 1);
        let sum = states.follow(tape, of.auxiliary, 1..=students, slot, theirs, how);
        [Counted { name: Self::NAMES[self.side as usize].name, sum, weight }].into()
    }
}
