//! Patient Knowledge Distillation (Sun et al., 2019): each layer of the student follows a layer of the teacher.
//!
//! The term of a side is the mean over its tokens and the pairs of layers of `|s / |s| - t / |t||^2`, where `s` is the
//! student's state and `t` the teacher's. Layers are evenly spaced. The paper also divides by the width, which is the
//! same term with another weight, and compares one token of each sentence. A student of another width is projected.

use super::auxiliary::{Auxiliary, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::spaced;
use crate::backend::{StateForm, StateLoss, Train};
use crate::config::{Config, Impossible};
use crate::params::Spec;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The term of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pkd {
    /// The stack that is compared.
    pub side: Side,
    /// Whether the student's last layer is left out, as in the paper.
    pub inner: bool,
    /// The weight of the mean.
    pub weight: f32,
}

impl Pkd {
    /// The terms of both sides, weighted.
    pub const NAMES: [Named; 2] = [
        Named { name: "pkd_encoder", title: "Encoder states", note: "pkd_encoder, weighted" },
        Named { name: "pkd_decoder", title: "Decoder states", note: "pkd_decoder, weighted" },
    ];

    const fn slot(&self, number: usize) -> Slot {
        Slot { method: "pkd", side: self.side, fixed: false, number }
    }

    /// The number of pairs of layers.
    const fn pairs(&self, students: usize) -> usize {
        if self.inner { students.saturating_sub(1) } else { students }
    }

    pub(super) fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        let found = [self.side.of(student).layers, self.side.of(teacher).layers];
        let why = "without its last layer the student has none to compare";
        let empty = self.pairs(found[0]) == 0;
        if empty { Err(Impossible::Pair { method: "pkd", why, found }) } else { Ok(()) }
    }

    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        let (own, theirs) = (self.side.of(student), self.side.of(teacher));
        let slots = (0..self.pairs(own.layers)).map(|number| self.slot(number));
        all.fit(slots, theirs.d_model, own.d_model);
    }

    /// Computes the term on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let states = of.states(self.side);
        let [students, teachers] = states.layers();
        let pairs = self.pairs(students);
        let weight = f64::from(self.weight) / (states.tokens * pairs).max(1) as f64;
        let how = StateLoss { form: StateForm::Direction, pooled: false, weight: weight as f32 };
        let theirs = |layer| [spaced(layer, students, teachers)];
        let slot = |layer| self.slot(layer - 1);
        let sum = states.follow(tape, of.auxiliary, 1..=pairs, slot, theirs, how);
        [Counted { name: Self::NAMES[self.side as usize].name, sum, weight }].into()
    }
}
