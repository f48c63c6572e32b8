//! What matrices of bytes are multiplied with.

use super::slices::rows;

/// What [`Micro`](super::Micro) multiplies matrices of bytes with: [`Portable`], or the instructions of a processor.
/// The sums are integers, so the bits of a result do not depend on it.
pub trait Compute: Sync {
    /// `sums[r] = sum_i x[i] w[r, i]` modulo 2^32, for the rows of `w`, each as long as `x`. Sums without a row stay as
    /// they are.
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]);

    /// How many parts of a product [`Compute::join`] computes at the same time: 1, or 2 on a processor of two cores.
    fn workers(&self) -> usize {
        1
    }

    /// Runs both parts of a product and returns when both have ended. A second core may run one of them: they write to
    /// different memory.
    fn join(&self, one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
        one();
        other();
    }
}

/// Loops without instructions of a particular processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

/// Columns whose products are written out: on a board as many as its registers hold, elsewhere what the compiler
/// vectorises.
const STEP: usize = if cfg!(target_os = "none") { 4 } else { 32 };

impl Compute for Portable {
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]) {
        let count = w.len().checked_div(x.len()).unwrap_or(0).min(sums.len());
        let (pairs, last) = sums.get_mut(..count).unwrap_or_default().as_chunks_mut::<2>();
        let mut w = rows(w, x.len());
        for (sums, (a, b)) in pairs.iter_mut().zip(core::iter::from_fn(|| w.next().zip(w.next()))) {
            *sums = two(x, a, b);
        }
        for (sum, w) in last.iter_mut().zip(w) {
            *sum = one(x, w);
        }
    }
}

/// The sum of one row.
#[inline(always)]
pub(super) fn one(x: &[i8], w: &[i8]) -> i32 {
    let ((x, rest), (w, rest_w)) = (x.as_chunks::<STEP>(), w.as_chunks::<STEP>());
    let sum = x.iter().zip(w).fold(0, |sum, (x, w)| step(sum, x, w));
    rest.iter().zip(rest_w).fold(sum, |sum, (x, w)| sum.wrapping_add(product(x, w)))
}

/// The sums of two rows. An element of `x` is read once for both.
#[inline(always)]
fn two(x: &[i8], a: &[i8], b: &[i8]) -> [i32; 2] {
    let (x, rest) = x.as_chunks::<STEP>();
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<STEP>(), b.as_chunks::<STEP>());
    let mut sums = [0; 2];
    for ((x, a), b) in x.iter().zip(a).zip(b) {
        sums = [step(sums[0], x, a), step(sums[1], x, b)];
    }
    for ((x, a), b) in rest.iter().zip(rest_a).zip(rest_b) {
        sums = [sums[0].wrapping_add(product(x, a)), sums[1].wrapping_add(product(x, b))];
    }
    sums
}

/// Adds the products of one step.
#[cfg(not(target_os = "none"))]
#[inline(always)]
fn step(sum: i32, x: &[i8; STEP], w: &[i8; STEP]) -> i32 {
    let products = x.iter().zip(w).map(|(x, w)| product(x, w));
    sum.wrapping_add(products.fold(0, i32::wrapping_add))
}

/// Adds the products of one step, written out: for size, the compiler keeps a loop.
#[cfg(target_os = "none")]
#[inline(always)]
fn step(sum: i32, [x0, x1, x2, x3]: &[i8; STEP], [w0, w1, w2, w3]: &[i8; STEP]) -> i32 {
    let sum = sum.wrapping_add(product(x0, w0)).wrapping_add(product(x1, w1));
    sum.wrapping_add(product(x2, w2)).wrapping_add(product(x3, w3))
}

#[inline(always)]
fn product(x: &i8, w: &i8) -> i32 {
    i32::from(i16::from(*x) * i16::from(*w))
}
