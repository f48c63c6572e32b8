//! Adam over all parameters at once: gradients are gathered into one row, then one kernel moves everything.

use super::columns::column_sums;
use super::cube::cube_sum;
use super::pointwise::empty;
use crate::grid::{UNITS, elements, units};
use crate::memory::Client;
use crate::tensor::{Tensor, View};
use a2d_core::optim::AdamStep;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Tensors that one launch gathers; every device binds as many buffers and more.
const GATHERED: usize = 16;

/// Cubes for each gathered tensor: enough to keep a device busy.
const CUBES: u32 = 64;

/// Elements that a cube squares and sums.
const SQUARED: usize = 16_384;

#[cube(launch)]
fn gather_kernel(tensors: &Sequence<Array<f32>>, offsets: &Sequence<u32>, out: &mut Array<f32>) {
    let step = (CUBES * UNITS) as usize;
    #[unroll]
    for t in 0..tensors.len() {
        if CUBE_POS_Y as usize == t {
            let x = tensors.index(t);
            let offset = *offsets.index(t) as usize;
            for i in range_stepped(ABSOLUTE_POS_X as usize, x.len(), step) {
                out[offset + i] = x[i];
            }
        }
    }
}

/// Copies `tensors` to their `offsets` in `out`.
pub(crate) fn gather<R: Runtime>(
    client: &Client<R>,
    tensors: &[Tensor],
    offsets: &[usize],
    out: &View,
) {
    for (tensors, offsets) in tensors.chunks(GATHERED).zip(offsets.chunks(GATHERED)) {
        gather_kernel::launch::<R>(
            client,
            CubeCount::Static(CUBES, tensors.len() as u32, 1),
            units(),
            tensors.iter().map(|x| x.view().arg()).collect(),
            offsets.iter().map(|&offset| offset as u32).collect(),
            out.arg(),
        );
    }
}

#[cube(launch)]
fn squares_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    let first = CUBE_POS * SQUARED;
    let mut sum = 0.0f32;
    for i in range_stepped(first + UNIT_POS as usize, min(first + SQUARED, x.len()), UNITS as usize)
    {
        sum += x[i] * x[i];
    }
    let sum = cube_sum(sum, UNITS as usize);
    if UNIT_POS == 0 && CUBE_POS < out.len() {
        out[CUBE_POS] = sum;
    }
}

#[cube(launch)]
fn norm_kernel(squares: &Array<f32>, norm: &mut Array<f32>, scale: f32) {
    if ABSOLUTE_POS == 0 {
        norm[0] = squares[0].sqrt() * scale.abs();
    }
}

/// `[1]`: the norm of `scale * x`
pub(crate) fn norm<R: Runtime>(client: &Client<R>, x: &View, scale: f32) -> Tensor {
    let parts = x.len.div_ceil(SQUARED).max(1);
    let sums = empty(client, Shape::vector(parts));
    let to = sums.view();
    squares_kernel::launch::<R>(client, crate::grid::cubes(parts), units(), x.arg(), to.arg());
    let sum = column_sums(client, &to, parts, 1);
    let norm = empty(client, Shape::vector(1));
    let (sum, to) = (sum.view(), norm.view());
    norm_kernel::launch::<R>(client, elements(1), units(), sum.arg(), to.arg(), scale);
    norm
}

/// [`AdamStep`] as a kernel's argument.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Step {
    beta1: f32,
    beta2: f32,
    /// `1 - beta`, rounded once.
    rest1: f32,
    rest2: f32,
    eps: f32,
    decay: f32,
    rate: f32,
    scale: f32,
    clip: f32,
}

#[cube(launch)]
fn adam_kernel(
    p: &mut Array<f32>,
    g: &Array<f32>,
    m: &mut Array<f32>,
    v: &mut Array<f32>,
    norm: &Array<f32>,
    of: &Step,
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
        p[i] = p[i] - of.decay * p[i] - of.rate * first / (second.sqrt() + of.eps);
    }
}

/// One step, in place in `p`, `m` and `v`.
pub(crate) fn adam<R: Runtime>(
    client: &Client<R>,
    [p, g, m, v]: [&View; 4],
    norm: &Tensor,
    step: &AdamStep,
) {
    let of = &step.adam;
    adam_kernel::launch::<R>(
        client,
        elements(p.len),
        units(),
        p.arg(),
        g.arg(),
        m.arg(),
        v.arg(),
        norm.view().arg(),
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
    );
}
