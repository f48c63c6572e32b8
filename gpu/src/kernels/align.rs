//! The head alignment and its gradients: products of the weight with the maps of all layers, which the kernels read in place.
//!
//! A sentence's maps are a matrix `[C, area]`, whose rows are spread over one tensor for each layer. With `scores`, the
//! logarithms of the maps take their place, as in [`MapInput::Scores`].

mod mix;
mod weight;

use self::weight::weight_grad;
use super::copy::empty;
use super::layers::runs;
use crate::context::Context;
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{AlignGrad, MapInput};
use a2d_core::batch::Grid;
use a2d_core::rows::LEAST_PROBABILITY;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// What is mixed of a map's entry.
#[cube]
fn mixed(p: f32, #[comptime] scores: bool) -> f32 {
    if scores { max(p, LEAST_PROBABILITY).ln() } else { p }
}

/// `y[m] = sum_c w[m, c] maps[c] + b[m]`.
pub(crate) fn align(
    context: &Context,
    maps: &[Tensor],
    w: &Tensor,
    bias: &Tensor,
    grid: &Grid<Index>,
    input: MapInput,
) -> Tensor {
    let m = check(maps, w, grid);
    assert_eq!(bias.len(), m, "align: the bias");
    let y = empty(context, Shape::matrix(m, grid.area));
    for (from, layers) in runs(maps) {
        mix::forward(context, layers, w, (bias, from), grid, input, &y);
    }
    y
}

/// Gradients of [`align`].
pub(crate) fn align_grad(
    context: &Context,
    dy: &Tensor,
    maps: &[Tensor],
    w: &Tensor,
    grid: &Grid<Index>,
    input: MapInput,
) -> AlignGrad<Tensor> {
    let m = check(maps, w, grid);
    assert_eq!(dy.shape, Shape::matrix(m, grid.area), "align_grad: dy");
    let dmaps: Vec<Tensor> = maps.iter().map(|map| empty(context, map.shape)).collect();
    for ((from, layers), (_, dlayers)) in runs(maps).zip(runs(&dmaps)) {
        mix::gradient(context, dy, w, from, [layers, dlayers], grid, input);
    }
    let [dw, db] = weight_grad(context, dy, maps, w.cols(), grid, input);
    AlignGrad { maps: dmaps, w: dw.reshaped(w.shape), b: db }
}

/// Checks the shapes, and returns M.
fn check(maps: &[Tensor], w: &Tensor, grid: &Grid<Index>) -> usize {
    assert!(maps.iter().all(|map| map.cols() == grid.area), "align: maps");
    assert_eq!(maps.iter().map(Tensor::rows).sum::<usize>(), w.cols(), "align: w");
    w.rows()
}
