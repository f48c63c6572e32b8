//! Head alignment, a learned mix of all heads' attention maps at each position, and its gradients.
//!
//! The maps of a sentence form a matrix `[C, area]`, whose rows are spread over one tensor per layer. The alignment is
//! its product with the weight `[M, C]`.

use super::attend::{blocks, spans};
use super::gemm::{self, Left, PANEL, Right, Start};
use super::linear::fold_rows;
use super::team::{Team, vectorised};
use super::tensor::{Pool, Scratch, Tensor};
use a2d_core::backend::{AlignGrad, MapInput};
use a2d_core::batch::{Grid, Span};
use a2d_core::rows;
use a2d_core::shape::Shape;
use std::sync::Arc;

/// `y[m] = sum_c w[m, c] maps[c] + b[m]`
pub fn align(
    team: &Team,
    pool: &Pool,
    maps: &[Tensor],
    w: &Tensor,
    b: &Tensor,
    grid: &Grid<Arc<[u32]>>,
    input: MapInput,
) -> Tensor {
    let (m, c) = check(maps, w, grid);
    assert_eq!(b.shape().len(), m, "align: the bias");
    let spans = spans(grid);
    let mut y = pool.tensor(Shape::matrix(m, grid.area));
    let ys = blocks(y.data_mut(), &spans, m);
    let w = Left::Rows { data: w.data(), stride: c };
    team.each(spans.iter().zip(ys), |(span, y)| {
        let area = span.area();
        for (y, b) in y.chunks_exact_mut(area.max(1)).zip(b.data()) {
            y.fill(*b);
        }
        let mut x = pack_maps(pool, maps, span);
        mixed(input, &mut x);
        gemm::product(w, Right { panels: &x, depth: c, cols: area }, y, area, m, Start::Sum);
    });
    y
}

/// Gradients of [`align`].
pub fn align_grad(
    team: &Team,
    pool: &Pool,
    dy: &Tensor,
    maps: &[Tensor],
    w: &Tensor,
    grid: &Grid<Arc<[u32]>>,
    input: MapInput,
) -> AlignGrad<Tensor> {
    let (m, c) = check(maps, w, grid);
    assert_eq!(dy.shape(), Shape::matrix(m, grid.area), "align_grad: dy");
    let spans = spans(grid);
    let mut dmaps: Vec<Tensor> = maps.iter().map(|x| pool.tensor(x.shape())).collect();
    let layers = dmaps.iter_mut().zip(maps).map(|(dx, x)| {
        let heads = x.shape().rows();
        blocks(dx.data_mut(), &spans, heads)
    });
    let by_sentence = transpose(layers.collect(), spans.len());
    let mut dw = pool.take(spans.len() * m * c);
    let mut db = pool.take(spans.len() * m);
    let sums = dw.chunks_mut((m * c).max(1)).zip(db.chunks_mut(m.max(1)));
    team.each(spans.iter().zip(by_sentence).zip(sums), |((span, dmaps), (dw, db))| {
        let dy = &dy.data()[m * span.before..][..m * span.area()];
        sentence_grad(pool, span, dy, maps, w, input, dmaps, dw, db);
    });
    let w = fold_rows(pool, &dw, m * c).reshaped(w.shape());
    AlignGrad { maps: dmaps, w, b: fold_rows(pool, &db, m) }
}

/// What is mixed of packed maps.
fn mixed(input: MapInput, panels: &mut [f32]) {
    if input == MapInput::Scores {
        vectorised(
            #[inline(always)]
            || rows::scores(panels),
        );
    }
}

/// `dx = w^T dy`, `dw = dy x^T`, `db = sum dy`; then the gradient of the maps of which x is `input`.
#[allow(clippy::too_many_arguments)]
fn sentence_grad(
    pool: &Pool,
    span: &Span,
    dy: &[f32],
    maps: &[Tensor],
    w: &Tensor,
    input: MapInput,
    dmaps: Vec<&mut [f32]>,
    dw: &mut [f32],
    db: &mut [f32],
) {
    let (m, c, area) = (w.shape().rows(), w.shape().cols(), span.area());
    let mut panels = pool.take(gemm::packed_len(m, area).max(gemm::packed_len(area, c)));
    pack_transposed_maps(maps, span, &mut panels);
    mixed(input, &mut panels[..gemm::packed_len(area, c)]);
    let left = Left::Rows { data: dy, stride: area };
    gemm::product(left, Right { panels: &panels, depth: area, cols: c }, dw, c, m, Start::Zero);

    vectorised(
        #[inline(always)]
        || {
            db.fill(0.0);
            for (db, dy) in db.iter_mut().zip(dy.chunks_exact(area.max(1))) {
                *db = rows::sum(dy);
            }
        },
    );

    for (i, panel) in panels.chunks_exact_mut(m * PANEL).take(area.div_ceil(PANEL)).enumerate() {
        gemm::pack_panel(dy, area, i * PANEL, PANEL.min(area - i * PANEL), panel);
    }
    let right = Right { panels: &panels, depth: m, cols: area };
    let mut channel = 0;
    for (dx, map) in dmaps.into_iter().zip(maps) {
        let heads = dx.len() / area.max(1);
        let left = Left::Columns { data: &w.data()[channel..], stride: c };
        gemm::product(left, right, dx, area, heads, Start::Zero);
        if input == MapInput::Scores {
            rows::scores_grad(&map.data()[heads * span.before..][..dx.len()], dx);
        }
        channel += heads;
    }
}

/// The rows of a sentence's map matrix `[C, area]`, in channel order.
fn channels<'a>(maps: &'a [Tensor], span: &'a Span) -> impl Iterator<Item = &'a [f32]> {
    maps.iter().flat_map(|map| {
        let heads = map.shape().rows();
        map.data()[heads * span.before..][..heads * span.area()].chunks_exact(span.area().max(1))
    })
}

/// Packs the maps of a sentence as the right factor `[C, area]`.
fn pack_maps(pool: &Pool, maps: &[Tensor], span: &Span) -> Scratch {
    let c = channels(maps, span).count();
    let mut out = pool.take(gemm::packed_len(c, span.area()));
    for (row, map) in channels(maps, span).enumerate() {
        for (panel, map) in out.chunks_exact_mut(c * PANEL).zip(map.chunks(PANEL)) {
            let out = &mut panel[row * PANEL..][..PANEL];
            out[..map.len()].copy_from_slice(map);
            out[map.len()..].fill(0.0);
        }
    }
    out
}

/// Packs the transposed maps of a sentence as the right factor `[area, C]`.
fn pack_transposed_maps(maps: &[Tensor], span: &Span, panels: &mut [f32]) {
    let area = span.area();
    panels.fill(0.0);
    for (col, map) in channels(maps, span).enumerate() {
        let panel = &mut panels[col / PANEL * PANEL * area..][..PANEL * area];
        for (out, x) in panel.chunks_exact_mut(PANEL).zip(map) {
            out[col % PANEL] = *x;
        }
    }
}

/// Regroups the parts `[layer][sentence]` as `[sentence][layer]`.
fn transpose<T>(layers: Vec<Vec<T>>, sentences: usize) -> Vec<Vec<T>> {
    let mut out: Vec<Vec<T>> = (0..sentences).map(|_| Vec::with_capacity(layers.len())).collect();
    for layer in layers {
        for (out, part) in out.iter_mut().zip(layer) {
            out.push(part);
        }
    }
    out
}

/// Checks all shapes and returns `(M, C)`.
fn check(maps: &[Tensor], w: &Tensor, grid: &Grid<Arc<[u32]>>) -> (usize, usize) {
    assert!(maps.iter().all(|map| map.shape().cols() == grid.area), "align: maps");
    let channels: usize = maps.iter().map(|map| map.shape().rows()).sum();
    assert_eq!(channels, w.shape().cols(), "align: w {}", w.shape());
    (w.shape().rows(), channels)
}
