//! Attention on tensor cores, of operands in bf16. Its results are in bf16 too.

mod block;
mod forward;
mod gradient;
mod long;

use self::block::Block;
use self::forward::plane_attend_kernel;
use self::gradient::{Sources, plane_attend_grad_kernel};
use self::long::{plane_key_grad_kernel, plane_query_grad_kernel};
use super::heads::{Heads, Lay};
use super::{dropout, lanes};
use crate::beside::{self, Strided};
use crate::context::{Context, launch};
use crate::index::Index;
use crate::kernels::copy::{empty, fill_short};
use crate::kernels::cube::Extent;
use crate::kernels::pointwise::drop_arg;
use crate::rounded;
use crate::tensor::Tensor;
use a2d_core::backend::{Attend, Attended, Kv};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// The most columns of a vector: 16 bytes.
const LANES: usize = 8;

/// How the heads of an attention are computed here.
pub(super) struct Planes {
    block: Block,
    size: usize,
    extent: Extent,
}

impl Planes {
    /// For `q` and keys `k`. None where products are not in bf16, or a head is too wide.
    pub fn of(
        context: &Context,
        [q, k]: [&Tensor; 2],
        grid: &Grid<Index>,
        heads: usize,
    ) -> Option<Self> {
        let (size, extent) = (q.cols() / heads, Extent::of(&grid.spans.values));
        let block = Block::of(size, lanes(size, [q, k], LANES), extent.query.max(extent.key));
        block.filter(|_| context.rounds).map(|block| Self { block, size, extent })
    }

    /// Whether a block holds all queries and all keys of a sentence.
    fn is_single(&self) -> bool {
        self.extent.query.max(self.extent.key) <= self.block.rows
    }

    fn cubes(&self, rows: usize, heads: usize, sentences: usize) -> CubeCount {
        let blocks = rows.div_ceil(self.block.rows);
        CubeCount::Static(blocks as u32, heads as u32, sentences as u32)
    }

    /// [`super::attend`].
    pub fn attend(
        &self,
        context: &Context,
        q: &Tensor,
        kv: Kv<&Tensor>,
        grid: &Grid<Index>,
        how: Attend,
    ) -> Attended<Tensor> {
        let Self { block, size, extent } = *self;
        let out = rounded::empty(context, q.shape);
        if extent.queries < q.rows() {
            fill_short(context, &context.short(&out), 0.0);
        }
        let area = if how.map { grid.area } else { 0 };
        let map = empty(context, Shape::matrix(how.heads, area));
        let (p, key) = dropout(&how);
        let of = [q, kv.k, kv.v].map(|x| Strided::of(context, x));
        if extent.query > 0 {
            launch!(
                context,
                plane_attend_kernel(
                    self.cubes(extent.query, how.heads, grid.sentences),
                    block.units(),
                    block.lanes,
                    of[0].view.arg(),
                    of[1].view.arg(),
                    of[2].view.arg(),
                    grid.spans.view(context).arg(),
                    context.short(&out).arg(),
                    map.view().arg(),
                    Lay::arg(&of[0], block.lanes),
                    Lay::arg(&of[1], block.lanes),
                    Lay::arg(&of[2], block.lanes),
                    Heads::arg(how.heads, size, block.lanes, grid.causal),
                    drop_arg(p, key),
                    block,
                    extent.key <= block.rows,
                    how.map,
                    p > 0.0,
                )
            );
        }
        Attended { context: out, map: how.map.then_some(map) }
    }

    /// [`super::attend_grad`] with the map.
    #[allow(clippy::too_many_arguments)]
    pub fn attend_grad(
        &self,
        context: &Context,
        dy: Option<&Tensor>,
        dmap: Option<&Tensor>,
        [q, k, v]: [&Tensor; 3],
        map: &Tensor,
        grid: &Grid<Index>,
        how: Attend,
    ) -> [Tensor; 3] {
        let Self { block, size, extent } = *self;
        // Gradients lie as what they are of.
        let (of, [dk, dv, dq]) = match beside::like(context, [k, v, q]) {
            Some(all) => ([q, k, v].map(|x| Strided::of(context, x)), all),
            None => {
                let all = [k, v, q].map(|x| rounded::empty(context, x.shape));
                ([q, k, v].map(|x| Strided::adjacent(context, x)), all)
            }
        };
        if extent.keys < k.rows() || extent.queries < q.rows() {
            beside::clear(context, &[&dk, &dv, &dq]);
        }
        let nothing = empty(context, Shape::vector(LANES)).view();
        let (p, key) = dropout(&how);
        let by = Sources { context: dy.is_some(), map: dmap.is_some(), drops: p > 0.0 };
        let dy = dy.map_or_else(|| nothing.clone(), |dy| context.short(dy));
        let dmap = dmap.map_or(nothing, Tensor::view);
        let to = [&dq, &dk, &dv].map(|x| Strided::of(context, x));
        let spans = grid.spans.view(context);
        let cubes = |rows| self.cubes(rows, how.heads, grid.sentences);
        if self.is_single() && extent.query.max(extent.key) > 0 {
            launch!(
                context,
                plane_attend_grad_kernel(
                    cubes(1),
                    block.units(),
                    block.lanes,
                    dy.arg(),
                    dmap.arg(),
                    map.view().arg(),
                    of[0].view.arg(),
                    of[1].view.arg(),
                    of[2].view.arg(),
                    spans.arg(),
                    to[0].view.arg(),
                    to[1].view.arg(),
                    to[2].view.arg(),
                    Lay::arg(&of[0], block.lanes),
                    Lay::arg(&of[1], block.lanes),
                    Lay::arg(&of[2], block.lanes),
                    Heads::arg(how.heads, size, block.lanes, grid.causal),
                    drop_arg(p, key),
                    block,
                    by,
                )
            );
            return [dq, dk, dv];
        }
        let dscores = rounded::empty(context, map.shape);
        let dscores = context.short(&dscores);
        if extent.query > 0 {
            launch!(
                context,
                plane_query_grad_kernel(
                    cubes(extent.query),
                    block.units(),
                    block.lanes,
                    dy.arg(),
                    dmap.arg(),
                    map.view().arg(),
                    of[1].view.arg(),
                    of[2].view.arg(),
                    spans.arg(),
                    dscores.arg(),
                    to[0].view.arg(),
                    Lay::arg(&of[0], block.lanes),
                    Lay::arg(&of[1], block.lanes),
                    Lay::arg(&of[2], block.lanes),
                    Heads::arg(how.heads, size, block.lanes, grid.causal),
                    drop_arg(p, key),
                    block,
                    by,
                )
            );
        }
        if extent.key > 0 {
            launch!(
                context,
                plane_key_grad_kernel(
                    cubes(extent.key),
                    block.units(),
                    block.lanes,
                    dy.arg(),
                    map.view().arg(),
                    of[0].view.arg(),
                    dscores.arg(),
                    spans.arg(),
                    to[1].view.arg(),
                    to[2].view.arg(),
                    Lay::arg(&of[0], block.lanes),
                    Lay::arg(&of[1], block.lanes),
                    Lay::arg(&of[2], block.lanes),
                    Heads::arg(how.heads, size, block.lanes, grid.causal),
                    drop_arg(p, key),
                    block,
                    by,
                )
            );
        }
        [dq, dk, dv]
    }
}
