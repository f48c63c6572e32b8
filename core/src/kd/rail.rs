//! RAIL-KD (Haidar et al., 2022): the student's layers follow layers of the teacher that are drawn in each epoch.
//!
//! The drawn layers, ascending, are paired with the student's first layers. With the means over a sentence's tokens of
//! the projected states, `u` and `v`, the term of a side is the mean over sentences of `|u / |u| - v / |v||^2`: of each
//! pair, summed over pairs, or of the concatenation of all. The teacher's projections are not trained: with both sides
//! trained, the loss could be 0 without the student.

use super::auxiliary::{Auxiliary, Projection, Side, Slot};
use super::inputs::{Counted, Inputs, Named};
use super::layers::{LayerSet, States, total};
use crate::backend::{Backend, StateForm, StateLoss, Train};
use crate::config::{Config, Stack};
use crate::params::{Init, Spec};
use crate::rng;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// Which states are projected together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RailForm {
    /// Each layer has a projection and a difference of its own.
    Layerwise,
    /// All layers are concatenated; there is one difference.
    Concatenated,
}

/// The teacher's layers of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Drawn anew in each epoch, from this seed.
    Seed(u64),
    /// Always these.
    Given(LayerSet),
}

/// The term of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rail {
    /// The stack that is compared.
    pub side: Side,
    /// Which states are projected together.
    pub form: RailForm,
    /// The width of the projections.
    pub width: usize,
    /// The teacher's layers.
    pub draw: Draw,
    /// The weight of the mean over sentences.
    pub weight: f32,
}

impl Rail {
    /// The terms of both sides, weighted.
    pub const NAMES: [Named; 2] = [
        Named { name: "rail_encoder", title: "Encoder states", note: "rail_encoder, weighted" },
        Named { name: "rail_decoder", title: "Decoder states", note: "rail_decoder, weighted" },
    ];

    /// The names of the drawn layers of both sides in logs.
    pub const DRAWN: [&str; 2] = ["rail_encoder_layers", "rail_decoder_layers"];

    const fn slot(&self, fixed: bool, number: usize) -> Slot {
        Slot { method: "rail", side: self.side, fixed, number }
    }

    /// The teacher's layers of `epoch`, as many as the student has, of `teachers`.
    pub fn layers(&self, epoch: u64, students: usize, teachers: usize) -> LayerSet {
        let seed = match self.draw {
            Draw::Given(layers) => return layers,
            Draw::Seed(seed) => rng::derive(rng::derive(seed, self.side as u64), epoch),
        };
        let mut order: Vec<_> = (1..=teachers).map(|l| (rng::bits(seed, l as u32), l)).collect();
        order.sort_unstable();
        LayerSet::of(order.into_iter().take(students).map(|(_, layer)| layer))
    }

    /// Pairs of layers for models of these depths.
    fn pairs(&self, students: usize, teachers: usize) -> usize {
        match self.draw {
            Draw::Given(layers) => layers.len(),
            Draw::Seed(_) => students.min(teachers),
        }
    }

    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        let (own, theirs) = (self.side.of(student), self.side.of(teacher));
        let pairs = self.pairs(own.layers, theirs.layers);
        let kept = match self.form {
            RailForm::Layerwise => theirs.layers,
            RailForm::Concatenated => pairs,
        };
        let mut add = |fixed, of: &Stack, count| {
            let part = |n| match self.form {
                RailForm::Layerwise => Projection::new(self.slot(fixed, n), self.width, of.d_model),
                RailForm::Concatenated => {
                    let init = Init::fan_in(pairs * of.d_model);
                    let slot = self.slot(fixed, n);
                    Projection::part(slot, self.width, of.d_model, init, n == 0)
                }
            };
            all.projections.extend((0..count).map(part));
        };
        add(false, own, pairs);
        add(true, theirs, kept);
    }

    /// Computes the term on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let states = of.states(self.side);
        let [students, teachers] = states.layers();
        let layers = self.layers(of.epoch, students, teachers);
        let weight = f64::from(self.weight) / of.update.sentences.max(1) as f64;
        let how = StateLoss { form: StateForm::Direction, pooled: true, weight: weight as f32 };
        let pairs: Vec<_> = layers.iter().enumerate().collect();
        let each = match self.form {
            RailForm::Layerwise => 1,
            RailForm::Concatenated => pairs.len().max(1),
        };
        let values: Vec<_> = pairs
            .chunks(each)
            .map(|pairs| {
                let (own, theirs) = self.project(tape, of, &states, pairs);
                tape.state_loss(&own, &[&theirs], states.grid, how)
            })
            .collect();
        let name = Self::NAMES[self.side as usize].name;
        [Counted { name, sum: total(tape, values), weight }].into()
    }

    /// The sums over pairs of the projected states of student and teacher.
    fn project<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
        states: &States<'_, B>,
        pairs: &[(usize, usize)],
    ) -> (Var<B::Tensor>, B::Tensor) {
        let (mut own, mut theirs): (Option<Var<B::Tensor>>, Option<B::Tensor>) = (None, None);
        for &(number, layer) in pairs {
            let map = of.auxiliary.projection(self.slot(false, number));
            let u = map.forward(tape, &states.student[number + 1]);
            own = Some(match own {
                Some(sum) => tape.add(sum, &u),
                None => u,
            });
            let number = if self.form == RailForm::Layerwise { layer - 1 } else { number };
            let map = of.auxiliary.projection(self.slot(true, number));
            let bias = map.bias.as_ref().map(|bias| &bias.value);
            let b = tape.backend();
            let v = b.linear(&states.teacher[layer], &map.weight.value, bias);
            theirs = Some(match theirs {
                Some(sum) => b.add(sum, &v),
                None => v,
            });
        }
        own.zip(theirs).expect("a pair of layers")
    }
}
