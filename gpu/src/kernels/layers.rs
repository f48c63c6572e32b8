//! Arrays of several layers as one argument of a kernel.

use crate::tensor::Tensor;
use cubecl::prelude::*;

/// The most layers that a launch takes: some devices bind 31 arrays to a kernel.
const LAYERS: usize = 12;

/// The tensors of some layers as an argument.
pub(crate) fn layers_arg<R: Runtime>(layers: &[Tensor]) -> SequenceArg<R, Array<f32>> {
    layers.iter().map(|x| x.view().arg()).collect()
}

/// The layers that each launch takes, with as many rows in each, and the first of their rows among those of all layers.
pub(crate) fn runs(layers: &[Tensor]) -> impl Iterator<Item = (usize, &[Tensor])> {
    let alike = layers.chunk_by(|a, b| a.rows() == b.rows());
    alike.flat_map(|alike| alike.chunks(LAYERS)).scan(0, |end, run| {
        let from = *end;
        *end += run.len() * run[0].rows();
        Some((from, run))
    })
}

/// Element `index` of a layer. The layer must be the same for all units that run together: it is branched on.
#[cube]
pub(crate) fn element(layers: &Sequence<Array<f32>>, layer: usize, index: usize) -> f32 {
    let mut value = 0.0f32;
    #[unroll]
    for l in 0..layers.len() {
        if layer == l {
            value = layers[l][index];
        }
    }
    value
}
