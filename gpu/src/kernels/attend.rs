//! Scaled dot-product attention and its gradients.
//!
//! A cube takes a tile of queries (or keys) of one head of one sentence and walks over tiles of its keys (or
//! queries). Of both it holds vectors of columns in shared memory; scores and results are added up in registers, a
//! block of rows and columns a unit, so that what is loaded once serves several products.

mod forward;
mod gradient;
mod tile;

use self::forward::attend_kernel;
use self::gradient::{key_grad_kernel, query_grad_kernel};
use self::tile::Tile;
use super::cube::Extent;
use super::pointwise::{drop_arg, empty, fill, zeros};
use crate::memory::Client;
use crate::row::Row;
use crate::short::Short;
use crate::tensor::{Index, Tensor};
use a2d_core::backend::{Attend, Attended, Kv, SavedAttend};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// What all heads have in common.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct HeadsOf {
    /// The distance of rows, in vectors.
    width: u32,
    heads: u32,
    causal: u32,
    scale: f32,
}

impl HeadsOf {
    fn arg<R: Runtime>(heads: usize, size: usize, lanes: usize, causal: bool) -> HeadsOfLaunch<R> {
        let scale = 1.0 / (size as f32).sqrt();
        let width = heads * size / lanes;
        HeadsOfLaunch::new(width as u32, heads as u32, u32::from(causal), scale)
    }
}

/// `q` attends to `kv` within the sentences of `grid`.
pub(crate) fn attend<R: Runtime>(
    client: &Client<R>,
    q: &Tensor,
    kv: &Kv<Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> Attended<Tensor> {
    let width = check(q, kv, grid, how);
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let lanes = lanes(size, [q, &kv.k]);
    let area = if how.map { grid.area } else { 0 };
    let context = rows_like(client, q, extent.queries);
    let map = empty(client, Shape::matrix(how.heads, area));
    let (p, key) = dropout(&how);
    if extent.query > 0 {
        let tile = Tile::of(size, lanes, extent.query);
        let short = Short::of(client, &context, extent.queries == q.rows());
        attend_kernel::launch::<R>(
            client,
            tiles(extent.query, tile, how.heads, grid.sentences),
            tile.units(),
            lanes,
            tile.rows(),
            q.view().arg(),
            kv.k.view().arg(),
            kv.v.view().arg(),
            grid.spans.view(client).arg(),
            context.view().arg(),
            short.view.arg(),
            map.view().arg(),
            HeadsOf::arg(how.heads, size, lanes, grid.causal),
            drop_arg(p, key),
            tile,
            how.map,
            p > 0.0,
            short.wanted,
            short.of,
        );
    }
    Attended { context, map: how.map.then_some(map) }
}

/// Gradients of [`attend`] for q, k and v.
pub(crate) fn attend_grad<R: Runtime>(
    client: &Client<R>,
    dy: Option<&Tensor>,
    dmap: Option<&Tensor>,
    saved: &SavedAttend<Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> [Tensor; 3] {
    let SavedAttend { q, kv, map } = saved;
    let width = check(q, kv, grid, how);
    let map = match map {
        Some(map) => map.clone(),
        None => {
            let anew = attend(client, q, kv, grid, Attend { map: true, ..how });
            anew.map.expect("asked for")
        }
    };
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let lanes = lanes(size, [q, &kv.k]);
    let (p, key) = dropout(&how);
    // One row: the three are rounded (in halves, by one factor), and mapped back, together.
    let [dk, dv, dq] = &Row::tensors(client, &[kv.k.shape, kv.v.shape, q.shape])[..] else {
        unreachable!("one for each shape")
    };
    let whole = extent.keys == dk.rows() && extent.queries == dq.rows();
    if !whole {
        [dk, dv, dq].iter().for_each(|x| fill(client, &x.view(), 0.0));
    }
    let short = |x| Short::of(client, x, whole);
    let dscores = empty(client, map.shape);
    // To bind, as a vector too.
    let nothing = empty(client, Shape::vector(4));
    let of = || HeadsOf::arg(how.heads, size, lanes, grid.causal);
    if extent.query > 0 {
        let tile = Tile::of(size, lanes, extent.query);
        let short = short(dq);
        query_grad_kernel::launch::<R>(
            client,
            tiles(extent.query, tile, how.heads, grid.sentences),
            tile.units(),
            lanes,
            tile.rows(),
            dy.unwrap_or(&nothing).view().arg(),
            dmap.unwrap_or(&nothing).view().arg(),
            map.view().arg(),
            kv.k.view().arg(),
            kv.v.view().arg(),
            grid.spans.view(client).arg(),
            dscores.view().arg(),
            dq.view().arg(),
            short.view.arg(),
            of(),
            drop_arg(p, key),
            tile,
            dy.is_some(),
            dmap.is_some(),
            p > 0.0,
            short.wanted,
            short.of,
        );
    }
    if extent.key > 0 {
        let tile = Tile::of(size, lanes, extent.key);
        let [short_dk, short_dv] = [dk, dv].map(short);
        key_grad_kernel::launch::<R>(
            client,
            tiles(extent.key, tile, how.heads, grid.sentences),
            tile.units(),
            lanes,
            tile.rows(),
            dy.unwrap_or(&nothing).view().arg(),
            map.view().arg(),
            q.view().arg(),
            dscores.view().arg(),
            grid.spans.view(client).arg(),
            dk.view().arg(),
            dv.view().arg(),
            short_dk.view.arg(),
            short_dv.view.arg(),
            of(),
            drop_arg(p, key),
            tile,
            dy.is_some(),
            p > 0.0,
            short_dk.wanted,
            short_dk.of,
        );
    }
    [dq, dk, dv].map(Tensor::clone)
}

/// How many columns a vector holds. Rows, which views begin with, are whole numbers of them then.
fn lanes(size: usize, rows: [&Tensor; 2]) -> usize {
    // Where there are no rows, one float is bound, and that is no vector.
    if rows.iter().any(|x| x.len() == 0) {
        return 1;
    }
    [4, 2].into_iter().find(|&lanes| size.is_multiple_of(lanes)).unwrap_or(1)
}

/// A cube for each tile of the longest sentence, each head and each sentence.
fn tiles(longest: usize, tile: Tile, heads: usize, sentences: usize) -> CubeCount {
    CubeCount::Static(longest.div_ceil(tile.own) as u32, heads as u32, sentences as u32)
}

/// The dropout of attention: probability 0 where there is none.
fn dropout(how: &Attend) -> (f32, u64) {
    how.key.map_or((0.0, 0), |key| (how.dropout, key))
}

/// Memory for rows of which `covered` are written: the others are 0.
fn rows_like<R: Runtime>(client: &Client<R>, x: &Tensor, covered: usize) -> Tensor {
    if covered == x.rows() { empty(client, x.shape) } else { zeros(client, x.shape) }
}

/// D.
fn check(q: &Tensor, kv: &Kv<Tensor>, grid: &Grid<Index>, how: Attend) -> usize {
    let width = q.cols();
    assert!(how.heads > 0 && width.is_multiple_of(how.heads), "attend: heads");
    assert!(kv.k.shape == kv.v.shape && kv.k.cols() == width, "attend: k, v");
    assert!(q.rows() >= grid.queries && kv.k.rows() >= grid.keys, "attend: the grid");
    width
}
