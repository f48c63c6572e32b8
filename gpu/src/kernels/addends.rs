//! Sums that kernels compute where they read them.

use crate::context::{Context, launch};
use crate::grid::{elements, units};
use crate::view::View;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// A sum as the arguments of a kernel.
pub(crate) struct Addends {
    /// The addend in single precision; without one, what only fills the argument.
    pub full: View,
    pub has_full: bool,
    pub rounded: Vec<View>,
    /// The format of the rounded addends.
    pub format: StorageType,
}

/// An element of a sum.
#[cube]
pub(crate) fn added<F: Float>(
    full: &Array<f32>,
    rounded: &Sequence<Array<F>>,
    index: usize,
    #[comptime] has_full: bool,
) -> f32 {
    let mut sum = 0.0f32;
    if has_full {
        sum = full[index];
    }
    #[unroll]
    for i in 0..rounded.len() {
        sum += f32::cast_from(rounded.index(i)[index]);
    }
    sum
}

#[cube(launch)]
fn add_up_kernel<F: Float>(
    full: &Array<f32>,
    rounded: &Sequence<Array<F>>,
    out: &mut Array<f32>,
    #[comptime] has_full: bool,
    #[define(F)] _format: StorageType,
) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = added::<F>(full, rounded, ABSOLUTE_POS, has_full);
    }
}

/// A sum of `len` elements.
pub(crate) fn add_up(context: &Context, of: &Addends, len: usize) -> View {
    let to = View::of(context.allocate(len * size_of::<f32>()), len);
    if len > 0 {
        launch!(
            context,
            add_up_kernel(
                elements(len),
                units(),
                of.full.arg(),
                of.rounded.iter().map(View::arg).collect(),
                to.arg(),
                of.has_full,
                of.format,
            )
        );
    }
    to
}
