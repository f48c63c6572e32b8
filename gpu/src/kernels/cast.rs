//! Rounding to shorter floats, whose range a factor may have to fit.

use super::cube::cube_max;
use super::pointwise::empty;
use crate::grid::{UNITS, cubes, elements, units};
use crate::memory::Client;
use crate::tensor::{Tensor, View};
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Units of a cube.
const U: usize = UNITS as usize;

/// Elements that a cube looks at.
const LOOKED: usize = 16_384;

/// What the largest element is brought up to, or half as much: far from the ends of half precision's range.
const LARGEST: f32 = 512.0;

/// The largest factor.
const MOST: f32 = 1.0e30;

/// The bits of a number that are its power of two.
const EXPONENT: u32 = 0x7f80_0000;

#[cube(launch)]
fn cast_kernel<F: Float>(x: &Array<f32>, factor: &Array<f32>, out: &mut Array<F>) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = F::cast_from(x[ABSOLUTE_POS] * factor[0]);
    }
}

/// `factor * x`, rounded.
pub(crate) fn cast<R: Runtime, F: Float + CubeElement>(
    client: &Client<R>,
    x: &View,
    factor: &Tensor,
) -> View {
    let to = View::of(client.piece(x.len * size_of::<F>()), x.len);
    let (count, factor) = (elements(x.len), factor.view());
    cast_kernel::launch::<F, R>(client, count, units(), x.arg(), factor.arg(), to.arg());
    to
}

#[cube(launch)]
fn largest_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    let first = CUBE_POS * LOOKED;
    let mut most = 0.0f32;
    for i in range_stepped(first + UNIT_POS as usize, min(first + LOOKED, x.len()), U) {
        most = max(most, x[i].abs());
    }
    let most = cube_max(most, U);
    if UNIT_POS == 0 && CUBE_POS < out.len() {
        out[CUBE_POS] = most;
    }
}

#[cube(launch)]
fn factor_kernel(largest: &Array<f32>, factor: &mut Array<f32>) {
    let mut most = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, largest.len(), U) {
        most = max(most, largest[i]);
    }
    let most = cube_max(most, U);
    if UNIT_POS == 0 {
        // The power of two below: it rounds nothing itself.
        let whole = u32::reinterpret(min(LARGEST / most, MOST)) & EXPONENT;
        factor[0] = select(most > 0.0, f32::reinterpret(whole), 1.0);
    }
}

/// `[1]`: the power of two that brings the largest element of `x` up to [`LARGEST`].
pub(crate) fn factor<R: Runtime>(client: &Client<R>, x: &View) -> Tensor {
    let parts = x.len.div_ceil(LOOKED).max(1);
    let largest = empty(client, Shape::vector(parts)).view();
    largest_kernel::launch::<R>(client, cubes(parts), units(), x.arg(), largest.arg());
    let factor = empty(client, Shape::vector(1));
    let to = factor.view();
    factor_kernel::launch::<R>(client, cubes(1), units(), largest.arg(), to.arg());
    factor
}

#[cube(launch)]
fn divide_kernel(x: &mut Array<f32>, factor: &Array<f32>) {
    if ABSOLUTE_POS < x.len() {
        x[ABSOLUTE_POS] = x[ABSOLUTE_POS] / factor[0];
    }
}

/// `x / factor`, in place.
pub(crate) fn divide<R: Runtime>(client: &Client<R>, x: &View, factor: &Tensor) {
    let factor = factor.view();
    divide_kernel::launch::<R>(client, elements(x.len), units(), x.arg(), factor.arg());
}
