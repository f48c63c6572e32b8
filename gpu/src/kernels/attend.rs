//! Scaled dot-product attention and its gradients.
//!
//! A cube owns a tile of queries (or keys) of one head of one sentence and iterates over tiles of its keys (or queries).
//! Both are held in shared memory as vectors of columns. Scores and results accumulate in registers, a block of rows and
//! columns for each unit, so that each loaded element is used in several products.
//!
//! Where products are in bf16, tensor cores compute attention instead: see `planes`.

mod forward;
mod gradient;
mod heads;
mod planes;
mod tile;

use self::forward::attend_kernel;
use self::gradient::{key_grad_kernel, query_grad_kernel};
use self::heads::Heads;
use self::planes::Planes;
use self::tile::Tile;
use super::copy::{empty, fill, rows_of};
use super::cube::Extent;
use super::pointwise::drop_arg;
use crate::context::{Context, launch};
use crate::index::Index;
use crate::rounded::RoundedCopy;
use crate::row;
use crate::tensor::Tensor;
use a2d_core::backend::{Attend, Attended, Kv, SavedAttend};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// The most columns of a vector: 16 bytes.
const LANES: usize = 4;

/// `q` attends to `kv` within the sentences of `grid`.
pub(crate) fn attend(
    context: &Context,
    q: &Tensor,
    kv: Kv<&Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> Attended<Tensor> {
    let width = check(q, kv, grid, how);
    if let Some(planes) = Planes::of(context, [q, kv.k], grid, how.heads) {
        return planes.attend(context, q, kv, grid, how);
    }
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let lanes = lanes(size, [q, kv.k], LANES);
    let area = if how.map { grid.area } else { 0 };
    let out = rows_of(context, q.shape, extent.queries);
    let map = empty(context, Shape::matrix(how.heads, area));
    let (p, key) = dropout(&how);
    if extent.query > 0 {
        let tile = Tile::of(size, lanes, extent.query);
        let short = RoundedCopy::of(context, &out, extent.queries == q.rows());
        launch!(
            context,
            attend_kernel(
                tiles(extent.query, tile, how.heads, grid.sentences),
                tile.units(),
                lanes,
                tile.rows(),
                context.full(q).arg(),
                context.full(kv.k).arg(),
                context.full(kv.v).arg(),
                grid.spans.view(context).arg(),
                out.view().arg(),
                short.view.arg(),
                map.view().arg(),
                Heads::arg(how.heads, size, lanes, grid.causal),
                drop_arg(p, key),
                tile,
                how.map,
                p > 0.0,
                short.wanted,
                short.format,
            )
        );
    }
    Attended { context: out, map: how.map.then_some(map) }
}

/// Gradients of [`attend`] for q, k and v.
pub(crate) fn attend_grad(
    context: &Context,
    dy: Option<&Tensor>,
    dmap: Option<&Tensor>,
    saved: &SavedAttend<Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> [Tensor; 3] {
    let SavedAttend { q, kv, map } = saved;
    let width = check(q, kv.as_ref(), grid, how);
    let map = match map {
        Some(map) => map.clone(),
        None => {
            let anew = attend(context, q, kv.as_ref(), grid, Attend { map: true, ..how });
            anew.map.expect("asked for")
        }
    };
    if let Some(planes) = Planes::of(context, [q, &kv.k], grid, how.heads) {
        return planes.attend_grad(context, dy, dmap, [q, &kv.k, &kv.v], &map, grid, how);
    }
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let lanes = lanes(size, [q, &kv.k], LANES);
    let (p, key) = dropout(&how);
    // In one row, so that products round the three together, in half precision by one factor.
    let [dk, dv, dq] = &row::tensors(context, &[kv.k.shape, kv.v.shape, q.shape])[..] else {
        unreachable!("one for each shape")
    };
    let whole = extent.keys == dk.rows() && extent.queries == dq.rows();
    if !whole {
        [dk, dv, dq].iter().for_each(|x| fill(context, &x.view(), 0.0));
    }
    let short = |x| RoundedCopy::of(context, x, whole);
    let dscores = empty(context, map.shape);
    // Fills arguments that are not used, also those of vectors.
    let nothing = empty(context, Shape::vector(4));
    if extent.query > 0 {
        let tile = Tile::of(size, lanes, extent.query);
        let short = short(dq);
        launch!(
            context,
            query_grad_kernel(
                tiles(extent.query, tile, how.heads, grid.sentences),
                tile.units(),
                lanes,
                tile.rows(),
                context.full(dy.unwrap_or(&nothing)).arg(),
                dmap.unwrap_or(&nothing).view().arg(),
                map.view().arg(),
                context.full(&kv.k).arg(),
                context.full(&kv.v).arg(),
                grid.spans.view(context).arg(),
                dscores.view().arg(),
                dq.view().arg(),
                short.view.arg(),
                Heads::arg(how.heads, size, lanes, grid.causal),
                drop_arg(p, key),
                tile,
                dy.is_some(),
                dmap.is_some(),
                p > 0.0,
                short.wanted,
                short.format,
            )
        );
    }
    if extent.key > 0 {
        let tile = Tile::of(size, lanes, extent.key);
        let [short_dk, short_dv] = [dk, dv].map(short);
        launch!(
            context,
            key_grad_kernel(
                tiles(extent.key, tile, how.heads, grid.sentences),
                tile.units(),
                lanes,
                tile.rows(),
                context.full(dy.unwrap_or(&nothing)).arg(),
                map.view().arg(),
                context.full(q).arg(),
                dscores.view().arg(),
                grid.spans.view(context).arg(),
                dk.view().arg(),
                dv.view().arg(),
                short_dk.view.arg(),
                short_dv.view.arg(),
                Heads::arg(how.heads, size, lanes, grid.causal),
                drop_arg(p, key),
                tile,
                dy.is_some(),
                p > 0.0,
                short_dk.wanted,
                short_dk.format,
            )
        );
    }
    [dq, dk, dv].map(Tensor::clone)
}

/// The number of columns in a vector, at most `most`; a row is a whole number of vectors.
fn lanes(size: usize, rows: [&Tensor; 2], most: usize) -> usize {
    // Without rows, a single float is bound, which is shorter than a vector.
    if rows.iter().any(|x| x.len() == 0) {
        return 1;
    }
    [8, 4, 2].into_iter().find(|&lanes| lanes <= most && size.is_multiple_of(lanes)).unwrap_or(1)
}

/// Cubes for the tiles of the longest sentence (x), heads (y) and sentences (z).
fn tiles(longest: usize, tile: Tile, heads: usize, sentences: usize) -> CubeCount {
    CubeCount::Static(longest.div_ceil(tile.own) as u32, heads as u32, sentences as u32)
}

/// The probability and key of dropout; probability 0 where there is none.
fn dropout(how: &Attend) -> (f32, u64) {
    how.key.map_or((0.0, 0), |key| (how.dropout, key))
}

/// Checks the shapes, and returns D.
fn check(q: &Tensor, kv: Kv<&Tensor>, grid: &Grid<Index>, how: Attend) -> usize {
    let width = q.cols();
    assert!(how.heads > 0 && width.is_multiple_of(how.heads), "attend: heads");
    assert!(kv.k.shape == kv.v.shape && kv.k.cols() == width, "attend: k, v");
    assert!(q.rows() >= grid.queries && kv.k.rows() >= grid.keys, "attend: the grid");
    width
}
