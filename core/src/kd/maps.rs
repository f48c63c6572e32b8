//! The attention terms of Align-to-Distill.

use super::inputs::{Counted, Inputs, Named};
use super::mapping::Mapping;
use crate::backend::{MapInput, MapLoss, Normalisation, Target, Train};
use crate::batch::Layout;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The divisor of a sum over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// 1: the plain sum.
    Sum,
    /// The number of sentences.
    Sentence,
    /// The number of unpadded queries times the number of teacher maps.
    Row,
}

/// The optimiser of parameters beside the student.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnOptimiser {
    /// The factor of the learning rate.
    pub rate: f64,
    /// The weight decay; `None`: the student's.
    pub weight_decay: Option<f64>,
}

/// The options of the attention terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapTerms {
    /// The student maps that a teacher map is compared with.
    pub mapping: Mapping,
    /// What is mixed of the student's maps.
    pub input: MapInput,
    /// The alignment module's optimiser, where it differs from the student's.
    pub optimiser: Option<OwnOptimiser>,
    /// The entries of a map that form one distribution.
    pub normalisation: Normalisation,
    /// The teacher's distribution.
    pub target: Target,
    /// Whether padding and future keys are left out.
    pub masked: bool,
    /// The divisor of the sum.
    pub reduction: Reduction,
    /// Whether encoder self-attention is a term.
    pub encoder: bool,
    /// Whether decoder self-attention is a term.
    pub decoder: bool,
    /// Whether cross-attention is a term.
    pub cross: bool,
    /// The weight in the first epoch.
    pub beta: f32,
    /// The factor of the weight after each epoch.
    pub decay: f32,
}

impl MapTerms {
    /// The options of the authors' code.
    pub const OFFICIAL: Self = Self {
        mapping: Mapping::Learned,
        input: MapInput::Probabilities,
        optimiser: None,
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

    /// Without padding and future keys; the sum is divided by the number of sentences.
    pub const MASKED: Self =
        Self { masked: true, reduction: Reduction::Sentence, ..Self::OFFICIAL };

    /// Each query's row is a distribution: a mixture of scores on the student's side, probabilities on the teacher's.
    pub const ROWS: Self = Self {
        input: MapInput::Scores,
        normalisation: Normalisation::Row,
        target: Target::Probabilities,
        masked: true,
        reduction: Reduction::Row,
        ..Self::OFFICIAL
    };

    /// The weights of the encoder, decoder and cross terms in `epoch` (from 1), before the reduction.
    pub fn weights(&self, epoch: u64) -> [f32; 3] {
        let w = self.beta * libm::powf(self.decay, epoch.saturating_sub(1) as f32);
        let half = if self.decoder && self.cross { 0.5 } else { 1.0 };
        let of = |on: bool, factor: f32| if on { w * factor } else { 0.0 };
        [of(self.encoder, 1.0), of(self.decoder, half), of(self.cross, half)]
    }
}

impl MapTerms {
    /// The terms, weighted: encoder, decoder, cross.
    pub const NAMES: [Named; 3] = [
        Named { name: "kl_encoder", title: "Encoder attention", note: "kl_encoder, weighted" },
        Named { name: "kl_decoder", title: "Decoder attention", note: "kl_decoder, weighted" },
        Named { name: "kl_cross", title: "Cross-attention", note: "kl_cross, weighted" },
    ];

    /// The layout of batches: only terms without a mask need padding.
    pub(super) fn layout(&self) -> Layout {
        if self.masked { Layout::Packed } else { Layout::Padded }
    }

    /// Computes the terms of the aligned maps on the tape, each with its weight.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let (batch, update, teacher) = (of.batch, of.update, of.teacher);
        let fixed = of.fixed.map(|maps| maps.constant(tape));
        let align = fixed.as_ref().or(of.auxiliary.align.as_ref());
        let aligned = align.map(|align| align.forward(tape, of.student, batch, self.input));
        let kinds = [
            (&teacher.encoder, &batch.encoder_grid, update.source_tokens),
            (&teacher.decoder, &batch.decoder_grid, update.target_tokens),
            (&teacher.cross, &batch.cross_grid, update.target_tokens),
        ];
        let weights = self.weights(of.epoch);
        let mut term = |kind: usize| {
            let (maps, grid, rows) = kinds[kind];
            let aligned = aligned.as_ref().filter(|_| weights[kind] != 0.0)?[kind].as_ref()?;
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
            let sum = tape.map_loss(aligned, maps, grid, how);
            Some(Counted { name: Self::NAMES[kind].name, sum, weight })
        };
        (0..3).filter_map(&mut term).collect()
    }
}
