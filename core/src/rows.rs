//! The formulas, on slices: each forward function above its gradient.
//!
//! Every CPU backend is a loop around these functions. They vectorise without intrinsics: sums run in [`LANES`] fixed
//! lanes, so the result does not depend on the width of the machine's vectors.

use crate::config::{Activation, Positions, TEXT};
use crate::math::{BOARD, SOFT, exp, exp_inline, ln, sqrt, to_byte};
#[cfg(feature = "train")]
use crate::optim::AdamStep;
use crate::sine::sin_cos;
use core::ops::Range;

/// Partial results of a reduction.
pub const LANES: usize = 16;

/// Whether a microcontroller computes floats itself.
const FLOAT_UNIT: bool = BOARD && !SOFT;

/// Combines the elements of `x` in fixed lanes, then the lanes in pairs.
#[inline(always)]
fn reduce(x: &[f32], zero: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [zero; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane = join(*lane, *x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = join(*lane, *x);
    }
    fold(lanes, join)
}

/// Combines the lanes in pairs, then the results in pairs, down to one.
#[inline(always)]
fn fold(lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = lanes;
    let [a, b, c, d] = [join(a, i), join(b, j), join(c, k), join(d, l)];
    let [e, f, g, h] = [join(e, m), join(f, n), join(g, o), join(h, p)];
    let [a, b, c, d] = [join(a, e), join(b, f), join(c, g), join(d, h)];
    join(join(a, c), join(b, d))
}

#[inline(always)]
fn plus(x: f32, y: f32) -> f32 {
    x + y
}

/// K sums of `f(x, y)` at once, in fixed lanes, over the length of the shorter slice.
#[inline(always)]
fn sums<const K: usize>(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> [f32; K]) -> [f32; K] {
    let x = x.get(..y.len()).unwrap_or(x);
    let y = y.get(..x.len()).unwrap_or(y);
    let (whole, rest) = x.as_chunks::<LANES>();
    let (whole_y, rest_y) = y.as_chunks::<LANES>();
    let mut lanes = [[0.0; LANES]; K];
    for (x, y) in whole.iter().zip(whole_y) {
        add(&mut lanes, x, y, LANES, &f);
    }
    if !rest.is_empty() {
        add(&mut lanes, &filled(rest), &filled(rest_y), rest.len(), &f);
    }
    lanes.map(fold_plus)
}

/// As [`sums`]; also replaces each `x` by the first result of `f`.
#[inline(always)]
fn map_sums<const K: usize>(
    x: &mut [f32],
    y: &[f32],
    f: impl Fn(f32, f32) -> (f32, [f32; K]),
) -> [f32; K] {
    let (whole_y, rest_y) = y[..x.len()].as_chunks::<LANES>();
    let (whole, rest) = x.as_chunks_mut::<LANES>();
    let mut lanes = [[0.0; LANES]; K];
    for (x, y) in whole.iter_mut().zip(whole_y) {
        map_add(&mut lanes, x, y, LANES, &f);
    }
    if !rest.is_empty() {
        let mut last = filled(rest);
        map_add(&mut lanes, &mut last, &filled(rest_y), rest.len(), &f);
        rest.copy_from_slice(&last[..rest.len()]);
    }
    lanes.map(fold_plus)
}

#[inline(always)]
fn fold_plus(lanes: [f32; LANES]) -> f32 {
    fold(lanes, plus)
}

/// [`sum`] of up to [`LANES`] numbers, without the additions of lanes that stay 0.
#[inline(always)]
pub fn sum_few(mut lanes: [f32; LANES], used: usize) -> f32 {
    if FLOAT_UNIT && used > LANES / 2 {
        return fold_plus(lanes) + 0.0;
    }
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high).take(used.saturating_sub(half)) {
            *low += *high;
        }
        half /= 2;
    }
    // A lane that begins with 0 does not become -0.
    lanes[0] + 0.0
}

/// The end of a row, filled with 0: one whole vector is faster than single elements.
#[inline(always)]
fn filled(rest: &[f32]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for (out, x) in out.iter_mut().zip(rest) {
        *out = *x;
    }
    out
}

/// Adds `f` of the first `count` pairs to the lanes.
#[inline(always)]
fn add<const K: usize>(
    lanes: &mut [[f32; LANES]; K],
    x: &[f32; LANES],
    y: &[f32; LANES],
    count: usize,
    f: impl Fn(f32, f32) -> [f32; K],
) {
    for lane in 0..LANES {
        let more = f(x[lane], y[lane]);
        for k in 0..K {
            lanes[k][lane] += if lane < count { more[k] } else { 0.0 };
        }
    }
}

/// As [`add`]; also replaces each `x` by the first result of `f`.
#[inline(always)]
fn map_add<const K: usize>(
    lanes: &mut [[f32; LANES]; K],
    x: &mut [f32; LANES],
    y: &[f32; LANES],
    count: usize,
    f: impl Fn(f32, f32) -> (f32, [f32; K]),
) {
    for lane in 0..LANES {
        let (to, more) = f(x[lane], y[lane]);
        x[lane] = to;
        for k in 0..K {
            lanes[k][lane] += if lane < count { more[k] } else { 0.0 };
        }
    }
}

/// `sum x`
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    reduce(x, 0.0, plus)
}

/// `sum x y`, over the length of the shorter slice.
#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let [sum] = sums(
        x,
        y,
        #[inline(always)]
        |x, y| [x * y],
    );
    sum
}

/// The largest element; minus infinity if there is none. May skip NaN: the sums that follow propagate it.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    if BOARD {
        return board_max(x);
    }
    reduce(
        x,
        f32::NEG_INFINITY,
        #[inline(always)]
        |x, y| if y > x { y } else { x },
    )
}

/// [`max`] for a microcontroller.
fn board_max(x: &[f32]) -> f32 {
    if !FLOAT_UNIT {
        // As integers that are ordered as the floats are. A positive NaN would be the largest.
        let key = |bits: i32| bits ^ ((bits >> 31) as u32 >> 1) as i32;
        let most = x.iter().fold(key(f32::NEG_INFINITY.to_bits() as i32), |most, x| {
            most.max(key(x.to_bits() as i32))
        });
        let most = f32::from_bits(key(most) as u32);
        if !most.is_nan() {
            return most;
        }
    }
    let larger = |most: f32, x: &f32| if *x > most { *x } else { most };
    let (whole, rest) = x.as_chunks::<4>();
    let most = whole.iter().fold(f32::NEG_INFINITY, |most, [a, b, c, d]| {
        larger(larger(larger(larger(most, a), b), c), d)
    });
    rest.iter().fold(most, larger)
}

/// The largest magnitude; 0 if there is none. NaN is skipped.
#[inline(always)]
pub fn largest(x: &[f32]) -> f32 {
    // The bits of a float without its sign are ordered as the float is; those of a NaN are the largest.
    let most = x.iter().fold(0, |most: u32, x| most.max(x.abs().to_bits()));
    if most <= f32::INFINITY.to_bits() {
        return f32::from_bits(most);
    }
    x.iter().fold(0.0, |most: f32, x| if x.abs() > most { x.abs() } else { most })
}

/// `y += a x`
#[inline(always)]
pub fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// Writes `x` as bytes, so that `most`, its largest magnitude, becomes 127; halves round to even. Returns the scale of a byte.
#[inline(always)]
pub fn quantise(x: &[f32], most: f32, bytes: &mut [i8]) -> f32 {
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    for (byte, x) in bytes.iter_mut().zip(x) {
        *byte = to_byte(x * inverse);
    }
    most / 127.0
}

/// `scale y + vector`, a token's row of the table at its position; without a vector, which padding has not, `scale y`. 0 if
/// `zero`.
#[inline(always)]
pub fn embed(y: &mut [f32], scale: f32, vector: &[f32]) {
    match vector {
        [] => y.iter_mut().for_each(|y| *y *= scale),
        vector => y.iter_mut().zip(vector).for_each(|(y, v)| *y = scale * *y + v),
    }
}

/// `x = exp(scale (x - shift))`; returns the sum of the results.
#[inline(always)]
pub fn exp_in_place(x: &mut [f32], scale: f32, shift: f32) -> f32 {
    for x in x.iter_mut() {
        *x = exp(scale * (*x - shift));
    }
    sum(x)
}

/// `sum exp(scale (x - shift))`
#[inline(always)]
fn exp_sum(x: &[f32], scale: f32, shift: f32) -> f32 {
    if BOARD {
        // Lane by lane, so that a sum stays in a register.
        let mut lanes = [0.0; LANES];
        for (at, lane) in lanes.iter_mut().enumerate() {
            *lane = x.iter().skip(at).step_by(LANES).fold(0.0, |sum, x| {
                let x = scale * (x - shift);
                sum + if FLOAT_UNIT { exp_inline(x) } else { exp(x) }
            });
        }
        return fold_plus(lanes);
    }
    let [sum] = sums(
        x,
        x,
        #[inline(always)]
        |x, _| [exp(scale * (x - shift))],
    );
    sum
}

/// The vector that is added at place `at` (from 0) of a sentence.
pub fn position(kind: Positions, at: u32, out: &mut [f32]) {
    match kind {
        Positions::Fairseq => sinusoids(at.saturating_add(2), out),
        Positions::Marian => marian(at, out),
        Positions::Learned => out.fill(0.0),
    }
}

/// Marian's position vector `n`: `[sin(n f_0) .. , cos(n f_0) ..]`, `f_i = 10000^(-2i / D)`. Angles are in f64 and
/// reduced to one turn, so that long sentences lose no digits.
fn marian(n: u32, out: &mut [f32]) {
    use core::f64::consts::TAU;
    let width = out.len();
    let ratio = power(2.0 * LN_10_000 / width.max(1) as f64);
    let (sines, cosines) = out.split_at_mut(width.div_ceil(2));
    let mut cosines = cosines.iter_mut();
    let mut turns = f64::from(n) / TAU;
    for sine in sines {
        let angle = ((turns - f64::from(turns as u32)) * TAU) as f32;
        let (value, other) = sin_cos(angle);
        *sine = value;
        if let Some(cosine) = cosines.next() {
            *cosine = other;
        }
        turns /= ratio;
    }
}

/// `ln(10000)`
const LN_10_000: f64 = 9.210_340_371_976_184;

/// `e^x` for `x` in `[0, 10]`, by its series: a tenth of the code of `libm::exp`.
fn power(x: f64) -> f64 {
    const TERMS: u32 = 60;
    (1..=TERMS).rev().fold(1.0, |sum, n| 1.0 + sum * x / f64::from(n))
}

/// The position vector `n` of fairseq: `[sin(n f_0) .. sin(n f_h-1), cos(n f_0) .. cos(n f_h-1)]`, `h = D / 2`,
/// `f_i = exp(-i ln(10000) / (h - 1))`, in f32; a last odd column is 0.
fn sinusoids(n: u32, out: &mut [f32]) {
    let half = out.len() / 2;
    out.fill(0.0);
    let step = LN_10_000 / (half.max(2) - 1) as f64;
    let (sines, cosines) = out.split_at_mut(half);
    for (i, (sine, cosine)) in sines.iter_mut().zip(cosines).enumerate() {
        let angle = n as f32 * libm::expf(i as f32 * -(step as f32));
        (*sine, *cosine) = sin_cos(angle);
    }
}

/// Replaces `x` by `softmax(x)`. `x` may be empty.
#[inline(always)]
pub fn softmax(x: &mut [f32]) {
    let most = max(x);
    let total = exp_in_place(x, 1.0, most);
    let factor = 1.0 / total;
    for x in x.iter_mut() {
        *x *= factor;
    }
}

/// The place and the value of the largest element, of equal ones the first; `None` without numbers.
pub fn most(x: &[f32]) -> Option<(usize, f32)> {
    let none = (0, f32::NEG_INFINITY);
    let larger =
        |most: (usize, f32), (i, x): (usize, &f32)| if *x > most.1 { (i, *x) } else { most };
    Some(x.iter().enumerate().fold(none, larger)).filter(|most| *most != none)
}

/// Scales `x` to length 1; zeros stay. `None` if its length is no number.
pub fn unit(x: &mut [f32]) -> Option<()> {
    let length = sqrt(dot(x, x));
    if length > 0.0 {
        x.iter_mut().for_each(|x| *x /= length);
    }
    length.is_finite().then_some(())
}

/// Replaces `dp` by the gradient of the scores: `p (dp - sum p dp)`.
#[inline(always)]
pub fn softmax_grad(p: &[f32], dp: &mut [f32]) {
    let mean = dot(p, dp);
    for (dp, p) in dp.iter_mut().zip(p) {
        *dp = p * (*dp - mean);
    }
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum(x) / n;
    let [squares] = sums(
        x,
        x,
        #[inline(always)]
        |x, _| [(x - mean) * (x - mean)],
    );
    (mean, 1.0 / sqrt(squares / n + epsilon))
}

/// `y = (x - mean) / deviation * gain + bias`
#[inline(always)]
pub fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, y: &mut [f32]) {
    let (mean, scale) = moments(x, epsilon);
    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
        *y = (x - mean) * scale * gain + bias;
    }
}

/// With `h = (x - mean) / deviation` and `g = dy gain`: `dx = (g - mean(g) - h mean(g h)) / deviation`,
/// `dgain += dy h`, `dbias += dy`.
#[inline(always)]
pub fn layer_norm_grad(
    dy: &[f32],
    x: &[f32],
    gain: &[f32],
    epsilon: f32,
    dx: &mut [f32],
    dgain: &mut [f32],
    dbias: &mut [f32],
) {
    let n = x.len();
    let (dy, gain, dx) = (&dy[..n], &gain[..n], &mut dx[..n]);
    let (dgain, dbias) = (&mut dgain[..n], &mut dbias[..n]);
    let (mean, scale) = moments(x, epsilon);
    for i in 0..n {
        dx[i] = dy[i] * gain[i];
    }
    let [sum_g, sum_gh] = sums(
        dx,
        x,
        #[inline(always)]
        |g, x| [g, g * ((x - mean) * scale)],
    );
    let (mean_g, mean_gh) = (sum_g / n as f32, sum_gh / n as f32);
    for i in 0..n {
        let h = (x[i] - mean) * scale;
        dx[i] = scale * (dx[i] - mean_g - h * mean_gh);
        dgain[i] += dy[i] * h;
        dbias[i] += dy[i];
    }
}

/// `f(x)`, in place.
#[inline(always)]
pub fn activate(x: &mut [f32], f: Activation) {
    match f {
        Activation::Relu => {
            for x in x {
                *x = if *x < 0.0 { 0.0 } else { *x };
            }
        }
        Activation::Gelu => {
            for x in x {
                *x *= normal_cdf(*x);
            }
        }
        Activation::Silu => {
            for x in x {
                *x *= logistic(*x);
            }
        }
        Activation::Tanh if !TEXT => {} // no other model has it
        Activation::Tanh => {
            for x in x {
                *x = 2.0 * logistic(2.0 * *x) - 1.0;
            }
        }
    }
}

/// Replaces `dy` by `dy f'`. `y` is the output for relu and tanh, the input for gelu and silu.
#[inline(always)]
pub fn activate_grad(dy: &mut [f32], y: &[f32], f: Activation) {
    match f {
        Activation::Relu => {
            for (dy, y) in dy.iter_mut().zip(y) {
                *dy = if *y > 0.0 { *dy } else { 0.0 };
            }
        }
        Activation::Gelu => {
            const DENSITY_AT_0: f32 = 0.398_942_3;
            for (dy, x) in dy.iter_mut().zip(y) {
                *dy *= normal_cdf(*x) + x * DENSITY_AT_0 * exp(-0.5 * x * x);
            }
        }
        Activation::Silu => {
            for (dy, x) in dy.iter_mut().zip(y) {
                let p = logistic(*x);
                *dy *= p + x * p * (1.0 - p);
            }
        }
        Activation::Tanh => {
            for (dy, y) in dy.iter_mut().zip(y) {
                *dy *= 1.0 - y * y;
            }
        }
    }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The cumulative normal distribution: Abramowitz and Stegun's 7.1.26, error below 1e-7.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * core::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut p = 1.061_405_4 * t - 1.453_152_1;
    p = p * t + 1.421_413_8;
    p = p * t - 0.284_496_72;
    p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * exp(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The parameters of [`token_loss`].
///
/// With student and teacher logits `z`, `zt` of a row, target `y`, `p = softmax(z)`, V tokens and
/// `e = label_smoothing / (V - 1)` (as in fairseq):
/// `ce = -(1 - label_smoothing - e) ln p_y - e sum_v ln p_v`,
/// `kd = -sum_v softmax(zt / teacher_temperature)_v ln softmax(z / student_temperature)_v`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRow {
    /// In `[0, 1)`.
    pub label_smoothing: f32,
    /// Divides the student's logits in `kd`.
    pub student_temperature: f32,
    /// Divides the teacher's logits in `kd`.
    pub teacher_temperature: f32,
    /// The weight of `ce` in the gradient.
    pub ce_weight: f32,
    /// The weight of `kd` in the gradient.
    pub kd_weight: f32,
    /// The other side is another pass of the same model: the row is that of [`mutual_loss`].
    pub mutual: bool,
}

impl TokenRow {
    /// The divergence of two passes alone, with this weight in the gradient.
    pub const fn two_passes(weight: f32) -> Self {
        Self {
            label_smoothing: 0.0,
            student_temperature: 1.0,
            teacher_temperature: 1.0,
            ce_weight: 0.0,
            kd_weight: weight,
            mutual: true,
        }
    }
}

/// ce, kd, the negative log-likelihoods of student and teacher, the entropy of the softened teacher.
pub type TokenValues = [f32; 5];

/// The token losses of one row. `z` (student logits) is replaced by the gradient; `teacher` (logits) is overwritten.
#[inline(always)]
pub fn token_loss(
    z: &mut [f32],
    teacher: Option<&mut [f32]>,
    target: usize,
    of: &TokenRow,
) -> TokenValues {
    let n = z.len();
    let (most, total_z, z_target) = (max(z), sum(z), z[target]);
    let soft = 1.0 / of.student_temperature;
    let even = of.label_smoothing / (n - 1) as f32;
    let sharp = 1.0 - of.label_smoothing - even;
    let hard = of.ce_weight * (sharp + even * n as f32);
    let floor = of.ce_weight * even;
    let pull = of.kd_weight * soft;

    // The logits are overwritten by exponentials only after their last use.
    let row = teacher.map(
        #[inline(always)]
        |teacher| teacher_row(teacher, z, target, of.teacher_temperature),
    );
    let (lse, lse_soft) = if row.is_some() && of.student_temperature != 1.0 {
        (most + ln(exp_sum(z, 1.0, most)), most * soft + ln(exp_sum(z, soft, most)))
    } else {
        let total = exp_in_place(z, 1.0, most);
        let p = (hard + if row.is_some() { pull } else { 0.0 }) / total;
        for z in z.iter_mut() {
            *z = p * *z - floor;
        }
        (most + ln(total), most + ln(total))
    };
    let nll = lse - z_target;
    let ce = sharp * nll + even * (n as f32 * lse - total_z);
    let mut values = [ce, 0.0, nll, 0.0, 0.0];
    if let Some(row) = row {
        values[1] = lse_soft - soft * row.expected;
        (values[3], values[4]) = (row.nll, row.entropy);
        if of.student_temperature != 1.0 {
            for z in z.iter_mut() {
                *z = hard * exp(*z - lse) + pull * exp(*z * soft - lse_soft) - floor;
            }
        }
        axpy(-pull * row.factor, row.exponentials, z);
    }
    z[target] -= of.ce_weight * sharp;
    values
}

/// The divergence of two passes of one row: `kd = (KL(q || p) + KL(p || q)) / 2` with `p = softmax(z)` and
/// `q = softmax(other)`. `z` is replaced by the gradient of `kd_weight * kd`, `other` by its logarithms. The other values
/// are ce without smoothing, the negative log-likelihoods of both, and 0.
#[inline(always)]
pub fn mutual_loss(z: &mut [f32], other: &mut [f32], target: usize, of: &TokenRow) -> TokenValues {
    for row in [&mut *z, &mut *other] {
        let most = max(row);
        let lse = most + ln(exp_sum(row, 1.0, most));
        row.iter_mut().for_each(|x| *x -= lse);
    }
    let (nll, other_nll) = (-z[target], -other[target]);
    let [forth, back] = sums(
        z,
        other,
        #[inline(always)]
        |p, q| [exp(q) * (q - p), exp(p) * (p - q)],
    );
    for (z, q) in z.iter_mut().zip(other) {
        let (p, apart) = (exp(*z), *z - *q - back);
        *z = 0.5 * of.kd_weight * (p - exp(*q) + p * apart);
    }
    [nll, 0.5 * (forth + back), nll, other_nll, 0.0]
}

/// The sums over a row of the teacher's logits.
struct TeacherRow<'a> {
    /// The row, overwritten by exponentials; times `factor` they are probabilities.
    exponentials: &'a [f32],
    factor: f32,
    /// The expectation of the student's logit under the teacher's distribution.
    expected: f32,
    nll: f32,
    entropy: f32,
}

/// The teacher's sums; `z` are the student's logits.
#[inline(always)]
fn teacher_row<'a>(
    teacher: &'a mut [f32],
    z: &[f32],
    target: usize,
    temperature: f32,
) -> TeacherRow<'a> {
    let (most, at_target) = (max(teacher), teacher[target]);
    let soft = 1.0 / temperature;
    let lse_hard = if temperature == 1.0 { 0.0 } else { most + ln(exp_sum(teacher, 1.0, most)) };
    let [total, expected, weighted] = map_sums(
        teacher,
        z,
        #[inline(always)]
        |t, z| {
            let e = exp(soft * (t - most));
            (e, [e, e * z, e * (t - most)])
        },
    );
    let (factor, lse) = (1.0 / total, ln(total));
    TeacherRow {
        exponentials: teacher,
        factor,
        expected: factor * expected,
        nll: if temperature == 1.0 { most + lse } else { lse_hard } - at_target,
        entropy: lse - factor * soft * weighted,
    }
}

/// The number of keys that query `i` of a sentence sees.
#[inline(always)]
pub fn visible(causal: bool, i: usize, keys: usize) -> usize {
    if causal { keys.min(i + 1) } else { keys }
}

/// The least probability whose logarithm is taken: smaller ones, and those of entries that are not seen, count as this.
pub const LEAST_PROBABILITY: f32 = 1e-30;

/// Replaces probabilities by their logarithms.
#[inline(always)]
pub fn scores(p: &mut [f32]) {
    for p in p {
        *p = ln(p.max(LEAST_PROBABILITY));
    }
}

/// The gradient of [`scores`]: `d` becomes that of the probabilities `p`.
#[inline(always)]
pub fn scores_grad(p: &[f32], d: &mut [f32]) {
    for (d, p) in d.iter_mut().zip(p) {
        *d = if *p > LEAST_PROBABILITY { *d / p } else { 0.0 };
    }
}

/// `KL(t || softmax(a))` over the union of `ranges`, taken as one distribution. `t` is `softmax(teacher)`, or with
/// `as_is` the teacher divided by its sum. Writes `weight (softmax(a) - t)` to `gradient` in these ranges.
#[inline(always)]
pub fn map_divergence<R: Iterator<Item = Range<usize>> + Clone>(
    a: &[f32],
    teacher: &[f32],
    ranges: R,
    as_is: bool,
    weight: f32,
    gradient: Option<&mut [f32]>,
) -> f64 {
    let (mut most, mut most_t) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for r in ranges.clone() {
        most = most.max(max(&a[r.clone()]));
        most_t = most_t.max(max(&teacher[r]));
    }
    // sum t (ln t - a), where ln t of the softmax lacks a constant.
    let [mut total, mut total_t, mut cross] = [0.0f64; 3];
    for r in ranges.clone() {
        let (a, t) = (&a[r.clone()], &teacher[r]);
        let more = if as_is {
            sums(
                a,
                t,
                #[inline(always)]
                |a, t| [exp(a - most), t, if t > 0.0 { t * (ln(t) - a) } else { 0.0 }],
            )
        } else {
            sums(
                a,
                t,
                #[inline(always)]
                |a, t| {
                    let e = exp(t - most_t);
                    [exp(a - most), e, e * (t - a)]
                },
            )
        };
        total += f64::from(more[0]);
        total_t += f64::from(more[1]);
        cross += f64::from(more[2]);
    }
    if total == 0.0 {
        return 0.0; // no entries
    }
    if let Some(gradient) = gradient {
        let (p, q) = ((f64::from(weight) / total) as f32, (f64::from(weight) / total_t) as f32);
        for r in ranges {
            let (a, t, g) = (&a[r.clone()], &teacher[r.clone()], &mut gradient[r]);
            if as_is {
                for ((g, a), t) in g.iter_mut().zip(a).zip(t) {
                    *g = p * exp(a - most) - q * t;
                }
            } else {
                for ((g, a), t) in g.iter_mut().zip(a).zip(t) {
                    *g = p * exp(a - most) - q * exp(t - most_t);
                }
            }
        }
    }
    let lse = f64::from(most) + libm::log(total);
    let lse_t = if as_is { 0.0 } else { f64::from(most_t) } + libm::log(total_t);
    cross / total_t + lse - lse_t
}

/// Adam over slices of equal length, see `AdamStep`; `scale` (with clipping) replaces the step's own scale.
#[cfg(feature = "train")]
#[inline(always)]
pub fn adam(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: &AdamStep, scale: f32) {
    let n = p.len();
    let (g, m, v) = (&g[..n], &mut m[..n], &mut v[..n]);
    let of = &step.adam;
    for i in 0..n {
        let g = g[i] * scale;
        m[i] = of.beta1 * m[i] + (1.0 - of.beta1) * g;
        v[i] = of.beta2 * v[i] + (1.0 - of.beta2) * g * g;
        p[i] = p[i] - step.decay * p[i] - step.rate * m[i] / (sqrt(v[i]) + of.eps);
    }
}

/// The best `ids.len()` tokens of a row of logits with their log-probabilities, best first (on a tie, the lower id
/// first). Refused tokens are part of the normalisation, but never of the result. Unused places hold `pad`.
#[inline(always)]
pub fn top_k(
    logits: &[f32],
    pad: u32,
    refused: impl Fn(u32) -> bool,
    ids: &mut [u32],
    log_probabilities: &mut [f32],
) {
    let most = max(logits);
    let lse = most + ln(exp_sum(logits, 1.0, most));
    best(logits, lse, max, pad, refused, ids, log_probabilities);
}

/// [`top_k`] with the logarithm of the sum of the exponentials, and a function that is [`max`].
#[inline(always)]
pub fn best(
    logits: &[f32],
    lse: f32,
    max: impl Fn(&[f32]) -> f32,
    pad: u32,
    refused: impl Fn(u32) -> bool,
    ids: &mut [u32],
    log_probabilities: &mut [f32],
) {
    /// Logits that are skipped together.
    const BLOCK: usize = 4 * LANES;
    log_probabilities.fill(f32::NEG_INFINITY);
    ids.fill(pad);
    let mut worst = f32::NEG_INFINITY;
    for (block, logits) in logits.chunks(BLOCK).enumerate() {
        if max(logits) - lse <= worst {
            continue;
        }
        for (i, z) in logits.iter().enumerate() {
            let (id, lp) = ((block * BLOCK + i) as u32, z - lse);
            if lp > worst && !refused(id) {
                take_up(log_probabilities, ids, lp, id);
                worst = log_probabilities.last().copied().unwrap_or(worst);
            }
        }
    }
}

/// Inserts `x` into a descending list, after all elements `>= x`; the last element drops out. `ids` move likewise.
#[inline(always)]
fn take_up(list: &mut [f32], ids: &mut [u32], x: f32, id: u32) {
    let mut slots = list.iter_mut().zip(ids).rev();
    let Some(mut free) = slots.next() else { return };
    for slot in slots {
        if *slot.0 >= x {
            break;
        }
        (*free.0, *free.1) = (*slot.0, *slot.1);
        free = slot;
    }
    (*free.0, *free.1) = (x, id);
}
