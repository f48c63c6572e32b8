//! The loss of vectors of texts: their directions, and their distances to the other texts of a batch.

use super::inputs::{Counted, Inputs, Named};
use crate::backend::{RelationForm, RelationLoss, StateForm, StateLoss, Train};
use crate::batch::Batch;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// The student's vectors follow the teacher's:
///
/// `cosine (1 - cos(s, t)) + relations KL(softmax(t t^T / sqrt(W)) || softmax(s s^T / sqrt(W)))`
///
/// in means over texts. The rows of a softmax are the texts of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vectors {
    /// The weight of directions.
    pub cosine: f32,
    /// The weight of distances to the other texts.
    pub relations: f32,
}

impl Vectors {
    /// The values of the term.
    pub const NAMES: [Named; 2] = [
        Named { name: "cosine", title: "Directions", note: "1 - cosine, weighted" },
        Named { name: "relations", title: "Distances in the batch", note: "weighted" },
    ];

    /// The values that have a weight.
    pub(super) fn names(&self) -> impl Iterator<Item = Named> + use<> {
        let weights = [self.cosine, self.relations];
        Self::NAMES.into_iter().zip(weights).filter(|(_, weight)| *weight != 0.0).map(|(of, _)| of)
    }

    /// Half of the squared distance of unit vectors is `1 - cos`. `texts` are those of the update.
    fn directions(&self, texts: usize) -> (StateLoss, f64) {
        let weight = 0.5 * f64::from(self.cosine) / texts.max(1) as f64;
        (StateLoss { form: StateForm::Direction, pooled: false, weight: weight as f32 }, weight)
    }

    /// Computes the term on the tape.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        let Some((own, theirs)) = of.vectors else { return Vec::new() };
        let directions = (self.cosine != 0.0).then(|| {
            let (how, weight) = self.directions(of.update.sentences);
            let sum = tape.state_loss(own, &[theirs], &of.batch.decoder_grid, how);
            Counted { name: Self::NAMES[0].name, sum, weight }
        });
        let relations = (self.relations != 0.0).then(|| self.relate(tape, of, own, theirs));
        directions.into_iter().chain(relations).collect()
    }

    fn relate<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
        own: &Var<B::Tensor>,
        theirs: &B::Tensor,
    ) -> Counted<B::Tensor> {
        let share = of.batch.sentences as f64 / of.update.sentences.max(1) as f64;
        let weight = f64::from(self.relations) * share;
        let form = RelationForm::Divergence;
        let how = RelationLoss { form, heads: [1, 1], weight: weight as f32 };
        let sum = tape.relation_loss([own, own], [theirs, theirs], &of.batch.decoder_grid, how);
        Counted { name: Self::NAMES[1].name, sum, weight }
    }

    /// The directions alone, without a gradient, for validation.
    pub(super) fn evaluate<B: Train>(
        b: &mut B,
        batch: &Batch<B::Index>,
        own: &B::Tensor,
        theirs: &B::Tensor,
    ) -> Counted<B::Tensor> {
        let (how, weight) = Self { cosine: 1.0, relations: 0.0 }.directions(batch.sentences);
        let sum = b.state_loss(own, &[theirs], &batch.decoder_grid, how, false).value;
        Counted { name: Self::NAMES[0].name, sum, weight }
    }
}
