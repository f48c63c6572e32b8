//! The formulas of [`a2d_core::rows`] in lanes: the same bits.

use crate::lanes::Lanes;
use a2d_core::math::{ln, sqrt};
use a2d_core::rows::LANES;

// Loops here have no closures: an intrinsic in a closure is not always inlined.

/// [`a2d_core::rows::dot`] of rows of the same length.
#[inline(always)]
pub(crate) fn dot<L: Lanes>(l: L, x: &[f32], y: &[f32]) -> f32 {
    let ((whole_x, rest_x), (whole_y, rest_y)) = (x.as_chunks(), y.as_chunks());
    let mut sum = l.splat(0.0);
    for (x, y) in whole_x.iter().zip(whole_y) {
        sum = l.add(sum, l.mul(l.load(x), l.load(y)));
    }
    if !rest_x.is_empty() {
        sum = l.add(sum, l.mul(l.part(rest_x, 0.0), l.part(rest_y, 0.0)));
    }
    l.sum(sum)
}

/// [`dot`] of `x` and each of four rows.
#[inline(always)]
pub(crate) fn dots<L: Lanes>(l: L, x: &[f32], y: [&[f32]; 4]) -> [f32; 4] {
    let (whole, rest) = x.as_chunks();
    let mut sums = [l.splat(0.0); 4];
    for (s, x) in whole.iter().enumerate() {
        let x = l.load(x);
        for i in 0..4 {
            let y = y[i][s * LANES..].first_chunk().expect("a row as long as the others");
            sums[i] = l.add(sums[i], l.mul(x, l.load(y)));
        }
    }
    if !rest.is_empty() {
        let x = l.part(rest, 0.0);
        for i in 0..4 {
            let y = l.part(&y[i][whole.len() * LANES..], 0.0);
            sums[i] = l.add(sums[i], l.mul(x, y));
        }
    }
    l.sum4(sums)
}

/// [`a2d_core::rows::sum`]
#[inline(always)]
pub(crate) fn sum<L: Lanes>(l: L, x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks();
    let mut sum = l.splat(0.0);
    for x in whole {
        sum = l.add(sum, l.load(x));
    }
    if !rest.is_empty() {
        sum = l.add(sum, l.part(rest, 0.0));
    }
    l.sum(sum)
}

/// [`a2d_core::rows::max`]
#[inline(always)]
pub(crate) fn max<L: Lanes>(l: L, x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks();
    let mut most = l.splat(f32::NEG_INFINITY);
    for x in whole {
        most = l.max(l.load(x), most);
    }
    if !rest.is_empty() {
        most = l.max(l.part(rest, f32::NEG_INFINITY), most);
    }
    l.most(most)
}

/// [`a2d_core::math::exp`]
#[inline(always)]
pub(crate) fn exp<L: Lanes>(l: L, x: L::F) -> L::F {
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 5] = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = l.max(l.splat(-87.3), x);
    let x = l.min(l.splat(88.0), x);
    let round = l.splat(ROUND);
    let shifted = l.add(l.mul(x, l.splat(core::f32::consts::LOG2_E)), round);
    let n = l.sub(shifted, round);
    let r = l.sub(l.sub(x, l.mul(n, l.splat(LN_2_HIGH))), l.mul(n, l.splat(LN_2_LOW)));
    let mut p = l.splat(1.987_569_2e-4);
    for c in TERMS {
        p = l.add(l.mul(p, r), l.splat(c));
    }
    l.mul(l.add(l.add(l.mul(l.mul(p, r), r), r), l.splat(1.0)), l.power(shifted))
}

/// `ln sum e^x`, as [`a2d_core::rows::top_k`] computes it.
#[inline(always)]
pub(crate) fn log_sum_exp<L: Lanes>(l: L, x: &[f32]) -> f32 {
    let most = max(l, x);
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut sum = l.splat(0.0);
    for x in whole {
        sum = l.add(sum, exp(l, l.sub(l.load(x), l.splat(most))));
    }
    if !rest.is_empty() {
        let last = l.part(rest, 0.0);
        let mut last = l.store(exp(l, l.sub(last, l.splat(most))));
        last[rest.len()..].fill(0.0);
        sum = l.add(sum, l.load(&last));
    }
    most + ln(l.sum(sum))
}

/// [`a2d_core::rows::softmax`] of the first `used` elements of a row of whole lanes. The others are minus infinity, and
/// become 0.
#[inline(always)]
pub(crate) fn softmax<L: Lanes>(l: L, x: &mut [f32], used: usize) {
    let most = max(l, x);
    for x in x.as_chunks_mut().0 {
        *x = l.store(exp(l, l.sub(l.load(x), l.splat(most))));
    }
    x[used..].fill(0.0);
    let factor = l.splat(1.0 / sum(l, x));
    for x in x.as_chunks_mut().0 {
        *x = l.store(l.mul(l.load(x), factor));
    }
}

/// [`a2d_core::rows::layer_norm`]
#[inline(always)]
pub(crate) fn layer_norm<L: Lanes>(
    l: L,
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
    epsilon: f32,
    y: &mut [f32],
) {
    let n = x.len() as f32;
    let mean = sum(l, x) / n;
    let ((whole, rest), means) = (x.as_chunks(), l.splat(mean));
    let mut squares = l.splat(0.0);
    for x in whole {
        let distance = l.sub(l.load(x), means);
        squares = l.add(squares, l.mul(distance, distance));
    }
    if !rest.is_empty() {
        let distance = l.sub(l.part(rest, mean), means);
        squares = l.add(squares, l.mul(distance, distance));
    }
    let scale = 1.0 / sqrt(l.sum(squares) / n + epsilon);
    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
        *y = (x - mean) * scale * gain + bias;
    }
}

/// `y += a[i] x[i]` for each `i` in order.
#[inline(always)]
pub(crate) fn axpy<L: Lanes, const N: usize>(l: L, a: [f32; N], x: [&[f32]; N], y: &mut [f32]) {
    let (whole, rest) = y.as_chunks_mut();
    for (s, y) in whole.iter_mut().enumerate() {
        let mut sum = l.load(y);
        for i in 0..N {
            let x = x[i][s * LANES..].first_chunk().expect("a row as long as the others");
            sum = l.add(sum, l.mul(l.splat(a[i]), l.load(x)));
        }
        *y = l.store(sum);
    }
    if !rest.is_empty() {
        let from = whole.len() * LANES;
        let mut sum = l.part(rest, 0.0);
        for i in 0..N {
            sum = l.add(sum, l.mul(l.splat(a[i]), l.part(&x[i][from..], 0.0)));
        }
        rest.copy_from_slice(&l.store(sum)[..rest.len()]);
    }
}
