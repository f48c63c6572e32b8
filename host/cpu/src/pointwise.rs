//! Elementwise operations.

use super::team::{Team, vectorised};
use super::tensor::Tensor;
use a2d_core::config::Activation;
use a2d_core::rng::Mask;
use a2d_core::rows;

/// Elements per piece of work.
pub const CHUNK: usize = 1 << 14;

/// `f(x)`
pub fn activate(team: &Team, mut x: Tensor, f: Activation) -> Tensor {
    team.each(x.data_mut().chunks_mut(CHUNK), |x| {
        vectorised(
            #[inline(always)]
            || rows::activate(x, f),
        );
    });
    x
}

/// `f' dy`. `y` is the output for relu and the input for gelu.
pub fn activate_grad(team: &Team, mut dy: Tensor, y: &Tensor, f: Activation) -> Tensor {
    pairs(team, &mut dy, y, |dy, y| {
        vectorised(
            #[inline(always)]
            || rows::activate_grad(dy, y, f),
        );
    });
    dy
}

/// `x + y`
pub fn add(team: &Team, mut x: Tensor, y: &Tensor) -> Tensor {
    pairs(team, &mut x, y, |x, y| {
        vectorised(
            #[inline(always)]
            || rows::axpy(1.0, y, x),
        );
    });
    x
}

/// `x * s`
pub fn scale(team: &Team, mut x: Tensor, s: f32) -> Tensor {
    team.each(x.data_mut().chunks_mut(CHUNK), |x| {
        vectorised(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x *= s),
        );
    });
    x
}

/// Multiplies element `i` by `mask.factor(i)`.
pub fn mask(team: &Team, mut x: Tensor, mask: Mask) -> Tensor {
    team.each(x.data_mut().chunks_mut(CHUNK).enumerate(), |(chunk, x)| {
        let first = (chunk * CHUNK) as u32;
        vectorised(
            #[inline(always)]
            || {
                for (i, x) in x.iter_mut().enumerate() {
                    *x *= mask.factor(first.wrapping_add(i as u32));
                }
            },
        );
    });
    x
}

fn pairs(team: &Team, x: &mut Tensor, y: &Tensor, f: impl Fn(&mut [f32], &[f32]) + Sync) {
    assert_eq!(x.shape(), y.shape(), "two tensors, element by element");
    team.each(x.data_mut().chunks_mut(CHUNK).zip(y.data().chunks(CHUNK)), |(x, y)| f(x, y));
}
