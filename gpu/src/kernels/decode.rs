//! The cache of keys and values, and the selection of the next tokens.

use super::copy::{empty, unshared};
use super::cube::{LOWEST, cube_max, cube_sum};
use crate::beside::Strided;
use crate::context::{Context, launch};
use crate::grid::{UNITS, cubes, elements, units};
use crate::index::Index;
use crate::rounded;
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::allow::{Allow, End};
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use half::bf16;

/// Units of a cube.
const U: usize = UNITS as usize;

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn store_kernel<F: Float>(
    rows: &Array<F>,
    cache: &mut Array<F>,
    len: u32,
    width: u32,
    at: u32,
    stride: u32,
    row_width: u32,
    first: u32,
) {
    if ABSOLUTE_POS < len as usize {
        let (row, col) = (ABSOLUTE_POS / width as usize, ABSOLUTE_POS % width as usize);
        let to = (row * stride as usize + at as usize) * width as usize + col;
        cache[to] = rows[row * row_width as usize + first as usize + col];
    }
}

/// `cache` with row `i` of `rows` in row `i * stride + at`: in place, unless it is held otherwise than the rows.
pub(crate) fn store(
    context: &Context,
    cache: Tensor,
    rows: &Tensor,
    at: usize,
    stride: usize,
) -> Tensor {
    assert_eq!(cache.cols(), rows.cols(), "store");
    let sizes = [rows.len(), rows.cols(), at, stride];
    if rows.is_held_rounded() {
        let cache = rounded::unshared(context, cache);
        store_to::<bf16>(context, &context.short(&cache), &Strided::of(context, rows), sizes);
        return cache;
    }
    let cache = unshared(context, cache);
    let rows = Strided { view: rows.view(), width: rows.cols(), first: 0 };
    store_to::<f32>(context, &cache.view(), &rows, sizes);
    cache
}

fn store_to<F: Float>(context: &Context, cache: &View, rows: &Strided, sizes: [usize; 4]) {
    let [len, width, at, stride] = sizes.map(|size| size as u32);
    if len > 0 {
        launch!(
            context,
            store_kernel::<F>(
                elements(len as usize),
                units(),
                rows.view.arg(),
                cache.arg(),
                len,
                width,
                at,
                stride,
                rows.width as u32,
                rows.first as u32,
            )
        );
    }
}

#[cube(launch)]
fn reorder_kernel<F: Float>(
    cache: &Array<F>,
    parents: &Array<u32>,
    out: &mut Array<F>,
    group: u32,
    len: u32,
) {
    if ABSOLUTE_POS < out.len() {
        let (group, within) = (group as usize, ABSOLUTE_POS % group as usize);
        let mut from = ABSOLUTE_POS;
        if within < len as usize && ABSOLUTE_POS / group < parents.len() {
            from = parents[ABSOLUTE_POS / group] as usize * group + within;
        }
        out[ABSOLUTE_POS] = cache[from];
    }
}

/// `cache` in groups of `stride` rows, where the first `len` rows of group `i` are those of group `parents[i]`.
pub(crate) fn reorder(
    context: &Context,
    cache: &Tensor,
    parents: &Index,
    stride: usize,
    len: usize,
) -> Tensor {
    let sizes = [stride, len].map(|rows| rows * cache.cols());
    if cache.is_held_rounded() {
        let out = rounded::empty(context, cache.shape);
        reorder_to::<bf16>(context, &context.short(cache), parents, &context.short(&out), sizes);
        return out;
    }
    let out = empty(context, cache.shape);
    reorder_to::<f32>(context, &cache.view(), parents, &out.view(), sizes);
    out
}

fn reorder_to<F: Float>(
    context: &Context,
    cache: &View,
    parents: &Index,
    out: &View,
    sizes: [usize; 2],
) {
    let (count, [group, len]) = (elements(out.len), sizes.map(|size| size as u32));
    if out.len > 0 {
        launch!(
            context,
            reorder_kernel::<F>(
                count,
                units(),
                cache.arg(),
                parents.view(context).arg(),
                out.arg(),
                group,
                len,
            )
        );
    }
}

/// The best `(value, id)` of a cube's units: the highest value, and the lowest id on a tie.
#[cube]
fn cube_best(value: f32, id: u32) -> (f32, u32) {
    let mut values = SharedMemory::<f32>::new(U);
    let mut ids = SharedMemory::<u32>::new(U);
    let unit = UNIT_POS as usize;
    values[unit] = value;
    ids[unit] = id;
    sync_cube();
    let mut half = (U / 2).runtime();
    while half > 0 {
        if unit < half {
            let (other, other_id) = (values[unit + half], ids[unit + half]);
            if other > values[unit] || (other == values[unit] && other_id < ids[unit]) {
                values[unit] = other;
                ids[unit] = other_id;
            }
        }
        sync_cube();
        half /= 2;
    }
    let (value, id) = (values[0], ids[0]);
    sync_cube();
    (value, id)
}

/// Whether a forbidden range contains `id`.
#[cube]
fn within(id: u32, start: u32, end: u32) -> bool {
    id >= start && id < end
}

/// The best `k` tokens of each row, found one at a time: each is the best of those that follow the previous one.
/// A row of `out` is `k` log-probabilities, then the bits of `k` ids. A forbidden range is given by its first token and
/// the token after its last.
#[cube(launch)]
fn top_k_kernel(
    logits: &Array<f32>,
    out: &mut Array<f32>,
    rows: u32,
    vocabulary: u32,
    k: u32,
    pad: u32,
    start: u32,
    eos: u32,
    no_end: u32,
    only_end: u32,
    first_start: u32,
    first_end: u32,
    second_start: u32,
    second_end: u32,
    third_start: u32,
    third_end: u32,
    fourth_start: u32,
    fourth_end: u32,
) {
    let (row, v, k) = (CUBE_POS, vocabulary as usize, k as usize);
    if row < rows as usize {
        let base = row * v;
        let mut largest = LOWEST.runtime();
        for i in range_stepped(UNIT_POS as usize, v, U) {
            largest = max(largest, logits[base + i]);
        }
        let largest = cube_max(largest, U);
        let mut total = 0.0f32;
        for i in range_stepped(UNIT_POS as usize, v, U) {
            total += (logits[base + i] - largest).exp();
        }
        let lse = largest + cube_sum(total, U).ln();

        let mut last = f32::max_value();
        let mut last_id = 0u32.runtime();
        for rank in 0..k {
            let mut best = LOWEST.runtime();
            let mut best_id = vocabulary;
            for i in range_stepped(UNIT_POS as usize, v, U) {
                let (z, id) = (logits[base + i], i as u32);
                let mut allowed = id != pad && id != start;
                let forbidden = within(id, first_start, first_end)
                    || within(id, second_start, second_end)
                    || within(id, third_start, third_end)
                    || within(id, fourth_start, fourth_end);
                allowed = allowed && (!forbidden || id == eos);
                if no_end == 1 {
                    allowed = allowed && id != eos;
                }
                if only_end == 1 {
                    allowed = id == eos;
                }
                let after = rank == 0 || z < last || (z == last && id > last_id);
                if allowed && after && (z > best || (z == best && id < best_id)) {
                    best = z;
                    best_id = id;
                }
            }
            let (best, best_id) = cube_best(best, best_id);
            if UNIT_POS == 0 {
                let found = best_id < vocabulary;
                out[row * 2 * k + rank] = select(found, best - lse, LOWEST);
                out[row * 2 * k + k + rank] = f32::reinterpret(select(found, best_id, pad));
            }
            last = best;
            last_id = best_id;
        }
    }
}

/// `[N, 2 k]`: for each row of `logits`, the log-probabilities of the best `k` tokens and the bits of their ids.
pub(crate) fn top_k(context: &Context, logits: &Tensor, allow: Allow, k: usize) -> Tensor {
    let (rows, v) = (logits.rows(), logits.cols());
    let out = empty(context, Shape::matrix(rows, 2 * k));
    let [first, second, third, fourth] = allow.forbidden.ranges();
    let [pad, start] = allow.special.never();
    launch!(
        context,
        top_k_kernel(
            cubes(rows),
            units(),
            logits.view().arg(),
            out.view().arg(),
            rows as u32,
            v as u32,
            k as u32,
            pad,
            start,
            allow.special.eos,
            u32::from(allow.end == End::Not),
            u32::from(allow.end == End::Must),
            first[0],
            first[1],
            second[0],
            second[1],
            third[0],
            third[1],
            fourth[0],
            fourth[1],
        )
    );
    out
}

/// A log-probability of at most this marks a token that is not allowed.
pub(crate) const REFUSED: f32 = LOWEST;
