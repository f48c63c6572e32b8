//! The formulas, on slices: each forward form above its gradient.
//!
//! Every backend that computes on the CPU is a loop around these. They are written for vector units without naming
//! one: sums run in [`LANES`] fixed lanes, so the result is the same whatever the machine's vectors are.

use crate::backend::Allow;
use crate::config::{Activation, token};
use crate::math::{exp, ln, sqrt};
#[cfg(feature = "train")]
use crate::optim::AdamStep;
use core::ops::Range;

/// Partial results that a reduction keeps.
pub const LANES: usize = 16;

/// Added to a row's variance before the root.
pub const LAYER_NORM_EPS: f32 = 1e-5;

/// Reduces `f(i)` over `0..n` in fixed lanes. `f` must not depend on the order of calls.
#[inline(always)]
fn reduce(n: usize, zero: f32, f: impl Fn(usize) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [zero; LANES];
    let whole = n - n % LANES;
    let mut i = 0;
    while i < whole {
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = join(*value, f(i + lane));
        }
        i += LANES;
    }
    for (lane, value) in lanes.iter_mut().enumerate().take(n - whole) {
        *value = join(*value, f(whole + lane));
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn plus(x: f32, y: f32) -> f32 {
    x + y
}

/// `sum x`
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    reduce(x.len(), 0.0, |i| x[i], plus)
}

/// `sum x y`; `y` is at least as long as `x`.
#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let y = &y[..x.len()];
    reduce(x.len(), 0.0, |i| x[i] * y[i], plus)
}

/// The largest element, minus infinity for none. NaN may be passed over: the sums that follow keep it.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    reduce(x.len(), f32::NEG_INFINITY, |i| x[i], |x, y| if y > x { y } else { x })
}

/// `y += a x`
#[inline(always)]
pub fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// `x = exp(scale x - shift)`, and their sum.
#[inline(always)]
pub fn exp_in_place(x: &mut [f32], scale: f32, shift: f32) -> f32 {
    for x in x.iter_mut() {
        *x = exp(*x * scale - shift);
    }
    sum(x)
}

/// The position vector `n` of fairseq: `[sin(n f_0) .. sin(n f_h-1), cos(n f_0) .. cos(n f_h-1)]`, `h = D / 2`,
/// `f_i = exp(-i ln(10000) / (h - 1))`, in f32; a last odd column is 0.
pub fn position(n: u32, out: &mut [f32]) {
    let half = out.len() / 2;
    out.fill(0.0);
    let step = libm::log(10_000.0) / (half.max(2) - 1) as f64;
    for i in 0..half {
        let angle = n as f32 * libm::expf(i as f32 * -(step as f32));
        out[i] = libm::sinf(angle);
        out[half + i] = libm::cosf(angle);
    }
}

/// `x` becomes `softmax(x)`. An empty row stays empty.
#[inline(always)]
pub fn softmax(x: &mut [f32]) {
    let most = max(x);
    let total = exp_in_place(x, 1.0, most);
    let factor = 1.0 / total;
    for x in x.iter_mut() {
        *x *= factor;
    }
}

/// `dp` becomes the gradient of the scores: `p (dp - sum p dp)`.
#[inline(always)]
pub fn softmax_grad(p: &[f32], dp: &mut [f32]) {
    let mean = dot(p, dp);
    for (dp, p) in dp.iter_mut().zip(p) {
        *dp = p * (*dp - mean);
    }
}

/// Mean and reciprocal deviation of a row.
#[inline(always)]
fn moments(x: &[f32]) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum(x) / n;
    let variance = reduce(x.len(), 0.0, |i| (x[i] - mean) * (x[i] - mean), plus) / n;
    (mean, 1.0 / sqrt(variance + LAYER_NORM_EPS))
}

/// `y = (x - mean) / deviation * gain + bias`
#[inline(always)]
pub fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], y: &mut [f32]) {
    let (mean, scale) = moments(x);
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
    dx: &mut [f32],
    dgain: &mut [f32],
    dbias: &mut [f32],
) {
    let n = x.len();
    let (dy, gain, dx) = (&dy[..n], &gain[..n], &mut dx[..n]);
    let (dgain, dbias) = (&mut dgain[..n], &mut dbias[..n]);
    let (mean, scale) = moments(x);
    let g = |i: usize| dy[i] * gain[i];
    let h = |i: usize| (x[i] - mean) * scale;
    let mean_g = reduce(n, 0.0, g, plus) / n as f32;
    let mean_gh = reduce(n, 0.0, |i| g(i) * h(i), plus) / n as f32;
    for i in 0..n {
        dx[i] = scale * (g(i) - mean_g - h(i) * mean_gh);
        dgain[i] += dy[i] * h(i);
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
    }
}

/// `dy` becomes `dy f'`. `y` is the output for relu, the input for gelu.
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
                *dy *= normal_cdf(*x) + x * DENSITY_AT_0 * libm::expf(-0.5 * x * x);
            }
        }
    }
}

fn normal_cdf(x: f32) -> f32 {
    0.5 * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2))
}

/// What [`token_loss`] is asked for.
///
/// With student and teacher logits `z`, `zt` of a row, target `y`, `p = softmax(z)`, V tokens and
/// `e = label_smoothing / (V - 1)` (fairseq's):
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
    /// What the gradient counts `ce` for.
    pub ce_weight: f32,
    /// What the gradient counts `kd` for.
    pub kd_weight: f32,
}

/// ce, kd, the two negative log-likelihoods, the softened teacher's entropy.
pub type TokenValues = [f32; 5];

/// What a row of the teacher's logits comes to.
struct TeacherRow {
    kd: f32,
    nll: f32,
    entropy: f32,
    /// Turns the row, now exponentials, into probabilities.
    factor: f32,
}

/// One row of the token losses. `z` (student logits) becomes the gradient; `teacher` (logits) is overwritten.
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
    let lse_soft = if of.student_temperature == 1.0 || teacher.is_none() {
        f32::NAN // taken from the hard one below
    } else {
        most * soft + ln(reduce(n, 0.0, |i| exp((z[i] - most) * soft), plus))
    };
    let lse = most + ln(exp_sum(z, most));
    let lse_soft = if lse_soft.is_nan() { lse } else { lse_soft };

    let even = of.label_smoothing / (n - 1) as f32;
    let sharp = 1.0 - of.label_smoothing - even;
    let nll = lse - z_target;
    let ce = sharp * nll + even * (n as f32 * lse - total_z);

    let hard = of.ce_weight * (sharp + even * n as f32);
    let floor = of.ce_weight * even;
    let mut values = [ce, 0.0, nll, 0.0, 0.0];
    match teacher {
        None => {
            for z in z.iter_mut() {
                *z = hard * exp(*z - lse) - floor;
            }
        }
        Some(teacher) => {
            let teacher = &mut teacher[..n];
            let row = teacher_row(z, teacher, target, of, lse_soft);
            (values[1], values[3], values[4]) = (row.kd, row.nll, row.entropy);
            let pull = of.kd_weight * soft;
            let q = pull * row.factor;
            if of.student_temperature == 1.0 {
                for (z, teacher) in z.iter_mut().zip(teacher) {
                    *z = (hard + pull) * exp(*z - lse) - floor - q * *teacher;
                }
            } else {
                for (z, teacher) in z.iter_mut().zip(teacher) {
                    let p = exp(*z * soft - lse_soft);
                    *z = hard * exp(*z - lse) + pull * p - floor - q * *teacher;
                }
            }
        }
    }
    z[target] -= of.ce_weight * sharp;
    values
}

/// The teacher's part; `teacher` becomes exponentials that [`TeacherRow::factor`] makes probabilities.
#[inline(always)]
fn teacher_row(
    z: &[f32],
    teacher: &mut [f32],
    target: usize,
    of: &TokenRow,
    lse_student: f32,
) -> TeacherRow {
    let n = teacher.len();
    let (most, at_target) = (max(teacher), teacher[target]);
    let soft = 1.0 / of.teacher_temperature;
    let lse_hard = (of.teacher_temperature != 1.0).then(|| most + ln(exp_sum(teacher, most)));
    let weighted = reduce(n, 0.0, |i| exp((teacher[i] - most) * soft) * (teacher[i] - most), plus);
    let total = exp_in_place(teacher, soft, most * soft);
    let (factor, lse) = (1.0 / total, ln(total));
    TeacherRow {
        kd: lse_student - factor / of.student_temperature * dot(teacher, z),
        nll: lse_hard.unwrap_or(most + lse) - at_target,
        entropy: lse - factor * soft * weighted,
        factor,
    }
}

/// The keys that query `i` of a sentence may see.
#[inline(always)]
pub fn visible(causal: bool, i: usize, keys: usize) -> usize {
    if causal { keys.min(i + 1) } else { keys }
}

/// Folds `f` over `ranges`.
#[inline(always)]
fn over<T>(
    ranges: impl Iterator<Item = Range<usize>>,
    zero: T,
    f: impl Fn(Range<usize>) -> T,
    join: impl Fn(T, T) -> T,
) -> T {
    let mut out = zero;
    for r in ranges {
        out = join(out, f(r));
    }
    out
}

/// Sums `f` over `ranges`, in double.
#[inline(always)]
fn total(ranges: impl Iterator<Item = Range<usize>>, f: impl Fn(Range<usize>) -> f32) -> f64 {
    over(ranges, 0.0, |r| f64::from(f(r)), |x, y| x + y)
}

/// `sum exp(x - shift)`
#[inline(always)]
fn exp_sum(x: &[f32], shift: f32) -> f32 {
    reduce(x.len(), 0.0, |i| exp(x[i] - shift), plus)
}

/// `KL(t || softmax(a))` over the union of `ranges`, taken as one distribution; `t` is `softmax(teacher)`, or with
/// `as_is` the teacher over its sum. `gradient`, where wanted, becomes `weight (softmax(a) - t)` there.
#[inline(always)]
pub fn map_divergence<R: Iterator<Item = Range<usize>> + Clone>(
    a: &[f32],
    teacher: &[f32],
    ranges: R,
    as_is: bool,
    weight: f32,
    gradient: Option<&mut [f32]>,
) -> f64 {
    let most_a = over(ranges.clone(), f32::NEG_INFINITY, |r| max(&a[r]), f32::max);
    let total_a = total(ranges.clone(), |r| exp_sum(&a[r], most_a));
    let lse_a = f64::from(most_a) + libm::log(total_a);
    let (most_t, total_t) = if as_is {
        (0.0, total(ranges.clone(), |r| sum(&teacher[r])))
    } else {
        let most = over(ranges.clone(), f32::NEG_INFINITY, |r| max(&teacher[r]), f32::max);
        (most, total(ranges.clone(), |r| exp_sum(&teacher[r], most)))
    };
    let probability = |t: f32| if as_is { t } else { exp(t - most_t) };
    let (factor_a, factor_t) = ((1.0 / total_a) as f32, (1.0 / total_t) as f32);

    // sum t (ln t - a), with ln t known up to a constant for the softmax.
    let cross = total(ranges.clone(), |r| {
        let (a, t) = (&a[r.clone()], &teacher[r]);
        if as_is {
            t.iter().zip(a).map(|(t, a)| if *t > 0.0 { t * (ln(*t) - a) } else { 0.0 }).sum()
        } else {
            reduce(a.len(), 0.0, |i| probability(t[i]) * (t[i] - a[i]), plus)
        }
    });
    let normaliser =
        if as_is { libm::log(total_t) } else { f64::from(most_t) + libm::log(total_t) };
    if let Some(gradient) = gradient {
        for r in ranges {
            let (a, t) = (&a[r.clone()], &teacher[r.clone()]);
            for ((g, a), t) in gradient[r].iter_mut().zip(a).zip(t) {
                *g = weight * (exp(a - most_a) * factor_a - probability(*t) * factor_t);
            }
        }
    }
    cross / total_t + lse_a - normaliser
}

/// Adam over equal slices, as `AdamStep` has it; `scale` replaces the step's own (clipping is in it).
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

/// The best `ids.len()` tokens of a row of logits, best first (the lower id on a tie), with log-probabilities.
#[inline(always)]
pub fn top_k(logits: &[f32], allow: Allow, ids: &mut [u32], log_probabilities: &mut [f32]) {
    let most = max(logits);
    let lse = most + ln(exp_sum(logits, most));
    let refused = |id: u32| match allow {
        Allow::Any => id == token::PAD,
        Allow::NoEnd => id == token::PAD || id == token::EOS,
        Allow::OnlyEnd => id != token::EOS,
    };
    log_probabilities.fill(f32::NEG_INFINITY);
    ids.fill(token::PAD);
    let Some(last) = ids.len().checked_sub(1) else { return };
    let mut worst = f32::NEG_INFINITY;
    for (id, &z) in logits.iter().enumerate() {
        let lp = z - lse;
        if lp > worst && !refused(id as u32) {
            let mut at = last;
            while at > 0 && log_probabilities[at - 1] < lp {
                log_probabilities[at] = log_probabilities[at - 1];
                ids[at] = ids[at - 1];
                at -= 1;
            }
            (log_probabilities[at], ids[at]) = (lp, id as u32);
            worst = log_probabilities[last];
        }
    }
}
