//! Adam over all parameters in one call.

use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::AdamState;
use a2d_core::optim::AdamStep;
use a2d_core::rows;
use a2d_core::shape::Shape;

/// Elements per piece of work.
const CHUNK: usize = 1 << 14;

/// Number of squares summed in f32 before the sum continues in f64.
const SQUARES: usize = 1 << 9;

/// One Adam step. Returns the norm of the gradients after scaling, before clipping, `[1]`.
pub fn adam(team: &Team, pool: &Pool, state: AdamState<'_, Tensor>, step: &AdamStep) -> Tensor {
    let AdamState { params, grads, m, v } = state;
    assert!(params.len() == grads.len(), "adam: {} gradients", grads.len());
    assert!(params.len() == m.len() && params.len() == v.len(), "adam: moments");
    let norm = f64::from(step.scale) * norm(team, grads);
    let clip = f64::from(step.adam.clip_norm);
    let factor = if clip > 0.0 && norm > clip { clip / (norm + 1e-6) } else { 1.0 };
    let scale = (f64::from(step.scale) * factor) as f32;

    let mut pieces = Vec::new();
    for (((p, g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
        let len = p.shape().len();
        assert!([g.shape(), m.shape(), v.shape()].map(|s| s.len()) == [len; 3], "adam: shapes");
        let read = p.data_mut().chunks_mut(CHUNK).zip(g.data().chunks(CHUNK));
        let moments = m.data_mut().chunks_mut(CHUNK).zip(v.data_mut().chunks_mut(CHUNK));
        pieces.extend(read.zip(moments));
    }
    team.each(pieces, |((p, g), (m, v))| {
        vectorised(
            #[inline(always)]
            || rows::adam(p, g, m, v, step, scale),
        );
    });
    pool.filled(&[norm as f32], Shape::vector(1))
}

/// The L2 norm over all gradients.
fn norm(team: &Team, grads: &[Tensor]) -> f64 {
    let pieces = grads.iter().flat_map(|g| g.data().chunks(CHUNK));
    let sums = team.map(pieces, |g| {
        vectorised(
            #[inline(always)]
            || g.chunks(SQUARES).map(|g| f64::from(rows::dot(g, g))).sum::<f64>(),
        )
    });
    sums.iter().sum::<f64>().sqrt()
}
