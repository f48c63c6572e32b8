//! The embedding of tokens and positions, and its gradient.

use super::addends::added;
use super::copy::{empty, unshared};
use super::pointwise::{Drop, drop_arg, factor};
use crate::context::{Context, launch};
use crate::grid::{elements, units};
use crate::index::Index;
use crate::rounded::{RoundedCopy, write_rounded};
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::backend::Embed;
use a2d_core::batch::{NO_POSITION, Tokens};
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn embed_kernel<F: Float>(
    table: &Array<f32>,
    ids: &Array<u32>,
    positions: &Array<u32>,
    sinusoids: &Array<f32>,
    out: &mut Array<f32>,
    short: &mut Array<F>,
    width: u32,
    scale: f32,
    zero_padding: u32,
    dropped: &Drop,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let (i, width) = (ABSOLUTE_POS, width as usize);
    if i < out.len() {
        let (row, col) = (i / width, i % width);
        let position = positions[row];
        let mut value = 0.0f32;
        if position != NO_POSITION {
            value = scale * table[ids[row] as usize * width + col];
            value += sinusoids[position as usize * width + col];
        } else if zero_padding == 0 {
            value = scale * table[ids[row] as usize * width + col];
        }
        if drops {
            value *= factor(dropped, i as u32);
        }
        out[i] = value;
        write_rounded(short, i, value, rounds);
    }
}

/// `y[n] = dropout(scale * table[ids[n]] + sinusoids[positions[n]])`, `[N, D]`.
pub(crate) fn embed(
    context: &Context,
    table: &Tensor,
    tokens: &Tokens<Index>,
    sinusoids: &View,
    how: Embed,
) -> Tensor {
    let width = table.cols();
    let out = empty(context, Shape::matrix(tokens.rows, width));
    if tokens.rows == 0 {
        return out;
    }
    let short = RoundedCopy::of(context, &out, true);
    let (p, key) = how.mask().unwrap_or_default();
    launch!(
        context,
        embed_kernel(
            elements(out.len()),
            units(),
            table.view().arg(),
            tokens.ids.view(context).arg(),
            tokens.positions.view(context).arg(),
            sinusoids.arg(),
            out.view().arg(),
            short.view.arg(),
            width as u32,
            how.positions.scale(width),
            u32::from(tokens.zero_padding),
            drop_arg(p, key),
            p > 0.0,
            short.wanted,
            short.format,
        )
    );
    out
}

/// Rows of a token whose elements a unit reads before it adds them: the end of a sentence has as many rows as there are sentences.
const AHEAD: usize = 4;

/// The gradient of the result is the sum of `dy`, if it has that, and `more`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn embed_grad_kernel<F: Float>(
    dy: &Array<f32>,
    more: &Sequence<Array<F>>,
    ids: &Array<u32>,
    starts: &Array<u32>,
    rows: &Array<u32>,
    table: &mut Array<f32>,
    width: u32,
    scale: f32,
    dropped: &Drop,
    #[comptime] has_dy: bool,
    #[comptime] drops: bool,
    #[define(F)] _format: StorageType,
) {
    let (i, width) = (ABSOLUTE_POS, width as usize);
    let (group, col) = (i / width, i % width);
    if group < ids.len() {
        let (start, end) = (starts[group] as usize, starts[group + 1] as usize);
        let mut ahead = Array::<f32>::new(AHEAD);
        let mut sum = 0.0f32;
        for first in range_stepped(start, end, AHEAD) {
            #[unroll]
            for i in 0..AHEAD {
                ahead[i] = 0.0;
                if first + i < end {
                    let at = rows[first + i] as usize * width + col;
                    ahead[i] = added::<F>(dy, more, at, has_dy);
                    if drops {
                        ahead[i] *= factor(dropped, at as u32);
                    }
                }
            }
            #[unroll]
            for i in 0..AHEAD {
                sum += ahead[i];
            }
        }
        let to = ids[group] as usize * width + col;
        table[to] += scale * sum;
    }
}

/// The rows of a batch, grouped by token.
pub(crate) struct Groups {
    /// The distinct tokens.
    pub ids: Vec<u32>,
    /// The index in `rows` at which each token's rows start, and the length of `rows`.
    pub starts: Vec<u32>,
    /// The rows of each token in order.
    pub rows: Vec<u32>,
}

impl Groups {
    /// The groups of all rows but padding.
    pub fn of(ids: &[u32], positions: &[u32]) -> Self {
        let mut rows: Vec<u32> =
            (0..ids.len() as u32).filter(|&i| positions[i as usize] != NO_POSITION).collect();
        rows.sort_by_key(|&i| ids[i as usize]);
        let mut groups = Self { ids: Vec::new(), starts: Vec::new(), rows };
        for (at, &row) in groups.rows.iter().enumerate() {
            let id = ids[row as usize];
            if groups.ids.last() != Some(&id) {
                groups.ids.push(id);
                groups.starts.push(at as u32);
            }
        }
        groups.starts.push(groups.rows.len() as u32);
        groups
    }
}

/// Adds the gradient of [`embed`] to `into` `[V, D]`; `groups` are ids, starts and rows of [`Groups`].
pub(crate) fn embed_grad(
    context: &Context,
    dy: &Tensor,
    groups: &[Index; 3],
    how: Embed,
    into: Tensor,
) -> Tensor {
    let width = into.cols();
    let into = unshared(context, into);
    let [ids, starts, rows] = groups;
    let (p, key) = how.mask().unwrap_or_default();
    let dy = context.addends(dy);
    if ids.len() > 0 {
        launch!(
            context,
            embed_grad_kernel(
                elements(ids.len() * width),
                units(),
                dy.full.arg(),
                dy.rounded.iter().map(View::arg).collect(),
                ids.view(context).arg(),
                starts.view(context).arg(),
                rows.view(context).arg(),
                into.view().arg(),
                width as u32,
                how.positions.scale(width),
                drop_arg(p, key),
                dy.has_full,
                p > 0.0,
                dy.format,
            )
        );
    }
    into
}
