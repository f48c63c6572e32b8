//! Attention, one query and one head at a time.

use super::memory::{Memory, Slot, Words};
use super::product::{mixed_dot, packed};
use super::slices;
use crate::backend::{Attend, Attended, Kv};
use crate::batch::{Grid, Run, Span};
use crate::math::Factor;
use crate::rows;
use crate::shape::Shape;

/// Keys or values, a row for each token.
#[derive(Clone, Copy)]
struct Rows<'s> {
    words: &'s [f32],
    /// Words of a row.
    stride: usize,
    /// Whether a row is bytes and a scale (otherwise floats).
    packed: bool,
}

impl<'s> Rows<'s> {
    fn new(slot: &Slot, words: &'s [f32]) -> Self {
        Self { words, stride: slot.stride(), packed: slot.packed() }
    }

    fn run(self, run: Run) -> Option<Self> {
        Some(Self { words: rows_of(self.words, run, self.stride)?, ..self })
    }

    fn iter(self) -> impl Iterator<Item = &'s [f32]> {
        slices::rows(self.words, self.stride)
    }
}

/// The inputs of the attention of one sentence.
struct Inputs<'s> {
    q: &'s [f32],
    k: Rows<'s>,
    v: Rows<'s>,
    /// D
    width: usize,
    heads: usize,
    causal: bool,
}

/// Attends, with the scores of one query and head in `scores`; the map, where wanted, lies above the context.
pub(super) fn attend(
    arena: &mut Memory<'_>,
    scores: &mut [f32],
    q: &Slot,
    kv: Kv<&Slot>,
    grid: &Grid<Words>,
    how: Attend,
) -> Option<Attended<Slot>> {
    let width = q.shape().cols();
    let fits = how.heads > 0 && width.is_multiple_of(how.heads) && width > 0;
    if !fits || kv.k.shape().cols() != width || kv.v.shape().cols() != width {
        return None;
    }
    let context = arena.tensor(q.shape())?;
    let map = match how.map {
        true => Some(arena.tensor(Shape::matrix(how.heads, grid.area))?),
        false => None,
    };
    let (below, above) = arena.split(&context)?;
    let (context_data, map_data) = above.split_at_mut_checked(context.shape().len())?;
    let (q, k, v) = (below.get(q)?, below.get(kv.k)?, below.get(kv.v)?);
    let (k, v) = (Rows::new(kv.k, k), Rows::new(kv.v, v));
    let inputs = Inputs { q, k, v, width, heads: how.heads, causal: grid.causal };
    let mut map_data = map.as_ref().map(|_| map_data);
    context_data.fill(0.0);
    let spans = below.integers(&grid.spans)?.as_chunks::<{ Span::WORDS }>().0;
    for span in spans {
        sentence(&inputs, Span::decode(span), scores, context_data, map_data.as_deref_mut())?;
    }
    Some(Attended { context, map })
}

/// The rows of `run` in `x`.
fn rows_of(x: &[f32], run: Run, width: usize) -> Option<&[f32]> {
    let end = run.start.checked_add(run.len)?.checked_mul(width)?;
    x.get(run.start.checked_mul(width)?..end)
}

fn sentence(
    of: &Inputs<'_>,
    span: Span,
    scores: &mut [f32],
    context: &mut [f32],
    mut map: Option<&mut [f32]>,
) -> Option<()> {
    let Span { query, key, before } = span;
    let q = rows_of(of.q, query, of.width)?;
    let kv = [of.k.run(key)?, of.v.run(key)?];
    let start = query.start.checked_mul(of.width)?;
    let context = context.get_mut(start..start.checked_add(q.len())?)?;
    let queries = slices::rows(q, of.width).zip(slices::rows_mut(context, of.width));
    for (i, (q, context)) in queries.enumerate() {
        let seen = rows::visible(of.causal, i, key.valid);
        for h in 0..of.heads {
            let row = scores.get_mut(..seen)?;
            head(of, h, q, kv, row, context)?;
            if let Some(map) = map.as_deref_mut() {
                let in_map = h.checked_mul(query.len)?.checked_add(i)?.checked_mul(key.len)?;
                let at = of.heads.checked_mul(before)?.checked_add(in_map)?;
                let to = map.get_mut(at..at.checked_add(key.len)?)?;
                to.fill(0.0);
                slices::copy(row, to.get_mut(..seen)?)?;
            }
        }
    }
    Some(())
}

/// One head of one query; `row` is overwritten by the probabilities of the visible keys.
fn head(
    of: &Inputs<'_>,
    h: usize,
    q: &[f32],
    [k, v]: [Rows<'_>; 2],
    row: &mut [f32],
    context: &mut [f32],
) -> Option<()> {
    let size = of.width.checked_div(of.heads)?;
    let part = h * size..(h + 1) * size;
    let scale = 1.0 / libm::sqrtf(size as f32);
    let q = q.get(part.clone())?;
    for (score, key) in row.iter_mut().zip(k.iter()) {
        *score = if k.packed {
            let (bytes, step) = packed(key)?;
            scale * (step * mixed_dot(q, bytes.get(part.clone())?))
        } else {
            scale * rows::dot(q, key.get(part.clone())?)
        };
    }
    rows::softmax(row);
    let context = context.get_mut(part.clone())?;
    for (p, value) in row.iter().zip(v.iter()) {
        if v.packed {
            let (bytes, step) = packed(value)?;
            let factor = Factor::new(p * step);
            let bytes = bytes.get(part.clone())?;
            context.iter_mut().zip(bytes).for_each(|(y, x)| *y += factor.times(*x));
        } else {
            rows::axpy(*p, value.get(part.clone())?, context);
        }
    }
    Some(())
}
