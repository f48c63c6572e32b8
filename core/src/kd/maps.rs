//! The attention terms: named choices, and how they are counted in.

use super::inputs::{Counted, Inputs, Named};
use crate::backend::{MapLoss, Normalisation, Target, Train};
use crate::batch::Layout;
use crate::tape::Tape;
use alloc::vec::Vec;

/// What a sum over maps is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nothing.
    Sum,
    /// The number of sentences.
    Sentence,
    /// The number of real queries times the number of teacher maps.
    Row,
}

/// The named choices of the attention terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapTerms {
    /// Over what a map is a distribution.
    pub normalisation: Normalisation,
    /// The teacher's distribution.
    pub target: Target,
    /// Padding and the causal triangle take no part.
    pub masked: bool,
    /// What the sum is divided by.
    pub reduction: Reduction,
    /// Encoder self-attention counts.
    pub encoder: bool,
    /// Decoder self-attention counts.
    pub decoder: bool,
    /// Cross-attention counts.
    pub cross: bool,
    /// The weight in the first epoch.
    pub beta: f32,
    /// Multiplies the weight after each epoch.
    pub decay: f32,
}

impl MapTerms {
    /// The authors' choices, to the letter.
    pub const OFFICIAL: Self = Self {
        normalisation: Normalisation::Map,
        target: Target::Softmax,
        masked: false,
        reduction: Reduction::Sum,
        encoder: true,
        decoder: true,
        cross: true,
        beta: 1.0,
        decay: 0.9,
    };

    /// Without padding and future, per sentence.
    pub const MASKED: Self =
        Self { masked: true, reduction: Reduction::Sentence, ..Self::OFFICIAL };

    /// Each query's row is a distribution, and the teacher's is taken as it is.
    pub const ROWS: Self = Self {
        normalisation: Normalisation::Row,
        target: Target::Probabilities,
        masked: true,
        reduction: Reduction::Row,
        ..Self::OFFICIAL
    };

    /// The weights of encoder, decoder and cross terms in `epoch` (from 1), before any reduction.
    pub fn weights(&self, epoch: u64) -> [f32; 3] {
        let w = self.beta * libm::powf(self.decay, epoch.saturating_sub(1) as f32);
        let half = if self.decoder && self.cross { 0.5 } else { 1.0 };
        let of = |on: bool, factor: f32| if on { w * factor } else { 0.0 };
        [of(self.encoder, 1.0), of(self.decoder, half), of(self.cross, half)]
    }
}

impl MapTerms {
    /// Its numbers, weighted: encoder, decoder, cross.
    pub const NAMES: [Named; 3] = [
        Named { name: "kl_encoder", title: "Encoder attention", note: "kl_encoder, weighted" },
        Named { name: "kl_decoder", title: "Decoder attention", note: "kl_decoder, weighted" },
        Named { name: "kl_cross", title: "Cross-attention", note: "kl_cross, weighted" },
    ];

    /// Padding matters only to terms that look at it.
    pub(super) fn layout(&self) -> Layout {
        if self.masked { Layout::Packed } else { Layout::Padded }
    }

    /// Counts the terms of the aligned maps in, each with its weight.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let (batch, update, teacher) = (of.batch, of.update, of.teacher);
        let aligned = of.align.map(|align| align.forward(tape, of.student, batch));
        let kinds = [
            (&teacher.encoder, &batch.encoder_grid, update.source_tokens),
            (&teacher.decoder, &batch.decoder_grid, update.target_tokens),
            (&teacher.cross, &batch.cross_grid, update.target_tokens),
        ];
        let weights = self.weights(of.epoch);
        let mut term = |kind: usize| {
            let (maps, grid, rows) = kinds[kind];
            let aligned = &aligned.as_ref().filter(|_| weights[kind] != 0.0)?[kind];
            let heads = maps.iter().map(|m| tape.backend().shape(m).rows()).sum::<usize>();
            let count = match self.reduction {
                Reduction::Sum => 1,
                Reduction::Sentence => update.sentences,
                Reduction::Row => rows * heads,
            };
            let weight = f64::from(weights[kind]) / count.max(1) as f64;
            let how = MapLoss {
                normalisation: self.normalisation,
                target: self.target,
                masked: self.masked,
                weight: weight as f32,
            };
            Some((tape.map_loss(aligned, maps, grid, how), weight))
        };
        (0..3).map(|kind| (Self::NAMES[kind].name, term(kind))).collect()
    }
}
