//! Adam over all parameters at once: one kernel updates the row that all of them lie in.

use super::copy::empty;
use super::cube::cube_sum;
use crate::context::{Context, launch};
use crate::grid::{UNITS, elements, units};
use crate::rounded::{RoundedCopy, write_rounded};
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::optim::AdamStep;
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// Elements whose squares one cube sums.
const ELEMENTS_PER_CUBE: usize = 16_384;

#[cube(launch)]
fn squares_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    let first = CUBE_POS * ELEMENTS_PER_CUBE;
    let mut sum = 0.0f32;
    for i in range_stepped(
        first + UNIT_POS as usize,
        min(first + ELEMENTS_PER_CUBE, x.len()),
        UNITS as usize,
    ) {
        sum += x[i] * x[i];
    }
    let sum = cube_sum(sum, UNITS as usize);
    if UNIT_POS == 0 && CUBE_POS < out.len() {
        out[CUBE_POS] = sum;
    }
}

/// The norm from the sums of squares, in one cube.
#[cube(launch)]
fn norm_kernel(squares: &Array<f32>, norm: &mut Array<f32>, scale: f32) {
    let mut sum = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, squares.len(), UNITS as usize) {
        sum += squares[i];
    }
    let sum = cube_sum(sum, UNITS as usize);
    if UNIT_POS == 0 {
        norm[0] = sum.sqrt() * scale.abs();
    }
}

/// `[1]`: the norm of `scale * x`.
pub(crate) fn norm(context: &Context, x: &View, scale: f32) -> Tensor {
    let parts = x.len.div_ceil(ELEMENTS_PER_CUBE).max(1);
    let sums = empty(context, Shape::vector(parts));
    let to = sums.view();
    launch!(context, squares_kernel(crate::grid::cubes(parts), units(), x.arg(), to.arg()));
    let norm = empty(context, Shape::vector(1));
    let (sums, to) = (to, norm.view());
    launch!(context, norm_kernel(elements(1), units(), sums.arg(), to.arg(), scale));
    norm
}

/// [`AdamStep`] as a kernel's argument.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Step {
    beta1: f32,
    beta2: f32,
    /// `1 - beta`, computed on the host.
    rest1: f32,
    rest2: f32,
    eps: f32,
    decay: f32,
    rate: f32,
    scale: f32,
    clip: f32,
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn adam_kernel<F: Float>(
    p: &mut Array<f32>,
    g: &Array<f32>,
    m: &mut Array<f32>,
    v: &mut Array<f32>,
    norm: &Array<f32>,
    short: &mut Array<F>,
    of: &Step,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i < p.len() {
        let mut scale = of.scale;
        if of.clip > 0.0 && norm[0] > of.clip {
            scale *= of.clip / (norm[0] + 1e-6);
        }
        let gradient = g[i] * scale;
        let first = of.beta1 * m[i] + of.rest1 * gradient;
        let second = of.beta2 * v[i] + of.rest2 * gradient * gradient;
        m[i] = first;
        v[i] = second;
        let value = p[i] - of.decay * p[i] - of.rate * first / (second.sqrt() + of.eps);
        p[i] = value;
        write_rounded(short, i, value, rounds);
    }
}

/// One step, in place: updates the parameters `p` and the moments `m` and `v` by the gradients `g`. The next products take
/// the parameters rounded.
pub(crate) fn adam(
    context: &Context,
    p: &Tensor,
    [g, m, v]: [&View; 3],
    norm: &Tensor,
    step: &AdamStep,
) {
    let of = &step.adam;
    let short = RoundedCopy::of(context, p, true);
    launch!(
        context,
        adam_kernel(
            elements(p.len()),
            units(),
            p.view().arg(),
            g.arg(),
            m.arg(),
            v.arg(),
            norm.view().arg(),
            short.view.arg(),
            StepLaunch::new(
                of.beta1,
                of.beta2,
                1.0 - of.beta1,
                1.0 - of.beta2,
                of.eps,
                step.decay,
                step.rate,
                step.scale,
                of.clip_norm,
            ),
            short.wanted,
            short.format,
        )
    );
}
