//! Mixtures of maps: `out[r] = sum_t w[r, t] x[t]` for all positions of a sentence.
//!
//! A cube owns positions of a sentence and computes all rows of the result there, a tile of rows at a time. Each of its
//! groups of units has some of these rows, and each unit of a group every [`LANES`]th position.

use super::super::cube::{Extent, read_span};
use super::super::layers::{element, layers_arg};
use super::mixed;
use crate::context::{Context, launch};
use crate::grid::units;
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::MapInput;
use a2d_core::batch::Grid;
use a2d_core::rows::LEAST_PROBABILITY;
use cubecl::prelude::*;

/// Units of a group, and groups of a cube.
const LANES: usize = 32;
const GROUPS: usize = 8;

/// Positions of a unit, and of a cube.
const EACH: usize = 4;
const POSITIONS: usize = LANES * EACH;

/// The fewest rows of a group, so that a unit multiplies more than it reads, and the most, whose sums it has in registers.
const ROWS: [usize; 2] = [4, 8];

/// Terms that are in shared memory at once.
const SLICE: usize = 16;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mix {
    /// `y[m] (+)= sum_c w[m, c] map[c]`. The first layers add the bias, the others add to `y`.
    Forward { scores: bool, adds: bool },
    /// `dmap[c] = sum_m w[m, c] dy[m]`
    Gradient { scores: bool },
}

impl Mix {
    /// Whether the operand, and whether the result, is that of logarithms.
    const fn scores(self) -> [bool; 2] {
        match self {
            Self::Forward { scores, .. } => [scores, false],
            Self::Gradient { scores } => [false, scores],
        }
    }

    const fn adds(self) -> bool {
        matches!(self, Self::Forward { adds: true, .. })
    }

    const fn biased(self) -> bool {
        matches!(self, Self::Forward { adds: false, .. })
    }
}

/// The sizes of a mixture.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    /// All terms and all rows, and those of one layer.
    terms: u32,
    rows: u32,
    layer_terms: u32,
    layer_rows: u32,
    /// The first element of the weight, and the distance of its rows and of its terms.
    w_first: u32,
    w_row: u32,
    w_term: u32,
}

/// Every [`LANES`]th position of a map, from `first`.
#[derive(CubeType, Clone, Copy)]
struct Run {
    layer: usize,
    /// The first element of the map, and the number of its elements.
    base: usize,
    area: usize,
    first: usize,
}

/// Turns the gradients of logarithms into those of the maps.
#[cube]
fn through_logarithm(maps: &Sequence<Array<f32>>, of: &Run, gradients: &mut Array<f32>) {
    #[unroll]
    for l in 0..maps.len() {
        if of.layer == l {
            #[unroll]
            for i in 0..EACH {
                let position = of.first + i * LANES;
                if position < of.area {
                    let p = maps[l][of.base + position];
                    gradients[i] = select(p > LEAST_PROBABILITY, gradients[i] / p, 0.0);
                }
            }
        }
    }
}

/// Writes values of a run, or adds them.
#[cube]
fn write(out: &mut Sequence<Array<f32>>, of: &Run, values: &Array<f32>, #[comptime] adds: bool) {
    #[unroll]
    for l in 0..out.len() {
        if of.layer == l {
            let to = out.index_mut(l);
            #[unroll]
            for i in 0..EACH {
                let position = of.first + i * LANES;
                if position < of.area {
                    let mut value = values[i];
                    if adds {
                        value += to[of.base + position];
                    }
                    to[of.base + position] = value;
                }
            }
        }
    }
}

/// A cube for some positions (x) of a sentence (y); `each` rows for a group. The maps are read only where the result is that
/// of logarithms.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn mix_kernel(
    x: &Sequence<Array<f32>>,
    w: &Array<f32>,
    bias: &Array<f32>,
    maps: &Sequence<Array<f32>>,
    spans: &Array<u32>,
    out: &mut Sequence<Array<f32>>,
    of: &Sizes,
    #[comptime] mix: Mix,
    #[comptime] each: usize,
) {
    let tile = comptime!(GROUPS * each);
    let span = read_span(spans, CUBE_POS_Y as usize);
    let area = span.query_len * span.key_len;
    let from = CUBE_POS_X as usize * POSITIONS;
    let (terms, rows) = (of.terms as usize, of.rows as usize);
    let (layer_terms, layer_rows) = (of.layer_terms as usize, of.layer_rows as usize);
    let (unit, units) = (UNIT_POS as usize, comptime!(LANES * GROUPS));
    let (lane, group) = (unit % LANES, unit / LANES);
    let mut xs = SharedMemory::<f32>::new(comptime!(SLICE * POSITIONS));
    let mut ws = SharedMemory::<f32>::new(comptime!(SLICE * tile));
    let mut sums = Array::<f32>::new(comptime!(each * EACH));
    let mut factors = Array::<f32>::new(EACH);
    if from < area {
        for first in range_stepped(0, rows, tile) {
            #[unroll]
            for i in 0..comptime!(each * EACH) {
                sums[i] = 0.0;
            }
            for slice in range_stepped(0, terms, SLICE) {
                for i in range_stepped(unit, comptime!(SLICE * POSITIONS), units) {
                    let (term, position) = (slice + i / POSITIONS, from + i % POSITIONS);
                    let mut value = 0.0f32;
                    if term < terms && position < area {
                        let at = layer_terms * span.before + term % layer_terms * area + position;
                        value =
                            mixed(element(x, term / layer_terms, at), comptime!(mix.scores()[0]));
                    }
                    xs[i] = value;
                }
                for i in range_stepped(unit, comptime!(SLICE * tile), units) {
                    let (term, row) = (slice + i / tile, first + i % tile);
                    let mut value = 0.0f32;
                    if term < terms && row < rows {
                        value = w[of.w_first as usize
                            + row * of.w_row as usize
                            + term * of.w_term as usize];
                    }
                    ws[i] = value;
                }
                sync_cube();
                for term in 0..SLICE {
                    #[unroll]
                    for p in 0..EACH {
                        factors[p] = xs[term * POSITIONS + lane + p * LANES];
                    }
                    #[unroll]
                    for r in 0..each {
                        let weight = ws[term * tile + group * each + r];
                        #[unroll]
                        for p in 0..EACH {
                            sums[r * EACH + p] += weight * factors[p];
                        }
                    }
                }
                sync_cube();
            }
            #[unroll]
            for r in 0..each {
                let row = first + group * each + r;
                if row < rows {
                    let base = layer_rows * span.before + row % layer_rows * area;
                    let mut shift = 0.0f32;
                    if comptime!(mix.biased()) {
                        shift = bias[row];
                    }
                    #[unroll]
                    for p in 0..EACH {
                        factors[p] = sums[r * EACH + p] + shift;
                    }
                    let to = Run { layer: row / layer_rows, base, first: from + lane, area };
                    if comptime!(mix.scores()[1]) {
                        through_logarithm(maps, &to, &mut factors);
                    }
                    write(out, &to, &factors, comptime!(mix.adds()));
                }
            }
        }
    }
}

/// Adds the layers, whose first channel is `from`, to `y`; the first of them writes it, with the bias.
pub(super) fn forward(
    context: &Context,
    layers: &[Tensor],
    w: &Tensor,
    (bias, from): (&Tensor, usize),
    grid: &Grid<Index>,
    input: MapInput,
    y: &Tensor,
) {
    let (channels, heads) = (w.cols(), layers[0].rows());
    let sizes = [layers.len() * heads, y.rows(), heads, y.rows(), from, channels, 1];
    let mix = Mix::Forward { scores: input == MapInput::Scores, adds: from > 0 };
    run(context, [layers, std::slice::from_ref(y)], [w, bias], layers, grid, sizes, mix);
}

/// Writes the gradients of the layers, whose first channel is `from`.
pub(super) fn gradient(
    context: &Context,
    dy: &Tensor,
    w: &Tensor,
    from: usize,
    [layers, dlayers]: [&[Tensor]; 2],
    grid: &Grid<Index>,
    input: MapInput,
) {
    let (channels, heads) = (w.cols(), layers[0].rows());
    let sizes = [dy.rows(), layers.len() * heads, dy.rows(), heads, from, 1, channels];
    let mix = Mix::Gradient { scores: input == MapInput::Scores };
    run(context, [std::slice::from_ref(dy), dlayers], [w, w], layers, grid, sizes, mix);
}

/// Launches a mixture of `x` written to `out`.
fn run(
    context: &Context,
    [x, out]: [&[Tensor]; 2],
    [w, bias]: [&Tensor; 2],
    maps: &[Tensor],
    grid: &Grid<Index>,
    sizes: [usize; 7],
    mix: Mix,
) {
    let area = Extent::of(&grid.spans.values).area;
    let [terms, rows, layer_terms, layer_rows, first, row, term] = sizes.map(|n| n as u32);
    if area == 0 || rows == 0 {
        return;
    }
    // As few tiles as can be, of as few rows.
    let [fewest, most] = ROWS;
    let tiles = (rows as usize).div_ceil(GROUPS * most);
    let each = (rows as usize).div_ceil(GROUPS * tiles).max(fewest);
    launch!(
        context,
        mix_kernel(
            CubeCount::Static(area.div_ceil(POSITIONS) as u32, grid.sentences as u32, 1),
            units(),
            layers_arg(x),
            w.view().arg(),
            bias.view().arg(),
            layers_arg(if mix.scores()[1] { maps } else { &x[..1] }),
            grid.spans.view(context).arg(),
            layers_arg(out),
            SizesLaunch::new(terms, rows, layer_terms, layer_rows, first, row, term),
            mix,
            each,
        )
    );
}
