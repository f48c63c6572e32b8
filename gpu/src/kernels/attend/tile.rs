//! Tiles of rows in shared memory, and the products that a unit adds up in registers.
//!
//! A cube owns a tile of rows and walks over tiles of other rows. Its units sit in a square of `side` by `side`: one
//! in `(row, col)` has the own rows `row + side * i`, the others `col + side * j`, and the columns' vectors
//! `col + side * j` of a result. What it knows of its rows for one other row is a vector too: `M` of them.

use cubecl::prelude::*;

/// Floats of shared memory that a cube may take: under what every device has.
const SHARED: usize = 7_000;

/// How the units of a cube divide the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Rows that the cube owns, and rows of a tile that it walks over.
    pub own: usize,
    pub other: usize,
    /// Columns of a head, and how many of them a vector holds.
    pub size: usize,
    pub lanes: usize,
    /// Units along each side of the square.
    pub side: usize,
}

impl Tile {
    /// For heads of `size` columns, in vectors of `lanes`, of which the longest sentence has `longest` rows.
    pub fn of(size: usize, lanes: usize, longest: usize) -> Self {
        let shapes = [(32, 16), (16, 16), (8, 16), (16, 8), (8, 8), (4, 4), (2, 2), (1, 1)];
        let tiles = shapes.map(|(own, other)| {
            let side = own.min(other).min(8);
            Self { own, other, size, lanes, side }
        });
        // Rows that no sentence has are work for nothing.
        let fits = |tile: &Self| tile.own < 2 * longest.max(8) && tile.shared() <= SHARED;
        tiles.into_iter().find(fits).unwrap_or_else(|| {
            panic!("a head of {size} columns does not fit the shared memory of a GPU")
        })
    }

    /// Floats that the own rows take, two tiles of others, and what the units tell each other.
    fn shared(&self) -> usize {
        (self.own + 2 * self.other) * self.pitch() * self.lanes
            + self.own * (self.other + self.side)
    }

    pub fn units(&self) -> CubeDim {
        CubeDim::new_1d((self.side * self.side) as u32)
    }

    /// Vectors of a row, and how far apart rows lie: an odd number, so that neighbours are in different banks.
    pub const fn vectors(&self) -> usize {
        self.size / self.lanes
    }

    pub const fn pitch(&self) -> usize {
        self.vectors() | 1
    }

    /// Own rows of a unit, others, and vectors of a row of the result.
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

/// Where a unit sits in the square.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Seat {
    pub row: usize,
    pub col: usize,
}

/// Units near in number are near in both directions: those that the memory serves at once then load from few
/// places.
#[cube]
pub(super) fn seat(#[comptime] tile: Tile) -> Seat {
    let unit = UNIT_POS as usize;
    let mut row = 0usize.runtime();
    let mut col = 0usize.runtime();
    #[unroll]
    for bit in 0..comptime!(tile.side.ilog2() as usize) {
        col += ((unit >> (2 * bit)) & 1) << bit;
        row += ((unit >> (2 * bit + 1)) & 1) << bit;
    }
    Seat { row, col }
}

/// Rows of one head of one sentence.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Run {
    /// The first row, and how many there are.
    pub start: usize,
    pub len: usize,
    /// Vectors from one row to the next, and before the head's.
    pub width: usize,
    pub head: usize,
}

#[cube]
pub(super) fn run(start: usize, len: usize, width: usize, #[comptime] tile: Tile) -> Run {
    Run { start, len, width, head: CUBE_POS_Y as usize * comptime!(tile.vectors()) }
}

/// Memory for `rows` rows.
#[cube]
pub(super) fn room<N: Size>(
    #[comptime] rows: usize,
    #[comptime] tile: Tile,
) -> SharedMemory<Vector<f32, N>> {
    SharedMemory::<Vector<f32, N>>::new(comptime!(rows * tile.pitch()))
}

/// Rows `first..first + rows` of a run that has some, to shared memory: instead of rows beyond the run its last one.
#[cube]
pub(super) fn load<N: Size>(
    x: &Array<Vector<f32, N>>,
    of: &Run,
    first: usize,
    to: &mut SharedMemory<Vector<f32, N>>,
    #[comptime] rows: usize,
    #[comptime] tile: Tile,
) {
    let vectors = comptime!(tile.vectors());
    let units = comptime!(tile.side * tile.side);
    let steps = comptime!((rows * vectors).div_ceil(units));
    // No branches before the stores: then this many are on their way at once.
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

/// The products of a unit's own rows with each of its others.
#[cube]
pub(super) fn products<N: Size, M: Size>(
    own: &SharedMemory<Vector<f32, N>>,
    others: &SharedMemory<Vector<f32, N>>,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let (rows, count) = comptime!((tile.rows(), tile.others()));
    let (side, pitch) = comptime!((tile.side, tile.pitch()));
    let mut sums = no_sums::<N>(comptime!(rows * count));
    let mut x = Array::<Vector<f32, N>>::new(rows);
    for c in 0..comptime!(tile.vectors()) {
        #[unroll]
        for i in 0..rows {
            x[i] = own[(seat.row + side * i) * pitch + c];
        }
        #[unroll]
        for j in 0..count {
            let y = others[(seat.col + side * j) * pitch + c];
            #[unroll]
            for i in 0..rows {
                sums[j * rows + i] += x[i] * y;
            }
        }
    }
    let mut products = no_sums::<M>(count);
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

/// `sums[i, j] += sum_k weights[k, i] x[k, j]` over the first `count` rows of a tile: `i` the unit's own rows, `j` its
/// vectors of columns.
#[cube]
pub(super) fn mix<N: Size, M: Size>(
    weights: &SharedMemory<Vector<f32, M>>,
    x: &SharedMemory<Vector<f32, N>>,
    count: usize,
    seat: &Seat,
    sums: &mut Array<Vector<f32, N>>,
    #[comptime] tile: Tile,
) {
    let (rows, columns) = comptime!((tile.rows(), tile.columns()));
    for k in 0..count {
        let weight = weights[told(k, seat.row, tile)];
        #[unroll]
        for j in 0..columns {
            let y = x[k * comptime!(tile.pitch()) + column(seat, j, tile)];
            #[unroll]
            for i in 0..rows {
                sums[i * columns + j] += Vector::<f32, N>::new(weight[i]) * y;
            }
        }
    }
}

/// The `j`th vector of columns of a unit; where it has none, another's, which nobody will ask for.
#[cube]
fn column(seat: &Seat, #[comptime] j: usize, #[comptime] tile: Tile) -> usize {
    let col = seat.col + tile.side * j;
    if comptime!(tile.side * (j + 1) <= tile.vectors()) {
        col
    } else {
        min(col, comptime!(tile.vectors() - 1))
    }
}

/// Where units in `row` tell what they know of their own rows about the other row `k`.
#[cube]
pub(super) fn told(k: usize, row: usize, #[comptime] tile: Tile) -> usize {
    k * tile.side + row
}

/// The sum of `value` over the units that have the same own rows; every unit of the cube comes here. `board` has room
/// for what each of them tells, and nobody is to be reading it.
#[cube]
pub(super) fn row_sum<M: Size>(
    value: Vector<f32, M>,
    board: &mut SharedMemory<Vector<f32, M>>,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Vector<f32, M> {
    board[told(seat.col, seat.row, tile)] = value;
    sync_cube();
    let mut sum = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for col in 0..tile.side {
        sum += board[told(col, seat.row, tile)];
    }
    sum
}

/// The largest `value` of the units that have the same own rows; as [`row_sum`].
#[cube]
pub(super) fn row_max<M: Size>(
    value: Vector<f32, M>,
    board: &mut SharedMemory<Vector<f32, M>>,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Vector<f32, M> {
    board[told(seat.col, seat.row, tile)] = value;
    sync_cube();
    let mut most = value;
    #[unroll]
    for col in 0..tile.side {
        most = max(most, board[told(col, seat.row, tile)]);
    }
    most
}

#[cube]
pub(super) fn no_sums<N: Size>(#[comptime] count: usize) -> Array<Vector<f32, N>> {
    let mut sums = Array::<Vector<f32, N>>::new(count);
    #[unroll]
    for j in 0..count {
        sums[j] = Vector::new(0.0f32);
    }
    sums
}

/// Multiplies row `i` by `factors[i]`.
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

/// Writes a unit's part of the rows from `first` on, row `i` times `factors[i]`, and again in `short` if that is wanted.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn write<F: Float, N: Size, M: Size>(
    sums: &Array<Vector<f32, N>>,
    factors: Vector<f32, M>,
    out: &mut Array<Vector<f32, N>>,
    short: &mut Array<Vector<F, N>>,
    of: &Run,
    first: usize,
    seat: &Seat,
    #[comptime] tile: Tile,
    #[comptime] rounds: bool,
) {
    let (rows, columns) = comptime!((tile.rows(), tile.columns()));
    #[unroll]
    for i in 0..rows {
        let row = first + seat.row + tile.side * i;
        if row < of.len {
            let base = (of.start + row) * of.width + of.head;
            let factor = Vector::<f32, N>::new(factors[i]);
            #[unroll]
            for j in 0..columns {
                let col = seat.col + tile.side * j;
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
