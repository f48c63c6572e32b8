//! Products with a weight. Each row of the weight is read once, and multiplied with all rows of `x` while it is in the
//! cache.
//!
//! Sums of integers are exact, and sums of floats run in fixed lanes, so every machine computes the same bits.

use super::compute::{Compute, one};
use super::slices::{row, rows, rows_mut};
use crate::bits;
use crate::image::{Format, GROUP, Weight, float, half, unpack};
use crate::math::times_byte;
use crate::rows::{LANES, sum, sum_few};
use core::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// Words of `rows` quantised rows of `cols`: bytes, each row padded to whole groups, then the scales.
pub(super) const fn quantised_words(rows: usize, cols: usize) -> usize {
    let row = cols.div_ceil(GROUP).saturating_mul(GROUP / 4).saturating_add(1);
    rows.saturating_mul(row)
}

/// Rows of a weight that are multiplied with one row of `x` after the other, while they are in the cache.
const RUN: usize = 64;

/// The rows of a weight to multiply.
#[derive(Clone, Copy)]
pub(super) struct Rows<'s> {
    /// The set bits of a shortlist; `None` for all rows.
    pub bits: Option<&'s [u32]>,
    /// The first of them.
    pub start: usize,
    /// How many there are.
    pub count: usize,
}

impl<'s> Rows<'s> {
    /// The rows, for `times` rows of `x`, as runs of adjacent ones.
    fn runs(self, times: usize) -> Option<Runs<'s>> {
        let next = match self.bits {
            Some(bits) => bits::nth(bits, self.start)?,
            None => self.start,
        };
        let most = if times == 1 { usize::MAX } else { RUN };
        Some(Runs { bits: self.bits, next, left: self.count, most })
    }

    /// The first `count` rows, and the others.
    fn split(self, count: usize) -> Option<[Self; 2]> {
        let rest = self.count.checked_sub(count)?;
        Some([
            Self { count, ..self },
            Self { start: self.start.checked_add(count)?, count: rest, ..self },
        ])
    }
}

/// Rows of a weight as runs of adjacent ones.
struct Runs<'s> {
    bits: Option<&'s [u32]>,
    next: usize,
    left: usize,
    /// Rows of a run.
    most: usize,
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    // Out of line: for size, and for the stack frame of the loops.
    #[inline(never)]
    fn next(&mut self) -> Option<Range<usize>> {
        let len = match self.bits {
            Some(_) => self.left.min(1),
            None => self.left.min(self.most),
        };
        if len == 0 {
            return None;
        }
        if let Some(bits) = self.bits {
            self.next = bits::from(bits, self.next)?;
        }
        let run = self.next..self.next + len;
        (self.next, self.left) = (run.end, self.left - len);
        Some(run)
    }
}

/// The rows of `x`.
#[derive(Clone, Copy)]
pub(super) enum Inputs<'s> {
    /// For a weight of f32.
    Floats(&'s [f32]),
    /// For int8 and int4.
    Bytes(Quantised<'s>),
}

impl Inputs<'_> {
    /// The first `count` rows, of `cols` columns, and the others.
    fn split(self, count: usize, cols: usize) -> Option<[Self; 2]> {
        Some(match self {
            Self::Floats(x) => {
                let (low, high) = x.split_at_checked(count.checked_mul(cols)?)?;
                [Self::Floats(low), Self::Floats(high)]
            }
            Self::Bytes(x) => {
                let (low, high) = x.bytes.split_at_checked(count.checked_mul(x.stride)?)?;
                let (scales, others) = x.scales.split_at_checked(count)?;
                let part = |bytes, scales| Self::Bytes(Quantised { bytes, scales, ..x });
                [part(low, scales), part(high, others)]
            }
        })
    }
}

/// `y[n, o] = sum_i x[n, i] w[rows[o], i]`
pub(super) struct Product<'s> {
    pub by: &'s dyn Compute,
    pub x: Inputs<'s>,
    pub w: &'s Weight<'s>,
    pub rows: Rows<'s>,
    pub y: &'s mut [f32],
}

impl<'s> Product<'s> {
    /// Computes it, in two parts if there are two workers.
    #[inline(always)]
    pub fn run(mut self) -> Option<()> {
        match self.by.workers() {
            0 | 1 => self.part(),
            _ => self.divided(),
        }
    }

    // Out of line: its variables are on the stack only where there are two workers.
    #[inline(never)]
    fn divided(mut self) -> Option<()> {
        let by = self.by;
        if self.y.len() < 2 {
            return self.part();
        }
        let [mut low, mut high] = self.halves()?;
        let (mut one, mut other) = (None, None);
        by.join(&mut || one = low.part(), &mut || other = high.part());
        one.and(other)
    }

    /// Half of the rows of `x`; of one row, half of the outputs.
    fn halves(self) -> Option<[Self; 2]> {
        let Self { by, x, w, rows, y } = self;
        let times = y.len().checked_div(rows.count)?;
        let ([x, x_high], [rows, rows_high], at) = if times > 1 {
            let half = times / 2;
            (x.split(half, w.shape().cols())?, [rows; 2], half.checked_mul(rows.count)?)
        } else {
            let half = rows.count / 2;
            ([x; 2], rows.split(half)?, half)
        };
        let (y, y_high) = y.split_at_mut_checked(at)?;
        Some([Self { by, x, w, rows, y }, Self { by, x: x_high, w, rows: rows_high, y: y_high }])
    }

    // Out of line: there are three callers.
    #[inline(never)]
    fn part(&mut self) -> Option<()> {
        match (self.x, self.w.format()) {
            (Inputs::Floats(x), Format::F32) => floats(x, self.w, self.rows, self.y),
            (Inputs::Bytes(x), Format::Int8) => bytes(self.by, x, self.w, self.rows, self.y),
            (Inputs::Bytes(x), Format::Int4) => groups(x, self.w, self.rows, self.y),
            _ => None,
        }
    }
}

/// The product of a weight of f32.
#[inline(never)]
fn floats(x: &[f32], w: &Weight<'_>, picked: Rows<'_>, y: &mut [f32]) -> Option<()> {
    let (inputs, outputs) = sizes(w, &picked)?;
    for (o, number) in picked.runs(1)?.flatten().enumerate() {
        let w = row(w.words(), number, inputs)?;
        for (y, x) in rows_mut(y, outputs).zip(rows(x, inputs)) {
            *y.get_mut(o)? = dot(x, w);
        }
    }
    Some(())
}

/// The columns of a weight and the number of outputs, both positive.
fn sizes(w: &Weight<'_>, rows: &Rows<'_>) -> Option<(usize, usize)> {
    let inputs = w.shape().cols();
    (inputs > 0 && rows.count > 0).then_some((inputs, rows.count))
}

/// `sum x w` in the lanes of [`rows::dot`].
#[inline(always)]
fn dot(x: &[f32], w: &[u32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((whole_x, rest_x), (whole_w, rest_w)) = (x.as_chunks::<LANES>(), w.as_chunks::<LANES>());
    for (x, w) in whole_x.iter().zip(whole_w) {
        add(&mut lanes, x, w);
    }
    add(&mut lanes, rest_x, rest_w);
    sum(&lanes)
}

#[inline(always)]
fn add(lanes: &mut [f32; LANES], x: &[f32], w: &[u32]) {
    for (lane, (x, w)) in lanes.iter_mut().zip(x.iter().zip(w)) {
        *lane += x * float(*w);
    }
}

/// Rows of bytes, with a scale for each row.
#[derive(Clone, Copy)]
pub(super) struct Quantised<'s> {
    bytes: &'s [i8],
    scales: &'s [f32],
    /// Bytes of a row, padding included.
    stride: usize,
}

/// Quantises each row of `x` `[N, cols]` to bytes: the largest magnitude becomes 127, halves round to even. `words` has
/// [`quantised_words`] elements.
pub(super) fn quantise(x: &[f32], cols: usize, words: &mut [f32]) -> Option<()> {
    let count = x.len().checked_div(cols)?;
    let stride = cols.div_ceil(GROUP) * GROUP;
    let (words, scales) = words.split_at_mut_checked(words.len().checked_sub(count)?)?;
    let bytes = <[i8]>::mut_from_bytes(words.as_mut_bytes()).ok()?;
    let pairs = rows(x, cols).zip(rows_mut(bytes, stride));
    for ((x, bytes), scale) in pairs.zip(scales) {
        *scale = quantise_row(x, bytes);
    }
    Some(())
}

/// Quantises one row and returns its scale. Bytes beyond the row become 0.
fn quantise_row(x: &[f32], bytes: &mut [i8]) -> f32 {
    bytes.get_mut(x.len()..).unwrap_or_default().fill(0);
    crate::rows::quantise(x, crate::rows::largest(x), bytes)
}

/// Writes a row as bytes, padded to words, then its scale.
pub(super) fn pack(x: &[f32], words: &mut [f32]) -> Option<()> {
    let (scale, words) = words.split_last_mut()?;
    let bytes = <[i8]>::mut_from_bytes(words.as_mut_bytes()).ok()?;
    *scale = quantise_row(x, bytes);
    Some(())
}

/// The bytes (with padding) and the scale of a row written by [`pack`].
pub(super) fn packed(words: &[f32]) -> Option<(&[i8], f32)> {
    let (scale, words) = words.split_last()?;
    Some((<[i8]>::ref_from_bytes(words.as_bytes()).ok()?, *scale))
}

/// `sum x w` in the lanes of [`rows::dot`].
#[inline(always)]
pub(super) fn mixed_dot(x: &[f32], w: &[i8]) -> f32 {
    let mut lanes = [0.0; LANES];
    let mut pairs = x.chunks(LANES).zip(w.chunks(LANES));
    if let Some((x, w)) = pairs.next() {
        for (lane, (x, w)) in lanes.iter_mut().zip(x.iter().zip(w)) {
            *lane = times_byte(*x, *w);
        }
    }
    for (x, w) in pairs {
        for (lane, (x, w)) in lanes.iter_mut().zip(x.iter().zip(w)) {
            *lane += times_byte(*x, *w);
        }
    }
    sum_few(lanes, x.len().min(w.len()))
}

impl<'s> Quantised<'s> {
    /// The rows that [`quantise`] wrote to `words`.
    pub fn new(words: &'s [f32], rows: usize, cols: usize) -> Option<Self> {
        let (words, scales) = words.split_at_checked(words.len().checked_sub(rows)?)?;
        let bytes = <[i8]>::ref_from_bytes(words.as_bytes()).ok()?;
        Some(Self { bytes, scales, stride: cols.div_ceil(GROUP) * GROUP })
    }

    fn rows(self) -> impl Iterator<Item = (&'s [i8], f32)> {
        rows(self.bytes, self.stride).zip(self.scales.iter().copied())
    }
}

/// The product of a weight of int8. A sum is an integer, at most 127 * 128 * [`crate::image::MOST_COLUMNS`].
#[inline(never)]
fn bytes(
    by: &dyn Compute,
    x: Quantised<'_>,
    w: &Weight<'_>,
    picked: Rows<'_>,
    y: &mut [f32],
) -> Option<()> {
    let (inputs, outputs) = sizes(w, &picked)?;
    let (numbers, scales) = (w.bytes(), w.row_scales());
    let mut at = 0;
    for run in picked.runs(x.scales.len())? {
        let scales = scales.get(run.clone())?;
        let w = numbers.get(run.start.checked_mul(inputs)?..run.end.checked_mul(inputs)?)?;
        let end = at + run.len();
        for (y, (x, scale_x)) in rows_mut(y, outputs).zip(x.rows()) {
            let y = y.get_mut(at..end)?;
            by.dots(x.get(..inputs)?, w, <[i32]>::mut_from_bytes(y.as_mut_bytes()).ok()?);
            scale_sums(y, scales, scale_x);
        }
        at = end;
    }
    Some(())
}

/// Multiplies sums, the bits of `y`, by the scales of their rows and of `x`.
fn scale_sums(y: &mut [f32], scales: &[u32], scale_x: f32) {
    let scaled = |y: &mut f32, scale: &u32| {
        *y = y.to_bits() as i32 as f32 * (float(*scale) * scale_x);
    };
    let ((whole, rest), (scales, rest_scales)) = (y.as_chunks_mut::<4>(), scales.as_chunks::<4>());
    for ([a, b, c, d], [p, q, r, s]) in whole.iter_mut().zip(scales) {
        scaled(a, p);
        scaled(b, q);
        scaled(c, r);
        scaled(d, s);
    }
    rest.iter_mut().zip(rest_scales).for_each(|(y, scale)| scaled(y, scale));
}

/// Rows of `x` that share the unpacking of a group.
const TILE: usize = 4;

/// The product of a weight of int4: integer sums for each group, then the sum of the scaled groups in order.
#[inline(never)]
fn groups(x: Quantised<'_>, w: &Weight<'_>, picked: Rows<'_>, y: &mut [f32]) -> Option<()> {
    let (inputs, outputs) = sizes(w, &picked)?;
    let count = inputs.div_ceil(GROUP);
    let (numbers, scales) = w.groups();
    for (o, number) in picked.runs(1)?.flatten().enumerate() {
        let (groups, scales) = (row(numbers, number, count)?, row(scales, number, count)?);
        let (mut xs, mut ys) = (x.bytes, rows_mut(y, outputs));
        for scales_x in x.scales.chunks(TILE) {
            let (x, after) = xs.split_at_checked(x.stride.checked_mul(scales_x.len())?)?;
            xs = after;
            let sums = tile(x, x_stride(count), groups, scales);
            // The rows are the last iterator: at the end of the scales, `zip` has not taken a row.
            for ((scale, sum), y) in scales_x.iter().zip(sums).zip(ys.by_ref()) {
                *y.get_mut(o)? = sum * scale;
            }
        }
    }
    Some(())
}

/// Bytes of a quantised row of `count` groups.
const fn x_stride(count: usize) -> usize {
    count * GROUP
}

/// The product of one row of int4 and up to [`TILE`] rows of `x`.
#[inline(always)]
fn tile(x: &[i8], stride: usize, groups: &[[u8; GROUP / 2]], scales: &[[u8; 2]]) -> [f32; TILE] {
    let mut sums = [0.0; TILE];
    for (g, (group, scale)) in groups.iter().zip(scales).enumerate() {
        let (numbers, scale) = (unpack(group), half(*scale));
        for (sum, x) in sums.iter_mut().zip(rows(x, stride)) {
            let x = x.as_chunks::<GROUP>().0.get(g).map_or(0, |x| one(x, &numbers));
            *sum += x as f32 * scale;
        }
    }
    sums
}
