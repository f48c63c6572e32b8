//! Scaled dot-product attention and its gradients, sentence by sentence and head by head. Its products round their operands as
//! all products do: the rows come rounded, probabilities and gradients of scores are rounded here, and so are the results.

use super::gemm::{self, Left, PANEL, Right, Start};
use super::round::Operands;
use super::team::{Team, vectorised};
use super::tensor::{Pool, Scratch, Tensor};
use a2d_core::backend::{Attend, Attended, Kv, SavedAttend};
use a2d_core::batch::{Grid, Run, Span};
use a2d_core::rng::Mask;
use a2d_core::rows;
use a2d_core::shape::Shape;
use std::sync::Arc;

/// With fewer queries than this, packing the keys costs more than it saves. Padding does not count, so that the bits of a
/// sentence do not depend on its batch.
const FEW: usize = 3;

/// One head of one sentence: its columns in `q`, `k`, `v` and its map.
#[derive(Clone, Copy)]
struct Head {
    span: Span,
    causal: bool,
    /// Width D of a row, which is also the row stride.
    width: usize,
    /// First column of the head.
    col: usize,
    /// Number of columns of the head.
    size: usize,
    /// Offset of the head's map in `[H, A]`.
    map: usize,
}

impl Head {
    /// All heads of a sentence.
    fn all(span: Span, causal: bool, width: usize, heads: usize) -> impl Iterator<Item = Self> {
        let size = width / heads;
        (0..heads).map(move |h| {
            let map = heads * span.before + h * span.area();
            Self { span, causal, width, col: h * size, size, map }
        })
    }

    fn scale(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }

    /// The head's columns of the rows `run` of `x`, with row stride `width`.
    fn part<'a>(&self, x: &'a Tensor, run: Run) -> &'a [f32] {
        let rows = &x.data()[run.start * self.width..(run.start + run.len) * self.width];
        rows.get(self.col..).unwrap_or_default()
    }

    /// The head's columns of a sentence's rows, mutable.
    fn part_mut<'a>(&self, rows: &'a mut [f32]) -> &'a mut [f32] {
        rows.get_mut(self.col..).unwrap_or_default()
    }

    /// Row `row` of its [`Head::part`].
    fn row<'a>(&self, part: &'a [f32], row: usize) -> &'a [f32] {
        &part[row * self.width..][..part.len().min(self.size)]
    }

    fn left<'a>(&self, x: &'a Tensor, run: Run) -> Left<'a> {
        Left::Rows { data: self.part(x, run), stride: self.width }
    }

    /// Packs the head's columns of the rows `run` of `x`: `[run.len, size]`.
    fn right<'p>(&self, x: &Tensor, run: Run, panels: &'p mut Scratch) -> Right<'p> {
        let part = self.part(x, run);
        for (i, panel) in panels.chunks_mut((run.len * PANEL).max(1)).enumerate() {
            let col = i * PANEL;
            if col < self.size && run.len > 0 {
                let wide = PANEL.min(self.size - col);
                gemm::pack_panel(part, self.width, col, wide, &mut panel[..run.len * PANEL]);
            }
        }
        Right { panels, depth: run.len, cols: self.size }
    }

    /// Packs the transpose of the head's columns of the rows `run` of `x`: `[size, run.len]`.
    fn right_transposed<'p>(&self, x: &Tensor, run: Run, panels: &'p mut Scratch) -> Right<'p> {
        let part = self.part(x, run);
        for row in (0..run.len).step_by(PANEL) {
            let panel = &mut panels[row * self.size..][..PANEL * self.size];
            let wide = PANEL.min(run.len - row);
            let rows = &part[row * self.width..];
            gemm::pack_panel_transposed(rows, self.width, self.size, wide, panel);
        }
        Right { panels, depth: self.size, cols: run.len }
    }

    /// Buffer size for either packed form of queries or keys, in elements.
    fn packed_len(&self) -> usize {
        let longest = self.span.query.len.max(self.span.key.len);
        gemm::packed_len(self.size, longest).max(gemm::packed_len(longest, self.size))
    }

    /// Applies the softmax to scores. Masked positions become 0.
    #[inline(always)]
    fn normalise(&self, scores: &mut [f32]) {
        for (i, row) in scores.chunks_exact_mut(self.span.key.len.max(1)).enumerate() {
            let seen = rows::visible(self.causal, i, self.span.key.valid);
            rows::softmax(&mut row[..seen]);
            row[seen..].fill(0.0);
        }
    }

    /// Turns gradients of probabilities into gradients of unscaled scores.
    #[inline(always)]
    fn normalise_grad(&self, map: &[f32], dmap: &mut [f32]) {
        let (keys, scale) = (self.span.key.len.max(1), self.scale());
        for (i, (p, dp)) in map.chunks_exact(keys).zip(dmap.chunks_exact_mut(keys)).enumerate() {
            let seen = rows::visible(self.causal, i, self.span.key.valid);
            rows::softmax_grad(&p[..seen], &mut dp[..seen]);
            dp[..seen].iter_mut().for_each(|x| *x *= scale);
            dp[seen..].fill(0.0);
        }
    }

    /// Applies dropout to `map`.
    fn drop(&self, mask: Mask, map: &mut [f32]) {
        let first = self.map as u32;
        vectorised(
            #[inline(always)]
            || {
                for (i, x) in map.iter_mut().enumerate() {
                    *x *= mask.factor(first.wrapping_add(i as u32));
                }
            },
        );
    }

    /// `map` as an operand, after dropout: a copy, unless it would be the same.
    fn weights(&self, pool: &Pool, how: &How, map: &[f32]) -> Option<Scratch> {
        if how.mask.is_none() && how.operands == Operands::F32 {
            return None;
        }
        let mut out = pool.take(map.len());
        out.copy_from_slice(map);
        if let Some(mask) = how.mask {
            self.drop(mask, &mut out);
        }
        how.operands.round(&mut out);
        Some(out)
    }
}

/// What is done to the probabilities.
struct How {
    mask: Option<Mask>,
    operands: Operands,
}

impl How {
    fn new(how: &Attend, operands: Operands) -> Self {
        let mask = how.key.filter(|_| how.dropout > 0.0).map(|key| Mask::new(how.dropout, key));
        Self { mask, operands }
    }
}

/// Attention of `q` over `kv` within each sentence of `grid`.
pub fn attend(
    team: &Team,
    pool: &Pool,
    operands: Operands,
    q: &Tensor,
    kv: Kv<&Tensor>,
    grid: &Grid<Arc<[u32]>>,
    how: Attend,
) -> Attended<Tensor> {
    let width = check(q, kv.k, kv.v, grid, how);
    let (spans, treated) = (spans(grid), How::new(&how, operands));
    let mut context = pool.tensor(q.shape());
    let mut map = how.map.then(|| pool.tensor(Shape::matrix(how.heads, grid.area)));
    let contexts = split(context.data_mut(), spans.iter().map(|s| s.query), width);
    let maps: Vec<Option<&mut [f32]>> = match &mut map {
        Some(map) => blocks(map.data_mut(), &spans, how.heads).into_iter().map(Some).collect(),
        None => spans.iter().map(|_| None).collect(),
    };
    team.each(spans.iter().zip(contexts).zip(maps), |((&span, context), map)| {
        let mut own = pool.take(if map.is_none() { span.area() } else { 0 });
        let mut maps = map.map(|map| map.chunks_exact_mut(span.area().max(1)));
        for head in Head::all(span, grid.causal, width, how.heads) {
            let map = maps.as_mut().and_then(Iterator::next).unwrap_or(&mut own);
            if span.query.valid < FEW {
                vectorised(
                    #[inline(always)]
                    || few(&head, q, kv, &treated, context, map),
                );
            } else {
                many(pool, &head, q, kv, &treated, context, map);
            }
        }
        operands.round(context);
    });
    Attended { context, map }
}

/// Context and map of one head by matrix products.
fn many(
    pool: &Pool,
    head: &Head,
    q: &Tensor,
    kv: Kv<&Tensor>,
    how: &How,
    context: &mut [f32],
    map: &mut [f32],
) {
    let Span { query, key, .. } = head.span;
    let mut panels = pool.take(head.packed_len());
    score(head, q, kv, &mut panels, map);
    let weights = head.weights(pool, how, map);
    let left = Left::Rows { data: weights.as_deref().unwrap_or(map), stride: key.len };
    let v = head.right(kv.v, key, &mut panels);
    gemm::product(left, v, head.part_mut(context), head.width, query.len, Start::Zero);
}

/// The probabilities of one head by matrix products.
fn score(head: &Head, q: &Tensor, kv: Kv<&Tensor>, panels: &mut Scratch, map: &mut [f32]) {
    let Span { query, key, .. } = head.span;
    let k = head.right_transposed(kv.k, key, panels);
    gemm::product(head.left(q, query), k, map, key.len, query.len, Start::Zero);
    vectorised(
        #[inline(always)]
        || {
            let scale = head.scale();
            map.iter_mut().for_each(|x| *x *= scale);
            head.normalise(map);
        },
    );
}

/// Recomputes the probabilities of one head, bit-identical to those of [`attend`].
fn probabilities(
    pool: &Pool,
    head: &Head,
    q: &Tensor,
    kv: Kv<&Tensor>,
    panels: &mut Scratch,
) -> Scratch {
    let mut map = pool.take(head.span.area());
    if head.span.query.valid < FEW {
        vectorised(
            #[inline(always)]
            || score_few(head, q, kv, &mut map),
        );
    } else {
        score(head, q, kv, panels, &mut map);
    }
    map
}

/// The probabilities of one head by dot products with each key.
#[inline(always)]
fn score_few(head: &Head, q: &Tensor, kv: Kv<&Tensor>, map: &mut [f32]) {
    let Span { query, key, .. } = head.span;
    let (q, k) = (head.part(q, query), head.part(kv.k, key));
    for i in 0..query.len {
        let seen = rows::visible(head.causal, i, key.valid);
        let row = &mut map[i * key.len..][..key.len];
        for (j, score) in row[..seen].iter_mut().enumerate() {
            *score = head.scale() * rows::dot(head.row(q, i), head.row(k, j));
        }
        rows::softmax(&mut row[..seen]);
        row[seen..].fill(0.0);
    }
}

/// Context and map of one head by dot products with each key.
#[inline(always)]
fn few(head: &Head, q: &Tensor, kv: Kv<&Tensor>, how: &How, context: &mut [f32], map: &mut [f32]) {
    let Span { query, key, .. } = head.span;
    score_few(head, q, kv, map);
    let v = head.part(kv.v, key);
    for i in 0..query.len {
        let seen = rows::visible(head.causal, i, key.valid);
        let row = &map[i * key.len..][..key.len];
        let context = &mut head.part_mut(context)[i * head.width..][..head.size];
        context.fill(0.0);
        for (j, &p) in row[..seen].iter().enumerate() {
            let at = (head.map + i * key.len + j) as u32;
            let factor = how.mask.map_or(1.0, |mask| mask.factor(at));
            rows::axpy(how.operands.rounded(p * factor), head.row(v, j), context);
        }
    }
}

/// Gradients of [`attend`] with respect to q, k and v.
#[allow(clippy::too_many_arguments)]
pub fn attend_grad(
    team: &Team,
    pool: &Pool,
    operands: Operands,
    dy: Option<&Tensor>,
    dmap: Option<&Tensor>,
    saved: &SavedAttend<Tensor>,
    grid: &Grid<Arc<[u32]>>,
    how: Attend,
) -> [Tensor; 3] {
    let SavedAttend { q, kv, map } = saved;
    let width = check(q, &kv.k, &kv.v, grid, how);
    let area = Shape::matrix(how.heads, grid.area);
    let maps = [map.as_ref(), dmap];
    assert!(maps.iter().flatten().all(|map| map.shape() == area), "attend_grad: maps");
    assert!(dy.is_none_or(|dy| dy.shape() == q.shape()), "attend_grad: dy");
    let (spans, treated) = (spans(grid), How::new(&how, operands));
    let [mut dq, mut dk, mut dv] = [q, &kv.k, &kv.v].map(|x| pool.tensor(x.shape()));
    let dqs = split(dq.data_mut(), spans.iter().map(|s| s.query), width);
    let dks = split(dk.data_mut(), spans.iter().map(|s| s.key), width);
    let dvs = split(dv.data_mut(), spans.iter().map(|s| s.key), width);
    team.each(spans.iter().zip(dqs).zip(dks.into_iter().zip(dvs)), |((&span, dq), (dk, dv))| {
        for head in Head::all(span, grid.causal, width, how.heads) {
            head_grad(pool, &head, dy, dmap, saved, &treated, [&mut *dq, &mut *dk, &mut *dv]);
        }
        [dq, dk, dv].into_iter().for_each(|rows| operands.round(rows));
    });
    [dq, dk, dv]
}

/// `dP = dy V^T + dmap`; `dS` is its gradient through the softmax; `dq = dS k`, `dk = dS^T q`, `dv = P^T dy`.
fn head_grad(
    pool: &Pool,
    head: &Head,
    dy: Option<&Tensor>,
    dmap: Option<&Tensor>,
    saved: &SavedAttend<Tensor>,
    how: &How,
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let Span { query, key, .. } = head.span;
    let SavedAttend { q, kv, map } = saved;
    let mut panels = pool.take(head.packed_len());
    let anew = map.is_none().then(|| probabilities(pool, head, q, kv.as_ref(), &mut panels));
    let map = match (map, &anew) {
        (Some(map), _) => &map.data()[head.map..][..head.span.area()],
        (None, anew) => anew.as_deref().unwrap_or_default(),
    };
    let mut dp = pool.take(head.span.area());
    let [dq, dk, dv] = [dq, dk, dv].map(|rows| head.part_mut(rows));
    if let Some(dy) = dy {
        let v = head.right_transposed(&kv.v, key, &mut panels);
        gemm::product(head.left(dy, query), v, &mut dp, key.len, query.len, Start::Zero);
        let weights = head.weights(pool, how, map);
        let left = Left::Columns { data: weights.as_deref().unwrap_or(map), stride: key.len };
        let right = head.right(dy, query, &mut panels);
        gemm::product(left, right, dv, head.width, key.len, Start::Zero);
        if let Some(mask) = how.mask {
            head.drop(mask, &mut dp);
        }
    } else {
        dp.fill(0.0);
        dv.chunks_mut(head.width).for_each(|row| row[..head.size].fill(0.0));
    }
    vectorised(
        #[inline(always)]
        || {
            if let Some(dmap) = dmap {
                rows::axpy(1.0, &dmap.data()[head.map..][..dp.len()], &mut dp);
            }
            head.normalise_grad(map, &mut dp);
        },
    );
    how.operands.round(&mut dp);
    let k = head.right(&kv.k, key, &mut panels);
    let left = Left::Rows { data: &dp, stride: key.len };
    gemm::product(left, k, dq, head.width, query.len, Start::Zero);
    let q = head.right(q, query, &mut panels);
    let left = Left::Columns { data: &dp, stride: key.len };
    gemm::product(left, q, dk, head.width, key.len, Start::Zero);
}

/// The spans of the sentences of a grid.
pub fn spans(grid: &Grid<Arc<[u32]>>) -> Vec<Span> {
    let spans: Vec<Span> = Span::all(&grid.spans).collect();
    assert_eq!(spans.len(), grid.sentences, "a grid's spans");
    spans
}

/// Splits `data` into the rows of each run. Rows between the runs are set to 0.
pub fn split(
    mut data: &mut [f32],
    runs: impl Iterator<Item = Run>,
    width: usize,
) -> Vec<&mut [f32]> {
    let mut at = 0;
    let mut out = Vec::with_capacity(runs.size_hint().0);
    for run in runs {
        let gap = run.start.checked_sub(at).expect("a grid's rows in order");
        let (skipped, rest) = data.split_at_mut(gap * width);
        skipped.fill(0.0);
        let (rows, rest) = rest.split_at_mut(run.len * width);
        out.push(rows);
        (data, at) = (rest, run.start + run.len);
    }
    data.fill(0.0);
    out
}

/// Splits maps `[channels, A]` into one block for each sentence.
pub fn blocks<'a>(mut map: &'a mut [f32], spans: &[Span], channels: usize) -> Vec<&'a mut [f32]> {
    let block = |span: &Span| {
        let (block, rest) = std::mem::take(&mut map).split_at_mut(channels * span.area());
        map = rest;
        block
    };
    spans.iter().map(block).collect()
}

fn check(q: &Tensor, k: &Tensor, v: &Tensor, grid: &Grid<Arc<[u32]>>, how: Attend) -> usize {
    let width = q.shape().cols();
    assert!(how.heads > 0 && width.is_multiple_of(how.heads), "{} heads, q {}", how.heads, width);
    assert!(
        k.shape() == v.shape() && k.shape().cols() == width,
        "k {}, v {}",
        k.shape(),
        v.shape()
    );
    let fits = q.shape().rows() >= grid.queries && k.shape().rows() >= grid.keys;
    assert!(fits, "a grid of {} x {}, q {}", grid.queries, grid.keys, q.shape());
    width
}
