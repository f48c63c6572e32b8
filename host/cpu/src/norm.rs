//! Layer normalisation and its gradients.

use super::linear::fold_rows;
use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::{LayerNorm, NormGrad};
use a2d_core::rows;

/// Rows per piece of work.
const CHUNK: usize = 64;

/// Normalises each row, multiplies by `gain` and adds `bias`.
pub fn layer_norm(team: &Team, pool: &Pool, x: &Tensor, norm: LayerNorm<'_, Tensor>) -> Tensor {
    let LayerNorm { gain, bias, epsilon } = norm;
    let cols = check(x, gain);
    assert_eq!(cols, bias.shape().len(), "layer_norm: x {}, bias {}", x.shape(), bias.shape());
    let mut y = pool.tensor(x.shape());
    let (gain, bias, size) = (gain.data(), bias.data(), CHUNK * cols);
    team.each(y.data_mut().chunks_mut(size).zip(x.data().chunks(size)), |(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(cols).zip(x.chunks_exact(cols)) {
                    rows::layer_norm(x, gain, bias, epsilon, y);
                }
            },
        );
    });
    y
}

/// Gradients of [`layer_norm`].
pub fn layer_norm_grad(
    team: &Team,
    pool: &Pool,
    dy: &Tensor,
    x: &Tensor,
    LayerNorm { gain, epsilon, .. }: LayerNorm<'_, Tensor>,
) -> NormGrad<Tensor> {
    let cols = check(x, gain);
    assert_eq!(dy.shape(), x.shape(), "layer_norm_grad");
    let mut dx = pool.tensor(x.shape());
    let size = CHUNK * cols;
    let chunks = x.data().chunks(size);
    let mut dgain = pool.take(chunks.len() * cols);
    let mut dbias = pool.take(chunks.len() * cols);
    let sums = dgain.chunks_mut(cols).zip(dbias.chunks_mut(cols));
    let pieces = dx.data_mut().chunks_mut(size).zip(dy.data().chunks(size)).zip(chunks).zip(sums);
    let gain = gain.data();
    team.each(pieces, |(((dx, dy), x), (dgain, dbias))| {
        vectorised(
            #[inline(always)]
            || {
                dgain.fill(0.0);
                dbias.fill(0.0);
                let given = dy.chunks_exact(cols).zip(x.chunks_exact(cols));
                for (dx, (dy, x)) in dx.chunks_exact_mut(cols).zip(given) {
                    rows::layer_norm_grad(dy, x, gain, epsilon, dx, dgain, dbias);
                }
            },
        );
    });
    NormGrad { gain: fold_rows(pool, &dgain, cols), bias: fold_rows(pool, &dbias, cols), x: dx }
}

fn check(x: &Tensor, gain: &Tensor) -> usize {
    let cols = x.shape().cols();
    assert!(cols > 0 && cols == gain.shape().len(), "layer_norm: {}, {}", x.shape(), gain.shape());
    cols
}
