//! Kernels that work element by element.

use super::copy::empty;
use crate::context::{Context, launch};
use crate::grid::{elements, stacked, units};
use crate::rounded::{self, RoundedCopy, write_rounded};
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;

use a2d_core::config::Activation;
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

#[cube(launch)]
fn add_kernel(x: &Array<f32>, y: &Array<f32>, out: &mut Array<f32>) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS] + y[ABSOLUTE_POS];
    }
}

/// `x + y`, in the memory of `x` where that may be overwritten.
pub(crate) fn add(context: &Context, x: Tensor, y: &Tensor) -> Tensor {
    assert_eq!(x.shape, y.shape, "add");
    if x.may_be_overwritten() {
        x.forget_rounding();
        add_to(context, &x.view(), &context.full(y));
        return x;
    }
    let out = empty(context, x.shape);
    let (count, to) = (elements(out.len()), out.view());
    let [x, y] = [&x, y].map(|x| context.full(x));
    launch!(context, add_kernel(count, units(), x.arg(), y.arg(), to.arg()));
    out
}

#[cube(launch)]
fn add_to_kernel(sum: &mut Array<f32>, x: &Array<f32>) {
    if ABSOLUTE_POS < sum.len() {
        sum[ABSOLUTE_POS] += x[ABSOLUTE_POS];
    }
}

/// `sum += x`, in place: the memory of `sum` must not be shared.
pub(crate) fn add_to(context: &Context, sum: &View, x: &View) {
    assert_eq!(sum.len, x.len, "add_to");
    launch!(context, add_to_kernel(elements(sum.len), units(), sum.arg(), x.arg()));
}

#[cube(launch)]
fn sum_kernel(
    x: &Array<f32>,
    into: &Array<f32>,
    out: &mut Array<f32>,
    step: u32,
    #[comptime] count: usize,
    #[comptime] adds: bool,
) {
    let i = ABSOLUTE_POS;
    if i < out.len() {
        let mut sum = 0.0f32;
        if adds {
            sum = into[i];
        }
        #[unroll]
        for n in 0..count {
            sum += x[n * step as usize + i];
        }
        out[i] = sum;
    }
}

/// The sum of a stack's tensors, and of `into` if given.
pub(crate) fn sum(context: &Context, of: &Stack, into: Option<&Tensor>) -> Tensor {
    let out = empty(context, of.shape());
    let (to, more) = (out.view(), into.unwrap_or(&of.tensors[0]).view());
    assert_eq!(more.len, to.len, "sum");
    launch!(
        context,
        sum_kernel(
            elements(to.len),
            units(),
            of.view().arg(),
            more.arg(),
            to.arg(),
            of.step as u32,
            of.tensors.len(),
            into.is_some(),
        )
    );
    out
}

#[cube(launch)]
fn scale_kernel(x: &Array<f32>, out: &mut Array<f32>, s: f32) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS] * s;
    }
}

/// `x * s`.
pub(crate) fn scale(context: &Context, x: &Tensor, s: f32) -> Tensor {
    let out = empty(context, x.shape);
    let (x, to) = (context.full(x), out.view());
    launch!(context, scale_kernel(elements(to.len), units(), x.arg(), to.arg(), s));
    out
}

/// The normal distribution function: Abramowitz and Stegun's 7.1.26, as in `a2d_core::rows`.
#[cube]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4 * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * (-(z * z)).exp();
    select(x < 0.0, tail, 1.0 - tail)
}

/// `1 / (1 + e^-x)`
#[cube]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Applies an activation, if there is one.
#[cube]
fn activated(x: f32, #[comptime] f: Option<Activation>) -> f32 {
    match comptime!(f) {
        Some(Activation::Relu) => select(x < 0.0, 0.0, x),
        Some(Activation::Gelu) => x * normal_cdf(x),
        Some(Activation::Silu) => x * logistic(x),
        Some(Activation::Tanh) => 2.0 * logistic(2.0 * x) - 1.0,
        None => x,
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn add_bias_kernel<F: Float>(
    y: &mut Array<f32>,
    bias: &Array<f32>,
    short: &mut Array<F>,
    step: u32,
    bias_step: u32,
    len: u32,
    cols: u32,
    #[comptime] f: Option<Activation>,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let n = CUBE_POS_Z as usize;
    let i = (CUBE_POS_X + CUBE_POS_Y * CUBE_COUNT_X) * CUBE_DIM + UNIT_POS;
    if i < len {
        let index = n * step as usize + i as usize;
        let shift = bias[n * bias_step as usize + (i % cols) as usize];
        let value = activated(y[index] + shift, f);
        y[index] = value;
        write_rounded(short, index, value, rounds);
    }
}

/// `f(y + bias)` for each row, in place.
pub(crate) fn add_bias(context: &Context, y: &Tensor, bias: &Tensor, f: Option<Activation>) {
    // Only activated results are operands of products next.
    let short = RoundedCopy::of(context, y, f.is_some());
    shift(context, [&y.view(), &bias.view()], [y.shape, bias.shape], [1, 0, 0], f, &short);
}

/// Adds its bias to each matrix of a stack, in place; biases start `step` elements apart.
pub(crate) fn add_biases(
    context: &Context,
    y: &Stack,
    (bias, step): (&View, usize),
    f: Option<Activation>,
) {
    let (count, cols) = (y.tensors.len(), y.shape().cols());
    assert_eq!(bias.len, step * (count - 1) + cols, "add_biases");
    let short = RoundedCopy::of(context, &y.tensors[0], false);
    let shapes = [y.shape(), Shape::vector(cols)];
    shift(context, [&y.view(), bias], shapes, [count, y.step, step], f, &short);
}

/// `f(y + bias)` for `count` matrices, in place; matrices start `step` elements apart, their biases `bias_step`.
fn shift(
    context: &Context,
    [y, bias]: [&View; 2],
    [shape, bias_shape]: [Shape; 2],
    [count, step, bias_step]: [usize; 3],
    f: Option<Activation>,
    short: &RoundedCopy,
) {
    assert_eq!(shape.cols(), bias_shape.len(), "add_bias");
    launch!(
        context,
        add_bias_kernel(
            stacked(elements(shape.len()), count),
            units(),
            y.arg(),
            bias.arg(),
            short.view.arg(),
            step as u32,
            bias_step as u32,
            shape.len() as u32,
            shape.cols() as u32,
            f,
            short.wanted,
            short.format,
        )
    );
}

#[cube(launch)]
fn activate_kernel<F: Float>(
    x: &Array<f32>,
    out: &mut Array<f32>,
    short: &mut Array<F>,
    #[comptime] f: Option<Activation>,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i < out.len() {
        let value = activated(x[i], f);
        out[i] = value;
        write_rounded(short, i, value, rounds);
    }
}

/// `f(x)`.
pub(crate) fn activate(context: &Context, x: &Tensor, f: Activation) -> Tensor {
    let out = empty(context, x.shape);
    let short = RoundedCopy::of(context, &out, true);
    launch!(
        context,
        activate_kernel(
            elements(out.len()),
            units(),
            context.full(x).arg(),
            out.view().arg(),
            short.view.arg(),
            Some(f),
            short.wanted,
            short.format,
        )
    );
    out
}

/// `f' dy`, from the output of relu and tanh, or the input of others.
#[cube]
fn activated_grad(dy: f32, y: f32, #[comptime] f: Activation) -> f32 {
    match comptime!(f) {
        Activation::Relu => select(y > 0.0, dy, 0.0),
        Activation::Gelu => dy * (normal_cdf(y) + y * (0.398_942_3 * (-0.5 * y * y).exp())),
        Activation::Silu => dy * (logistic(y) + y * logistic(y) * (1.0 - logistic(y))),
        Activation::Tanh => dy * (1.0 - y * y),
    }
}

#[cube(launch)]
fn activate_grad_kernel<H: Float, F: Float>(
    dy: &Array<H>,
    y: &Array<H>,
    out: &mut Array<H>,
    short: &mut Array<F>,
    #[comptime] f: Activation,
    #[comptime] rounds: bool,
    #[define(H)] _held: StorageType,
    #[define(F)] _rounded: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i < out.len() {
        let gradient = activated_grad(f32::cast_from(dy[i]), f32::cast_from(y[i]), f);
        out[i] = H::cast_from(gradient);
        write_rounded(short, i, gradient, rounds);
    }
}

/// `f'` times `dy`, where `y` is the input or the output of `f`. Rounded where both are.
pub(crate) fn activate_grad(context: &Context, dy: &Tensor, y: &Tensor, f: Activation) -> Tensor {
    assert_eq!(dy.shape, y.shape, "activate_grad");
    let rounds = dy.is_held_rounded() && y.is_held_rounded();
    let out = rounded::empty_in(context, dy.shape, rounds);
    let [dy, y] = [dy, y].map(|x| if rounds { context.short(x) } else { context.full(x) });
    let (to, held) = context.held(&out);
    let short = RoundedCopy::of(context, &out, !rounds);
    launch!(
        context,
        activate_grad_kernel(
            elements(out.len()),
            units(),
            dy.arg(),
            y.arg(),
            to.arg(),
            short.view.arg(),
            f,
            short.wanted,
            held,
            short.format,
        )
    );
    out
}

/// The mixing function of `a2d_core::rng`.
#[cube]
fn mix(x: u32) -> u32 {
    let x = x ^ (x >> 16u32);
    let x = x * 0x7feb_352du32;
    let x = x ^ (x >> 15u32);
    let x = x * 0x846c_a68bu32;
    x ^ (x >> 16u32)
}

/// `a2d_core::rng::bits` of a key given as two halves.
#[cube]
fn bits(low: u32, high: u32, index: u32) -> u32 {
    mix(mix(index + low) ^ high)
}

/// [`a2d_core::rng::Mask`] as a kernel's argument.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct Drop {
    pub low: u32,
    pub high: u32,
    pub below: u32,
    pub scale: f32,
}

/// The factor of element `index`: 0 or `1 / (1 - p)`.
#[cube]
pub(crate) fn factor(of: &Drop, index: u32) -> f32 {
    select(bits(of.low, of.high, index) < of.below, 0.0, of.scale)
}

/// The argument for dropout with probability `p` and random numbers from `key`.
pub(crate) fn drop_arg<R: Runtime>(p: f32, key: u64) -> DropLaunch<R> {
    let below = (f64::from(p) * 4_294_967_296.0) as u32;
    DropLaunch::new(key as u32, (key >> 32) as u32, below, 1.0 / (1.0 - p))
}

#[cube(launch)]
fn mask_kernel<F: Float>(
    x: &Array<f32>,
    out: &mut Array<f32>,
    short: &mut Array<F>,
    of: &Drop,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i < out.len() {
        let value = x[i] * factor(of, i as u32);
        out[i] = value;
        write_rounded(short, i, value, rounds);
    }
}

/// Dropout of `x` with probability `p`.
pub(crate) fn mask(context: &Context, x: &Tensor, p: f32, key: u64) -> Tensor {
    let out = empty(context, x.shape);
    let short = RoundedCopy::of(context, &out, true);
    launch!(
        context,
        mask_kernel(
            elements(out.len()),
            units(),
            context.full(x).arg(),
            out.view().arg(),
            short.view.arg(),
            drop_arg(p, key),
            short.wanted,
            short.format,
        )
    );
    out
}
