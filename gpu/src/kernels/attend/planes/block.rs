//! Rows of a head in shared memory, in bf16, and their products on tensor cores.
//!
//! A cube has as many rows of each operand in shared memory as a [`Block`] says, and a plane for each [`TILE`] of them: its
//! strip. Columns are padded with zeros to whole tiles, and so are rows. A plane leaves a product of its strip in shared memory,
//! where [`SHARE`] units share each row.

use super::super::heads::{Heads, Lay};
use crate::kernels::cube::{DeviceSpan, read_span, visible_keys};
use cubecl::cmma::{self, Matrix, MatrixIdent, MatrixLayout};
use cubecl::prelude::*;
use half::bf16;

/// Rows and columns of a matrix of tensor cores.
pub(super) const TILE: usize = 16;

/// Units of a plane, on every device that has bf16.
const UNITS: usize = 32;

/// Units that share a row of a strip, and the turns in which a plane so passes over all rows.
pub(super) const SHARE: usize = 8;
pub(super) const TURNS: usize = TILE * SHARE / UNITS;

/// The most rows of a block. Longer sentences take several.
const MOST_ROWS: usize = 64;

/// The most bytes of shared memory. Every device that has bf16 has as many.
const MOST_SHARED: usize = 96 << 10;

/// Columns from one row to the next where results leave registers: vectors of rows are in different banks.
const STAGE_PITCH: usize = TILE + 4;

/// Columns of a vector of results.
type Four = Const<4>;

/// Where tensor cores may begin to read, in bytes.
const ALIGNMENT: usize = 32;

/// The sizes of what a cube holds in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Block {
    /// Rows of each operand, a multiple of [`TILE`].
    pub rows: usize,
    /// Columns of a head, and columns in a vector.
    pub size: usize,
    pub lanes: usize,
}

impl Block {
    /// The block for heads of `size` columns in vectors of `lanes`, where the longest sentence has `longest` rows. None if the
    /// head is too wide.
    pub fn of(size: usize, lanes: usize, longest: usize) -> Option<Self> {
        let most = longest.clamp(1, MOST_ROWS).next_multiple_of(TILE);
        let blocks =
            (1..=most / TILE).rev().map(|strips| Self { rows: strips * TILE, size, lanes });
        blocks.into_iter().find(|block| block.shared() <= MOST_SHARED)
    }

    /// Bytes of shared memory: three operands, two matrices of weights, scores, and results on their way out.
    fn shared(&self) -> usize {
        let short = 3 * self.pitch() + 2 * self.score_pitch();
        self.rows * (2 * short + 4 * self.score_pitch() + 4 * STAGE_PITCH)
    }

    pub fn units(&self) -> CubeDim {
        CubeDim::new_2d(UNITS as u32, self.strips() as u32)
    }

    /// Strips, and tiles of a row.
    const fn strips(&self) -> usize {
        self.rows / TILE
    }

    pub const fn tiles(&self) -> usize {
        self.size.div_ceil(TILE)
    }

    /// Columns from one row to the next of an operand, and of scores and weights, so that what is read at once is in different
    /// banks.
    const fn pitch(&self) -> usize {
        self.tiles() * TILE + 8
    }

    pub const fn score_pitch(&self) -> usize {
        self.rows + 8
    }
}

/// One head of one sentence.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Site {
    pub span: DeviceSpan,
    causal: u32,
    /// Where its map starts.
    map: usize,
}

/// The head and sentence of this cube.
#[cube]
pub(super) fn site(spans: &Array<u32>, of: &Heads) -> Site {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let area = span.query_len * span.key_len;
    let map = of.heads as usize * span.before + CUBE_POS_Y as usize * area;
    Site { span, causal: of.causal, map }
}

/// The number of keys that any of `count` queries from `first` may attend to.
#[cube]
pub(super) fn most_visible(site: &Site, first: usize, count: usize) -> usize {
    let end = min(first + count, site.span.query_len);
    let visible = visible_keys(site.causal, max(end, 1) - 1, site.span.key_valid);
    select(first < end, visible, 0)
}

/// The tiles of a block from `from` on that hold some of the first `count` rows.
#[cube]
pub(super) fn tiles(count: usize, from: usize, #[comptime] block: Block) -> usize {
    (min(max(count, from) - from, block.rows)).div_ceil(TILE)
}

/// The rows of one head of one sentence in an operand.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Rows {
    /// The first row, and the number of rows.
    pub start: usize,
    pub len: usize,
    /// Vectors from one row to the next, and the first vector of the head in a row.
    width: usize,
    head: usize,
}

/// The rows of this cube's head.
#[cube]
pub(super) fn rows(start: usize, len: usize, of: &Lay, #[comptime] block: Block) -> Rows {
    let head = CUBE_POS_Y as usize * comptime!(block.size / block.lanes);
    Rows { start, len, width: of.width as usize, head: of.first as usize + head }
}

/// [`rows`] that are adjacent.
#[cube]
pub(super) fn adjacent_rows(
    start: usize,
    len: usize,
    of: &Heads,
    #[comptime] block: Block,
) -> Rows {
    rows(start, len, &Lay { width: of.width, first: 0 }, block)
}

/// The strip of a plane, and this unit's number in the plane.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Strip {
    /// Its first row in shared memory, and in the sentence.
    pub local: usize,
    pub first: usize,
    pub unit: usize,
}

/// The strip of this plane, of a block that starts at row `first` of the sentence.
#[cube]
pub(super) fn strip(first: usize) -> Strip {
    let local = UNIT_POS_Y as usize * TILE;
    Strip { local, first: first + local, unit: UNIT_POS_X as usize }
}

/// A query's row of a strip of scores.
#[derive(CubeType, Clone, Copy)]
pub(super) struct ScoreRow {
    /// Its row in shared memory, and this unit's first key in it. Others follow at distances of [`SHARE`].
    pub local: usize,
    pub key: usize,
    /// Where the query's row of the map starts, and its length, which is 0 where there is no such query.
    pub entry: usize,
    pub keys: usize,
    /// The number of keys that the query may attend to.
    pub visible: usize,
}

/// The row that this unit shares at a turn.
#[cube]
pub(super) fn score_row(site: &Site, strip: &Strip, turn: usize) -> ScoreRow {
    let within = turn * comptime!(UNITS / SHARE) + strip.unit / SHARE;
    let (query, span) = (strip.first + within, &site.span);
    let is_there = query < span.query_len;
    ScoreRow {
        local: strip.local + within,
        key: strip.unit % SHARE,
        entry: site.map + query * span.key_len,
        keys: select(is_there, span.key_len, 0),
        visible: select(is_there, visible_keys(site.causal, query, span.key_valid), 0),
    }
}

/// The sum of `value` over the units that share a row.
#[cube]
pub(super) fn shared_sum(value: f32) -> f32 {
    let mut sum = value;
    #[unroll]
    for bit in 0..comptime!(SHARE.ilog2()) {
        sum += plane_shuffle_xor(sum, comptime!(1u32 << bit));
    }
    sum
}

/// The largest `value` of the units that share a row.
#[cube]
pub(super) fn shared_max(value: f32) -> f32 {
    let mut largest = value;
    #[unroll]
    for bit in 0..comptime!(SHARE.ilog2()) {
        largest = max(largest, plane_shuffle_xor(largest, comptime!(1u32 << bit)));
    }
    largest
}

/// Shared memory for an operand.
#[cube]
pub(super) fn shared_operand<N: Size>(#[comptime] block: Block) -> SharedMemory<Vector<bf16, N>> {
    let vectors = comptime!(block.rows * block.pitch() / block.lanes);
    SharedMemory::<Vector<bf16, N>>::new_aligned(vectors, ALIGNMENT)
}

/// Shared memory for weights of rows, by query and key.
#[cube]
pub(super) fn shared_weights(#[comptime] block: Block) -> SharedMemory<bf16> {
    SharedMemory::<bf16>::new_aligned(comptime!(block.rows * block.score_pitch()), ALIGNMENT)
}

/// Shared memory for scores, by query and key.
#[cube]
pub(super) fn shared_scores(#[comptime] block: Block) -> SharedMemory<f32> {
    SharedMemory::<f32>::new_aligned(comptime!(block.rows * block.score_pitch()), ALIGNMENT)
}

/// Shared memory for results on their way out.
#[cube]
pub(super) fn shared_stage(#[comptime] block: Block) -> SharedMemory<Vector<f32, Four>> {
    let vectors = comptime!(block.rows * STAGE_PITCH / 4);
    SharedMemory::<Vector<f32, Four>>::new_aligned(vectors, ALIGNMENT)
}

/// Loads a block of rows from `first` to shared memory: zeros beyond the last row and column.
#[cube]
pub(super) fn load<N: Size>(
    x: &Array<Vector<bf16, N>>,
    of: &Rows,
    first: usize,
    to: &mut SharedMemory<Vector<bf16, N>>,
    #[comptime] block: Block,
) {
    let (real, vectors) = comptime!((block.size / block.lanes, block.tiles() * TILE / block.lanes));
    let (units, all) = comptime!((block.rows * UNITS / TILE, block.rows * vectors));
    // So many loads are in flight at once.
    let batch = comptime!((all / units).min(8));
    let mut values = Array::<Vector<bf16, N>>::new(batch);
    for turn in 0..comptime!(all.div_ceil(batch * units)) {
        let begin = UNIT_POS as usize + turn * comptime!(batch * units);
        #[unroll]
        for step in 0..batch {
            let i = begin + step * units;
            let (row, col) = (first + i / vectors, i % vectors);
            values[step] = Vector::new(bf16::cast_from(0.0f32));
            if row < of.len && col < real {
                values[step] = x[(of.start + row) * of.width + of.head + col];
            }
        }
        #[unroll]
        for step in 0..batch {
            let i = begin + step * units;
            if comptime!(all.is_multiple_of(batch * units)) || i < all {
                to[i / vectors * comptime!(block.pitch() / block.lanes) + i % vectors] =
                    values[step];
            }
        }
    }
}

/// An operand of tensor cores, from `at` on in elements; rows are `pitch` elements apart.
#[cube]
#[allow(unsafe_code)]
fn matrix<E: CubePrimitive>(
    x: &SharedMemory<E>,
    at: usize,
    pitch: u32,
    #[comptime] lanes: usize,
    #[comptime] of: MatrixIdent,
    #[comptime] turned: bool,
) -> Matrix<bf16> {
    let layout = comptime!(if turned { MatrixLayout::ColMajor } else { MatrixLayout::RowMajor });
    // SAFETY: it is loaded next.
    let matrix = unsafe { Matrix::<bf16>::uninitialized(of, TILE, TILE, TILE, layout) };
    cmma::load(&matrix, &x.slice(at / lanes, x.len()), pitch);
    matrix
}

/// A matrix of zeros to be added to.
#[cube]
fn zero() -> Matrix<f32> {
    let layout = comptime!(MatrixLayout::Undefined);
    Matrix::<f32>::from_value(MatrixIdent::Accumulator, TILE, TILE, TILE, layout, 0.0f32)
}

/// A strip of results: a matrix of zeros for each tile of columns.
#[cube]
pub(super) fn zeros(#[comptime] block: Block) -> Sequence<Matrix<f32>> {
    let mut sums = Sequence::<Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(block.tiles()) {
        sums.push(zero());
    }
    sums
}

/// The products of the strip's rows with each row of the first `tiles` tiles of `others`, as a strip of `scores`.
#[cube]
pub(super) fn products<N: Size>(
    own: &SharedMemory<Vector<bf16, N>>,
    others: &SharedMemory<Vector<bf16, N>>,
    strip: &Strip,
    tiles: usize,
    scores: &mut SharedMemory<f32>,
    #[comptime] block: Block,
) {
    let (lanes, columns) = comptime!((block.lanes, block.tiles()));
    let (pitch, score_pitch) = comptime!((block.pitch(), block.score_pitch()));
    let mut rows = Sequence::<Matrix<bf16>>::new();
    #[unroll]
    for c in 0..columns {
        let at = strip.local * pitch + c * TILE;
        rows.push(matrix(own, at, pitch as u32, lanes, MatrixIdent::A, false));
    }
    for tile in 0..tiles {
        let sum = zero();
        #[unroll]
        for c in 0..columns {
            let at = tile * comptime!(TILE * pitch) + c * TILE;
            let other = matrix(others, at, pitch as u32, lanes, MatrixIdent::B, true);
            cmma::execute::<bf16, bf16, f32, f32>(rows.index(c), &other, &sum, &sum);
        }
        let at = strip.local * score_pitch + tile * TILE;
        let mut to = scores.slice_mut(at, scores.len());
        cmma::store(&mut to, &sum, score_pitch as u32, MatrixLayout::RowMajor);
    }
}

/// Adds the products of a strip of `weights` with the first `tiles` tiles of rows of `x`; the strip is one of keys if the
/// weights are `turned`.
#[cube]
pub(super) fn accumulate<N: Size>(
    weights: &SharedMemory<bf16>,
    x: &SharedMemory<Vector<bf16, N>>,
    strip: &Strip,
    tiles: usize,
    sums: &Sequence<Matrix<f32>>,
    #[comptime] block: Block,
    #[comptime] turned: bool,
) {
    let (lanes, pitch) = comptime!((block.lanes, block.pitch()));
    let weight_pitch = comptime!(block.score_pitch());
    for tile in 0..tiles {
        let mut at = strip.local * weight_pitch + tile * TILE;
        if turned {
            at = tile * comptime!(TILE * weight_pitch) + strip.local;
        }
        let weight = matrix(weights, at, weight_pitch as u32, 1usize, MatrixIdent::A, turned);
        #[unroll]
        for c in 0..comptime!(block.tiles()) {
            let at = tile * comptime!(TILE * pitch) + c * TILE;
            let other = matrix(x, at, pitch as u32, lanes, MatrixIdent::B, false);
            let sum = sums.index(c);
            cmma::execute::<bf16, bf16, f32, f32>(&weight, &other, sum, sum);
        }
    }
}

/// Writes a strip of results, rounded, to its rows of `out`. `stage` is shared memory that [`shared_stage`] has made.
#[cube]
pub(super) fn write<N: Size>(
    sums: &Sequence<Matrix<f32>>,
    stage: &mut SharedMemory<Vector<f32, Four>>,
    out: &mut Array<Vector<bf16, N>>,
    of: &Rows,
    strip: &Strip,
    #[comptime] block: Block,
) {
    let (real, lanes) = comptime!((block.size / block.lanes, block.lanes));
    let pitch = comptime!(STAGE_PITCH / 4);
    let own = strip.local * pitch;
    // Half a row, so that adjacent units read different banks.
    let (row, half) = (strip.unit % TILE, strip.unit / TILE);
    let to = (of.start + strip.first + row) * of.width + of.head;
    #[unroll]
    for c in 0..comptime!(block.tiles()) {
        let mut slice = stage.slice_mut(own, stage.len());
        cmma::store(&mut slice, sums.index(c), STAGE_PITCH as u32, MatrixLayout::RowMajor);
        sync_plane();
        let from = own + row * pitch + half * 2;
        let (low, high) = (stage[from], stage[from + 1]);
        #[unroll]
        for v in 0..comptime!(TILE / 2 / lanes) {
            let col = (c * TILE + half * comptime!(TILE / 2)) / lanes + v;
            if strip.first + row < of.len
                && (comptime!(real * lanes == block.tiles() * TILE) || col < real)
            {
                let mut value = Vector::<bf16, N>::new(bf16::cast_from(0.0f32));
                #[unroll]
                for e in 0..lanes {
                    let element = comptime!(v * lanes + e);
                    if comptime!(element < 4) {
                        value[e] = bf16::cast_from(low[element]);
                    } else {
                        value[e] = bf16::cast_from(high[comptime!(element - 4)]);
                    }
                }
                out[to + col] = value;
            }
        }
        sync_plane();
    }
}
