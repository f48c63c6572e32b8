//! Tiles of rows in shared memory, and the products that units accumulate in registers.
//!
//! A cube owns a tile of rows and iterates over tiles of other rows. Its units form a square of `side` by `side`. The unit
//! at `(row, col)` computes own rows `row + side * i` with other rows `col + side * j`, and of a result the vectors of
//! columns `col + side * j`. The values of a unit's own rows for one other row form a vector of length `M`.

use cubecl::prelude::*;

/// The largest number of floats in the shared memory of a cube, which every device has.
const MAX_SHARED: usize = 7_000;

/// The division of work among the units of a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Rows that the cube owns, and rows of each tile that it iterates over.
    pub own: usize,
    pub other: usize,
    /// Columns of a head, and columns in a vector.
    pub size: usize,
    pub lanes: usize,
    /// Units along each side of the square.
    pub side: usize,
}

impl Tile {
    /// A tile for heads of `size` columns in vectors of `lanes`, where the longest sentence has `longest` rows.
    pub fn of(size: usize, lanes: usize, longest: usize) -> Self {
        let shapes = [(32, 16), (16, 16), (8, 16), (16, 8), (8, 8), (4, 4), (2, 2), (1, 1)];
        let tiles = shapes.map(|(own, other)| {
            let side = own.min(other).min(8);
            Self { own, other, size, lanes, side }
        });
        // Rows that no sentence has would be wasted work.
        let fits = |tile: &Self| tile.own < 2 * longest.max(8) && tile.shared() <= MAX_SHARED;
        tiles.into_iter().find(fits).unwrap_or_else(|| {
            panic!("a head of {size} columns does not fit the shared memory of a GPU")
        })
    }

    /// Floats of the own rows, of two tiles of other rows, and of the values that units exchange.
    fn shared(&self) -> usize {
        (self.own + 2 * self.other) * self.pitch() * self.lanes
            + self.own * (self.other + self.side)
    }

    pub fn units(&self) -> CubeDim {
        CubeDim::new_1d((self.side * self.side) as u32)
    }

    /// Vectors of a row, and the distance of rows: an odd number, so that adjacent rows are in different banks.
    pub const fn vectors(&self) -> usize {
        self.size / self.lanes
    }

    pub const fn pitch(&self) -> usize {
        self.vectors() | 1
    }

    /// Own rows of a unit, other rows of a unit, and its vectors in a row of the result.
    pub const fn rows(&self) -> usize {
        self.own / self.side
    }

    pub const fn others(&self) -> usize {
        self.other / self.side
    }

    pub const fn columns(&self) -> usize {
        self.vectors().div_ceil(self.side)
    }
}

/// The position of a unit in the square.
#[derive(CubeType, Clone, Copy)]
pub(super) struct UnitPosition {
    pub row: usize,
    pub col: usize,
}

/// The position of this unit, in Z-order: units of one memory access are close in both directions, so that they read few
/// distinct rows.
#[cube]
pub(super) fn unit_position(#[comptime] tile: Tile) -> UnitPosition {
    let unit = UNIT_POS as usize;
    let mut row = 0usize.runtime();
    let mut col = 0usize.runtime();
    #[unroll]
    for bit in 0..comptime!(tile.side.ilog2() as usize) {
        col += ((unit >> (2 * bit)) & 1) << bit;
        row += ((unit >> (2 * bit + 1)) & 1) << bit;
    }
    UnitPosition { row, col }
}

/// The rows of one head of one sentence.
#[derive(CubeType, Clone, Copy)]
pub(super) struct HeadRows {
    /// The first row, and the number of rows.
    pub start: usize,
    pub len: usize,
    /// Vectors from one row to the next, and the first vector of the head in a row.
    pub width: usize,
    pub head: usize,
}

/// The rows of this cube's head.
#[cube]
pub(super) fn head_rows(
    start: usize,
    len: usize,
    width: usize,
    #[comptime] tile: Tile,
) -> HeadRows {
    HeadRows { start, len, width, head: CUBE_POS_Y as usize * comptime!(tile.vectors()) }
}

/// Shared memory for `rows` rows.
#[cube]
pub(super) fn shared_rows<N: Size>(
    #[comptime] rows: usize,
    #[comptime] tile: Tile,
) -> SharedMemory<Vector<f32, N>> {
    SharedMemory::<Vector<f32, N>>::new(comptime!(rows * tile.pitch()))
}

/// Loads rows `first..first + rows` to shared memory; beyond the last row, the last row. There must be at least one row.
#[cube]
pub(super) fn load<N: Size>(
    x: &Array<Vector<f32, N>>,
    of: &HeadRows,
    first: usize,
    to: &mut SharedMemory<Vector<f32, N>>,
    #[comptime] rows: usize,
    #[comptime] tile: Tile,
) {
    let vectors = comptime!(tile.vectors());
    let units = comptime!(tile.side * tile.side);
    let steps = comptime!((rows * vectors).div_ceil(units));
    // No branches before the stores, so that this many loads are in flight at once.
    let batch = comptime!(steps.min(8));
    let turns = comptime!(steps.div_ceil(batch));
    let whole = comptime!(rows * vectors == turns * batch * units);
    let mut values = Array::<Vector<f32, N>>::new(batch);
    #[unroll(turns == 1)]
    for turn in 0..turns {
        let begin = UNIT_POS as usize + turn * comptime!(batch * units);
        #[unroll]
        for step in 0..batch {
            let i = begin + step * units;
            let row = min(first + i / vectors, of.len - 1);
            values[step] = x[(of.start + row) * of.width + of.head + i % vectors];
        }
        #[unroll]
        for step in 0..batch {
            let i = begin + step * units;
            if whole || i < comptime!(rows * vectors) {
                to[i / vectors * comptime!(tile.pitch()) + i % vectors] = values[step];
            }
        }
    }
}

/// The products of a unit's own rows with each of its other rows.
#[cube]
pub(super) fn products<N: Size, M: Size>(
    own: &SharedMemory<Vector<f32, N>>,
    others: &SharedMemory<Vector<f32, N>>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let (rows, count) = comptime!((tile.rows(), tile.others()));
    let (side, pitch) = comptime!((tile.side, tile.pitch()));
    let mut sums = zero_vectors::<N>(comptime!(rows * count));
    let mut x = Array::<Vector<f32, N>>::new(rows);
    for c in 0..comptime!(tile.vectors()) {
        #[unroll]
        for i in 0..rows {
            x[i] = own[(unit.row + side * i) * pitch + c];
        }
        #[unroll]
        for j in 0..count {
            let y = others[(unit.col + side * j) * pitch + c];
            #[unroll]
            for i in 0..rows {
                sums[j * rows + i] += x[i] * y;
            }
        }
    }
    let mut products = zero_vectors::<M>(count);
    #[unroll]
    for j in 0..count {
        let mut product = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..rows {
            let sum = sums[j * rows + i];
            product[i] = f32::cast_from(sum.vector_sum());
        }
        products[j] = product;
    }
    products
}

/// `sums[i, j] += sum_k weights[k, i] x[k, j]` over the first `count` rows `k` of a tile, for the unit's own rows `i` and
/// its vectors of columns `j`.
#[cube]
pub(super) fn accumulate<N: Size, M: Size>(
    weights: &SharedMemory<Vector<f32, M>>,
    x: &SharedMemory<Vector<f32, N>>,
    count: usize,
    unit: &UnitPosition,
    sums: &mut Array<Vector<f32, N>>,
    #[comptime] tile: Tile,
) {
    let (rows, columns) = comptime!((tile.rows(), tile.columns()));
    for k in 0..count {
        let weight = weights[shared_index(k, unit.row, tile)];
        #[unroll]
        for j in 0..columns {
            let y = x[k * comptime!(tile.pitch()) + column(unit, j, tile)];
            #[unroll]
            for i in 0..rows {
                sums[i * columns + j] += Vector::<f32, N>::new(weight[i]) * y;
            }
        }
    }
}

/// The `j`th vector of columns of a unit. Where the unit has no such vector, another one, whose sums are not used.
#[cube]
fn column(unit: &UnitPosition, #[comptime] j: usize, #[comptime] tile: Tile) -> usize {
    let col = unit.col + tile.side * j;
    if comptime!(tile.side * (j + 1) <= tile.vectors()) {
        col
    } else {
        min(col, comptime!(tile.vectors() - 1))
    }
}

/// The index in shared memory of the values of units in `row` for the other row `k`.
#[cube]
pub(super) fn shared_index(k: usize, row: usize, #[comptime] tile: Tile) -> usize {
    k * tile.side + row
}

/// The sum of `value` over the units with the same own rows. Every unit of the cube must call this. `shared` has an element
/// for each unit, which no unit is still reading.
#[cube]
pub(super) fn row_sum<M: Size>(
    value: Vector<f32, M>,
    shared: &mut SharedMemory<Vector<f32, M>>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> Vector<f32, M> {
    shared[shared_index(unit.col, unit.row, tile)] = value;
    sync_cube();
    let mut sum = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for col in 0..tile.side {
        sum += shared[shared_index(col, unit.row, tile)];
    }
    sum
}

/// The largest `value` of the units with the same own rows, computed like [`row_sum`].
#[cube]
pub(super) fn row_max<M: Size>(
    value: Vector<f32, M>,
    shared: &mut SharedMemory<Vector<f32, M>>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> Vector<f32, M> {
    shared[shared_index(unit.col, unit.row, tile)] = value;
    sync_cube();
    let mut largest = value;
    #[unroll]
    for col in 0..tile.side {
        largest = max(largest, shared[shared_index(col, unit.row, tile)]);
    }
    largest
}

/// `count` vectors of zeros.
#[cube]
pub(super) fn zero_vectors<N: Size>(#[comptime] count: usize) -> Array<Vector<f32, N>> {
    let mut sums = Array::<Vector<f32, N>>::new(count);
    #[unroll]
    for j in 0..count {
        sums[j] = Vector::new(0.0f32);
    }
    sums
}

/// Multiplies each row `i` by `factors[i]`.
#[cube]
pub(super) fn rescale<N: Size, M: Size>(
    sums: &mut Array<Vector<f32, N>>,
    factors: Vector<f32, M>,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns());
    #[unroll]
    for i in 0..comptime!(tile.rows()) {
        let factor = Vector::<f32, N>::new(factors[i]);
        #[unroll]
        for j in 0..columns {
            sums[i * columns + j] *= factor;
        }
    }
}

/// Writes a unit's part of the rows from `first`, row `i` times `factors[i]`, and again to `short` where products round.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn write<F: Float, N: Size, M: Size>(
    sums: &Array<Vector<f32, N>>,
    factors: Vector<f32, M>,
    out: &mut Array<Vector<f32, N>>,
    short: &mut Array<Vector<F, N>>,
    of: &HeadRows,
    first: usize,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
    #[comptime] rounds: bool,
) {
    let (rows, columns) = comptime!((tile.rows(), tile.columns()));
    #[unroll]
    for i in 0..rows {
        let row = first + unit.row + tile.side * i;
        if row < of.len {
            let base = (of.start + row) * of.width + of.head;
            let factor = Vector::<f32, N>::new(factors[i]);
            #[unroll]
            for j in 0..columns {
                let col = unit.col + tile.side * j;
                if col < comptime!(tile.vectors()) {
                    let value = sums[i * columns + j] * factor;
                    out[base + col] = value;
                    if rounds {
                        short[base + col] = Vector::cast_from(value);
                    }
                }
            }
        }
    }
}
