//! Matrix products.
//!
//! `C = A B` runs over packed panels of [`PANEL`] columns of B. A weight is packed once and reused by all products
//! until it changes. A is read in place, row-major or column-major. An element of C is a single running sum over the
//! depth, [`DEPTH`] terms at a time, so the result does not depend on the tiling of rows.
//!
//! The kernel uses `pulp`'s vectors and needs no unsafe code. On a processor without AVX2 or NEON, `matrixmultiply`
//! computes the product, through `ndarray`.

use super::prefetch::{LINE, prefetch};
use super::team::{Team, arch};
use super::tensor::{Pool, Scratch, Tensor};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};
use pulp::{Simd, WithSimd};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Rows of a panel read at a time; with [`PANEL`] columns they fill the L1 cache.
const DEPTH: usize = 256;

/// The left factor: `A[i, p]`.
#[derive(Clone, Copy)]
pub enum Left<'a> {
    /// `data[i * stride + p]`
    Rows {
        /// Elements from `A[0, 0]` on.
        data: &'a [f32],
        /// Distance between rows.
        stride: usize,
    },
    /// `data[p * stride + i]`
    Columns {
        /// Elements from `A[0, 0]` on.
        data: &'a [f32],
        /// Distance between columns.
        stride: usize,
    },
}

impl<'a> Left<'a> {
    /// A without its first `i` rows.
    pub fn below(self, i: usize) -> Self {
        match self {
            Self::Rows { data, stride } => Self::Rows { data: &data[i * stride..], stride },
            Self::Columns { data, stride } => Self::Columns { data: &data[i..], stride },
        }
    }
}

/// The right factor, packed in consecutive panels `[depth, PANEL]`. The last panel is padded with zeros.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    /// The panels.
    pub panels: &'a [f32],
    /// Rows of B, the number of terms of each sum.
    pub depth: usize,
    /// Columns of B.
    pub cols: usize,
}

/// Number of elements of a packed B.
pub const fn packed_len(depth: usize, cols: usize) -> usize {
    cols.div_ceil(PANEL) * PANEL * depth
}

/// The initial value of C.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Zero: C is overwritten.
    Zero,
    /// The current value of C.
    Sum,
    /// This row, repeated for every row of C.
    Row(&'a [f32]),
}

/// `C = start + A B`. C has `rows` rows with row stride `stride`.
pub fn product(
    a: Left<'_>,
    b: Right<'_>,
    c: &mut [f32],
    stride: usize,
    rows: usize,
    start: Start<'_>,
) {
    if rows > 0 && b.cols > 0 {
        let mut product = Product { a, b, c, stride, rows, start };
        if b.depth == 0 { product.fill() } else { arch().dispatch(product) }
    }
}

/// `C = start + A B` in tiles of rows on `team`. C is contiguous, `[rows, b.cols]`.
pub fn product_in_tiles(team: &Team, a: Left<'_>, b: Right<'_>, c: &mut [f32], start: Start<'_>) {
    if b.cols == 0 {
        return;
    }
    let rows = c.len() / b.cols;
    let tile = tile_rows(rows, b.depth * b.cols, team.threads());
    team.each(c.chunks_mut(tile * b.cols).enumerate(), |(i, c)| {
        product(a.below(i * tile), b, c, b.cols, c.len() / b.cols, start);
    });
}

/// Rows of a tile, at `work` multiplications per row, for a team of `threads`: small enough to balance the threads, and
/// for a tile of A to stay in the L2 cache; large enough to be worth a thread, and to read B seldom.
fn tile_rows(rows: usize, work: usize, threads: usize) -> usize {
    /// A multiple of the height of every kernel.
    const STEP: usize = 12;
    const MOST: usize = 16 * STEP;
    const WORTH: usize = 1 << 18;
    let share = if threads == 1 { rows } else { rows.div_ceil(4 * threads) };
    let least = WORTH.div_ceil(work.max(1)).next_multiple_of(STEP);
    share.next_multiple_of(STEP).min(MOST).max(least)
}

struct Product<'a, 'c> {
    a: Left<'a>,
    b: Right<'a>,
    c: &'c mut [f32],
    stride: usize,
    rows: usize,
    start: Start<'a>,
}

impl WithSimd for Product<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 12, 4>(simd),
            8 => self.run::<S, 6, 2>(simd),
            4 => self.run::<S, 8, 2>(simd),
            _ => self.portable(),
        }
    }
}

/// The accumulators of a kernel: `TALL` rows, two vectors wide.
type Block<S, const TALL: usize> = [[<S as Simd>::f32s; 2]; TALL];

impl Product<'_, '_> {
    /// Computes blocks of `TALL` rows, then blocks of `LOW` rows for the remainder.
    #[inline(always)]
    fn run<S: Simd, const TALL: usize, const LOW: usize>(mut self, simd: S) {
        for from in (0..self.b.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.b.depth - from);
            for col in (0..self.b.cols).step_by(2 * S::F32_LANES) {
                let mut row = 0;
                while row + TALL < self.rows + LOW {
                    self.block::<S, TALL>(simd, row, col, from, depth);
                    row += TALL;
                }
                while row < self.rows {
                    self.block::<S, LOW>(simd, row, col, from, depth);
                    row += LOW;
                }
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const TALL: usize>(
        &mut self,
        simd: S,
        row: usize,
        col: usize,
        from: usize,
        depth: usize,
    ) {
        let start = (col / PANEL * self.b.depth + from) * PANEL;
        let (panel, _) = S::as_simd_f32s(&self.b.panels[start..][..depth * PANEL]);
        let at = col % PANEL / S::F32_LANES;
        let last = self.rows - 1 - row;
        let mut out = [[simd.splat_f32s(0.0); 2]; TALL];
        match self.a {
            Left::Rows { data, stride } => {
                // Rows past the end repeat the last row; their results are not written.
                let a =
                    core::array::from_fn(|i| &data[(row + i.min(last)) * stride + from..][..depth]);
                rows_kernel(simd, a, panel, at, self.ahead(row / TALL, col, from, depth), &mut out);
            }
            Left::Columns { data, stride } if last + 1 >= TALL => {
                columns_kernel(simd, &data[from * stride + row..], stride, panel, at, &mut out);
            }
            Left::Columns { data, stride } => {
                let data = &data[from * stride + row..];
                ragged_kernel(simd, data, stride, last, panel, at, &mut out);
            }
        }
        let wide = (self.b.cols - col).min(2 * S::F32_LANES);
        let start = match self.start {
            _ if from > 0 => Start::Sum,
            Start::Row(row) => Start::Row(&row[col..][..wide]),
            start => start,
        };
        let c = &mut self.c[row * self.stride + col..];
        write(simd, &out[..TALL.min(last + 1)], c, self.stride, wide, start);
    }

    /// What the kernel reads ahead while it computes block number `block` of a panel: a part of the next panel, which
    /// is most often in a far cache.
    #[inline(always)]
    fn ahead(&self, block: usize, col: usize, from: usize, depth: usize) -> &[f32] {
        let next = ((col / PANEL + 1) * self.b.depth + from) * PANEL;
        let part = (block * depth * LINE).min(depth * (PANEL - LINE));
        self.b.panels.get(next + part..).unwrap_or(&self.b.panels[next - self.b.depth * PANEL..])
    }

    /// Writes the initial value.
    fn fill(&mut self) {
        let rows = self.c.chunks_mut(self.stride).take(self.rows).map(|c| &mut c[..self.b.cols]);
        match self.start {
            Start::Zero => rows.for_each(|c| c.fill(0.0)),
            Start::Sum => {}
            Start::Row(row) => rows.for_each(|c| c.copy_from_slice(row)),
        }
    }

    /// Fallback: computes each panel by `ndarray`.
    fn portable(mut self) {
        self.fill();
        for col in (0..self.b.cols).step_by(PANEL) {
            let wide = PANEL.min(self.b.cols - col);
            let panel = &self.b.panels[col * self.b.depth..][..PANEL * self.b.depth];
            let b = view(panel, (self.b.depth, wide), (PANEL, 1));
            let a = match self.a {
                Left::Rows { data, stride } => view(data, (self.rows, self.b.depth), (stride, 1)),
                Left::Columns { data, stride } => {
                    view(data, (self.rows, self.b.depth), (1, stride))
                }
            };
            let c = &mut self.c[col..];
            let mut c = ArrayViewMut2::from_shape((self.rows, wide).strides((self.stride, 1)), c)
                .expect("C holds its rows");
            general_mat_mul(1.0, &a, &b, 1.0, &mut c);
        }
    }
}

fn view(data: &[f32], shape: (usize, usize), strides: (usize, usize)) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(shape.strides(strides), data).expect("a factor holds its rows")
}

/// `acc[i] += x[i] b`
#[inline(always)]
fn step<S: Simd, const TALL: usize>(
    simd: S,
    x: [f32; TALL],
    b: &[S::f32s],
    at: usize,
    acc: &mut Block<S, TALL>,
) {
    let b = [b[at], b[at + 1]];
    for (acc, x) in acc.iter_mut().zip(x) {
        let x = simd.splat_f32s(x);
        acc[0] = simd.mul_add_e_f32s(x, b[0], acc[0]);
        acc[1] = simd.mul_add_e_f32s(x, b[1], acc[1]);
    }
}

// Each kernel accumulates in a local block and copies it out in a branch-free loop. Otherwise the compiler does not
// keep the sums in registers.

#[inline(always)]
fn rows_kernel<S: Simd, const TALL: usize>(
    simd: S,
    a: [&[f32]; TALL],
    panel: &[S::f32s],
    at: usize,
    ahead: &[f32],
    out: &mut Block<S, TALL>,
) {
    let mut acc = [[simd.splat_f32s(0.0); 2]; TALL];
    for (p, b) in panel.chunks_exact(PANEL / S::F32_LANES).enumerate().take(a[0].len()) {
        prefetch(ahead, p * LINE);
        step(simd, core::array::from_fn(|i| a[i][p]), b, at, &mut acc);
    }
    *out = acc;
}

#[inline(always)]
fn columns_kernel<S: Simd, const TALL: usize>(
    simd: S,
    data: &[f32],
    stride: usize,
    panel: &[S::f32s],
    at: usize,
    out: &mut Block<S, TALL>,
) {
    let mut acc = [[simd.splat_f32s(0.0); 2]; TALL];
    for (p, b) in panel.chunks_exact(PANEL / S::F32_LANES).enumerate() {
        let a = &data[p * stride..][..TALL];
        step(simd, core::array::from_fn(|i| a[i]), b, at, &mut acc);
    }
    *out = acc;
}

/// [`columns_kernel`] for a block in which A ends at row `last`.
#[inline(always)]
fn ragged_kernel<S: Simd, const TALL: usize>(
    simd: S,
    data: &[f32],
    stride: usize,
    last: usize,
    panel: &[S::f32s],
    at: usize,
    out: &mut Block<S, TALL>,
) {
    let mut acc = [[simd.splat_f32s(0.0); 2]; TALL];
    for (p, b) in panel.chunks_exact(PANEL / S::F32_LANES).enumerate() {
        let a = &data[p * stride..][..last + 1];
        step(simd, core::array::from_fn(|i| a[i.min(last)]), b, at, &mut acc);
    }
    *out = acc;
}

/// Writes the rows of a block to the first `wide` columns of `c`, which has row stride `stride`, on top of `start`.
#[inline(always)]
fn write<S: Simd>(
    simd: S,
    out: &[[S::f32s; 2]],
    c: &mut [f32],
    stride: usize,
    wide: usize,
    start: Start<'_>,
) {
    let sum = matches!(start, Start::Sum);
    let mut first = [simd.splat_f32s(0.0); 2];
    if let Start::Row(row) = start {
        for (first, row) in first.iter_mut().zip(row.chunks(S::F32_LANES)) {
            *first = simd.partial_load_f32s(row);
        }
    }
    for (out, c) in out.iter().zip(c.chunks_mut(stride)) {
        let (whole, rest) = S::as_mut_simd_f32s(&mut c[..wide]);
        let last = whole.len();
        for ((c, out), first) in whole.iter_mut().zip(out).zip(&first) {
            *c = simd.add_f32s(if sum { *c } else { *first }, *out);
        }
        if !rest.is_empty() {
            let start = if sum { simd.partial_load_f32s(rest) } else { first[last] };
            simd.partial_store_f32s(rest, simd.add_f32s(start, out[last]));
        }
    }
}

/// The right factor that a weight `[O, I]` is packed as.
#[derive(Clone, Copy)]
pub enum Form {
    /// `W^T`: `y = x W^T`.
    Forward,
    /// `W`: `dx = dy W`.
    Gradient,
}

/// The packed form of a weight, cached in `w`.
pub fn packed<'a>(team: &Team, w: &'a Tensor, form: Form) -> Right<'a> {
    let (rows, cols) = (w.shape().rows(), w.shape().cols());
    match form {
        Form::Forward => {
            let panels = w.packed(0, |pool| pack_transposed(team, pool, w.data(), rows, cols));
            Right { panels, depth: cols, cols: rows }
        }
        Form::Gradient => {
            let panels = w.packed(1, |pool| pack(team, pool, w.data(), rows, cols));
            Right { panels, depth: rows, cols }
        }
    }
}

/// Packs `b` `[depth, cols]` on `team`.
pub fn pack(team: &Team, pool: &Pool, b: &[f32], depth: usize, cols: usize) -> Scratch {
    let mut out = pool.take(packed_len(depth, cols));
    team.each(panels(&mut out, depth), |(i, panel)| {
        pack_panel(b, cols, i * PANEL, PANEL.min(cols - i * PANEL), panel);
    });
    out
}

/// Packs the transpose of `w` `[cols, depth]` on `team`.
fn pack_transposed(team: &Team, pool: &Pool, w: &[f32], cols: usize, depth: usize) -> Scratch {
    let mut out = pool.take(packed_len(depth, cols));
    team.each(panels(&mut out, depth), |(i, panel)| {
        let wide = PANEL.min(cols - i * PANEL);
        pack_panel_transposed(&w[i * PANEL * depth..], depth, depth, wide, panel);
    });
    out
}

fn panels(out: &mut [f32], depth: usize) -> impl Iterator<Item = (usize, &mut [f32])> {
    out.chunks_mut((depth * PANEL).max(1)).enumerate()
}

/// Packs one panel: `wide` columns from column `col` of a matrix with row stride `stride`.
pub fn pack_panel(b: &[f32], stride: usize, col: usize, wide: usize, panel: &mut [f32]) {
    for (p, out) in panel.chunks_exact_mut(PANEL).enumerate() {
        let row = &b[p * stride + col..][..wide];
        if wide == PANEL {
            out.copy_from_slice(row);
        } else {
            out[..wide].copy_from_slice(row);
            out[wide..].fill(0.0);
        }
    }
}

/// Packs one panel of a transpose: column `j` is row `j` of `w`, for `wide` rows of `depth` elements with row stride
/// `stride`.
pub fn pack_panel_transposed(
    w: &[f32],
    stride: usize,
    depth: usize,
    wide: usize,
    panel: &mut [f32],
) {
    if wide < PANEL {
        panel.fill(0.0);
    }
    for j in 0..wide {
        let row = &w[j * stride..][..depth];
        for (out, x) in panel.chunks_exact_mut(PANEL).zip(row) {
            out[j] = *x;
        }
    }
}
