//! Rounding to 16-bit floats, with a factor that scales elements into their range, and widening.

use super::copy::empty;
use super::cube::cube_max;
use crate::context::{Context, launch};
use crate::grid::{UNITS, cubes, elements, units};
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use half::bf16;

/// Units of a cube.
const U: usize = UNITS as usize;

/// Elements whose largest one cube finds.
const ELEMENTS_PER_CUBE: usize = 16_384;

/// The scaled largest element is between half of this and this: far from the limits of half precision.
const TARGET: f32 = 512.0;

/// The largest factor.
const MAX_FACTOR: f32 = 1.0e30;

/// The exponent bits of an f32.
const EXPONENT: u32 = 0x7f80_0000;

#[cube(launch)]
fn cast_kernel<F: Float>(
    x: &Array<f32>,
    factor: &Array<f32>,
    out: &mut Array<F>,
    #[comptime] scales: bool,
) {
    if ABSOLUTE_POS < out.len() {
        let mut value = x[ABSOLUTE_POS];
        if scales {
            value *= factor[0];
        }
        out[ABSOLUTE_POS] = F::cast_from(value);
    }
}

/// `x`, times `factor` if there is one, rounded to `F`.
pub(crate) fn cast<F: Float + CubeElement>(
    context: &Context,
    x: &View,
    factor: Option<&Tensor>,
) -> View {
    let to = View::of(context.allocate(x.len * size_of::<F>()), x.len);
    scale_to::<F>(context, x, factor, &to);
    to
}

/// `x`, rounded to `F`, in `to`.
pub(crate) fn cast_to<F: Float + CubeElement>(context: &Context, x: &View, to: &View) {
    scale_to::<F>(context, x, None, to);
}

fn scale_to<F: Float + CubeElement>(
    context: &Context,
    x: &View,
    factor: Option<&Tensor>,
    to: &View,
) {
    assert_eq!(x.len, to.len, "cast");
    let (count, scales) = (elements(x.len), factor.is_some());
    let factor = factor.map_or_else(|| x.clone(), Tensor::view);
    if x.len > 0 {
        launch!(context, cast_kernel::<F>(count, units(), x.arg(), factor.arg(), to.arg(), scales));
    }
}

#[cube(launch)]
fn widen_kernel(x: &Array<bf16>, out: &mut Array<f32>) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = f32::cast_from(x[ABSOLUTE_POS]);
    }
}

/// Elements of bf16 in single precision.
pub(crate) fn widen(context: &Context, x: &View) -> View {
    let to = View::of(context.allocate(x.len * size_of::<f32>()), x.len);
    if x.len > 0 {
        launch!(context, widen_kernel(elements(x.len), units(), x.arg(), to.arg()));
    }
    to
}

#[cube(launch)]
fn largest_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    let first = CUBE_POS * ELEMENTS_PER_CUBE;
    let mut largest = 0.0f32;
    for i in range_stepped(first + UNIT_POS as usize, min(first + ELEMENTS_PER_CUBE, x.len()), U) {
        largest = max(largest, x[i].abs());
    }
    let largest = cube_max(largest, U);
    if UNIT_POS == 0 && CUBE_POS < out.len() {
        out[CUBE_POS] = largest;
    }
}

#[cube(launch)]
fn factor_kernel(candidates: &Array<f32>, factor: &mut Array<f32>) {
    let mut largest = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, candidates.len(), U) {
        largest = max(largest, candidates[i]);
    }
    let largest = cube_max(largest, U);
    if UNIT_POS == 0 {
        // Only the exponent is kept: multiplying by a power of two rounds nothing.
        let power = u32::reinterpret(min(TARGET / largest, MAX_FACTOR)) & EXPONENT;
        factor[0] = select(largest > 0.0, f32::reinterpret(power), 1.0);
    }
}

/// `[1]`: the power of two that scales the largest element of `x` to at most [`TARGET`].
pub(crate) fn factor(context: &Context, x: &View) -> Tensor {
    let parts = x.len.div_ceil(ELEMENTS_PER_CUBE).max(1);
    let candidates = empty(context, Shape::vector(parts)).view();
    launch!(context, largest_kernel(cubes(parts), units(), x.arg(), candidates.arg()));
    let factor = empty(context, Shape::vector(1));
    let to = factor.view();
    launch!(context, factor_kernel(cubes(1), units(), candidates.arg(), to.arg()));
    factor
}

#[cube(launch)]
fn divide_kernel(x: &mut Array<f32>, factor: &Array<f32>) {
    if ABSOLUTE_POS < x.len() {
        x[ABSOLUTE_POS] = x[ABSOLUTE_POS] / factor[0];
    }
}

/// `x / factor`, in place.
pub(crate) fn divide(context: &Context, x: &View, factor: &Tensor) {
    let factor = factor.view();
    launch!(context, divide_kernel(elements(x.len), units(), x.arg(), factor.arg()));
}
