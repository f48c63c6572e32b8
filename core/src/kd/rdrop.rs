//! R-Drop (arXiv 2106.14448): two passes of the student with different dropout masks agree on the next word.

use super::inputs::Named;
use crate::backend::{TeacherRows, Train};
use crate::rows::TokenRow;
use crate::tape::{Tape, Var};

/// The option of the term: `weight (KL(p || q) + KL(q || p)) / 2`, a mean over target tokens. Cross-entropy and the
/// teacher's words are means over both passes; the terms of other methods compare the first pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RDrop {
    /// The weight of the term.
    pub weight: f32,
}

impl RDrop {
    /// The term, weighted.
    pub const NAMES: [Named; 1] =
        [Named { name: "r_drop", title: "Agreement of two passes", note: "r_drop, weighted" }];

    /// Adds the gradients of the term for both `passes` (`[N, D]`) under the output projection. Returns the values of
    /// [`Train::token_loss`], whose `kd` is the plain sum of the divergence.
    pub fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        passes: [&Var<B::Tensor>; 2],
        output: (&Var<B::Tensor>, Option<&Var<B::Tensor>>),
        targets: &B::Index,
        per_token: f64,
    ) -> B::Tensor {
        let row = TokenRow::two_passes((f64::from(self.weight) * per_token) as f32);
        // The divergence is symmetric: each call adds the gradients of one side.
        let [one, other] = [passes, [passes[1], passes[0]]].map(|[own, other]| {
            let table = &output.0.value;
            let bias = output.1.map(|bias| &bias.value);
            let other = TeacherRows { hidden: &other.value, table, bias };
            tape.token_loss(own, output, Some(other), targets, row)
        });
        drop(other);
        one
    }
}
