//! The linear map and its gradients.

use super::gemm::{self, Form, Left, Start};
use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::rows;
use a2d_core::shape::Shape;

/// Rows per piece of work. The column sums of the pieces are then added.
const CHUNK: usize = 128;

/// `y[n, o] = sum_i x[n, i] w[o, i] + b[o]`
pub fn linear(team: &Team, pool: &Pool, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
    let (n, i, o) = (x.shape().rows(), x.shape().cols(), w.shape().rows());
    assert_eq!(i, w.shape().cols(), "linear: x {} and w {}", x.shape(), w.shape());
    let mut y = pool.tensor(Shape::matrix(n, o));
    if let Some(b) = b {
        assert_eq!(o, b.shape().len(), "linear: w {} and b {}", w.shape(), b.shape());
    }
    let start = b.map_or(Start::Zero, |b| Start::Row(b.data()));
    let x = Left::Rows { data: x.data(), stride: i };
    let w = gemm::packed(team, w, Form::Forward);
    gemm::product_in_tiles(team, x, w, y.data_mut(), start);
    y
}

/// Adds `b` to each row of `y`.
pub fn add_bias(team: &Team, mut y: Tensor, b: &Tensor) -> Tensor {
    let cols = b.shape().len().max(1);
    team.each(y.data_mut().chunks_mut(CHUNK * cols), |y| {
        y.chunks_exact_mut(cols).for_each(|y| rows::axpy(1.0, b.data(), y));
    });
    y
}

/// `dx = into + dy w`, `dw = dy^T x`
pub fn linear_grad(
    team: &Team,
    pool: &Pool,
    [dy, x, w]: [&Tensor; 3],
    into: Option<Tensor>,
) -> [Tensor; 2] {
    let (n, o, i) = (dy.shape().rows(), dy.shape().cols(), x.shape().cols());
    assert_eq!(w.shape(), Shape::matrix(o, i), "linear_grad: dy {}, x {}", dy.shape(), x.shape());
    assert_eq!(n, x.shape().rows(), "linear_grad: dy {}, x {}", dy.shape(), x.shape());

    let start = if into.is_some() { Start::Sum } else { Start::Zero };
    let mut dx = into.unwrap_or_else(|| pool.tensor(x.shape()));
    assert_eq!(dx.shape(), x.shape(), "linear_grad: the sum to add to");
    let rows = Left::Rows { data: dy.data(), stride: o };
    let right = gemm::packed(team, w, Form::Gradient);
    gemm::product_in_tiles(team, rows, right, dx.data_mut(), start);

    let mut dw = pool.tensor(w.shape());
    let panels = gemm::pack(team, pool, x.data(), n, i);
    let b = gemm::Right { panels: &panels, depth: n, cols: i };
    let columns = Left::Columns { data: dy.data(), stride: o };
    gemm::product_in_tiles(team, columns, b, dw.data_mut(), Start::Zero);

    [dx, dw]
}

/// `y[c] = sum_n x[n, c]`
pub fn column_sums(team: &Team, pool: &Pool, x: &Tensor) -> Tensor {
    let cols = x.shape().cols();
    let chunks = x.data().chunks((CHUNK * cols).max(1));
    let mut sums = pool.take(chunks.len() * cols);
    team.each(chunks.zip(sums.chunks_mut(cols.max(1))), |(x, sums)| {
        vectorised(
            #[inline(always)]
            || {
                sums.fill(0.0);
                x.chunks_exact(cols).for_each(|x| rows::axpy(1.0, x, sums));
            },
        );
    });
    fold_rows(pool, &sums, cols)
}

/// Sums rows of `cols` elements in order.
pub fn fold_rows(pool: &Pool, x: &[f32], cols: usize) -> Tensor {
    let mut out = pool.zeros(Shape::vector(cols));
    let sum = out.data_mut();
    x.chunks_exact(cols.max(1)).for_each(|x| rows::axpy(1.0, x, sum));
    out
}
