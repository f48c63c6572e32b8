//! Differences of relations: scaled products of the rows of a sentence, head by head.

use crate::backend::{RelationForm, RelationLoss};
use crate::batch::Span;
use crate::math::sqrt;
use crate::rows::{axpy, dot, map_divergence, visible};
use alloc::vec;
use core::iter::once;

/// The two sides of the products of one model, with the rows of all sentences.
#[derive(Clone, Copy)]
pub struct Relations<'a> {
    /// `[Nq, D]`
    pub left: &'a [f32],
    /// `[Nk, D]`
    pub right: &'a [f32],
    /// D
    pub width: usize,
    /// Relation heads: each is a block of columns.
    pub heads: usize,
}

impl<'a> Relations<'a> {
    /// The columns of head `h` in row `n` of `x`.
    #[inline(always)]
    fn row(&self, x: &'a [f32], n: usize, h: usize) -> &'a [f32] {
        let size = self.width / self.heads;
        &x[n * self.width + h * size..][..size]
    }

    /// The scaled products of query `i` of a sentence with its first keys.
    #[inline(always)]
    fn scores(&self, span: &Span, h: usize, i: usize, out: &mut [f32]) {
        let query = self.row(self.left, span.query.start + i, h);
        for (j, score) in out.iter_mut().enumerate() {
            *score = self.scale() * dot(query, self.row(self.right, span.key.start + j, h));
        }
    }

    fn scale(&self) -> f32 {
        1.0 / sqrt((self.width / self.heads) as f32)
    }
}

/// The differences of one sentence's relations, summed over heads and queries. The model with fewer heads repeats each
/// of its heads. Adds `how.weight` times the gradients to `gradients`: the sentence's rows of the student's left and
/// right side, which must begin as 0.
#[inline(always)]
pub fn relations(
    student: Relations<'_>,
    teacher: Relations<'_>,
    span: &Span,
    causal: bool,
    how: RelationLoss,
    mut gradients: Option<[&mut [f32]; 2]>,
) -> f64 {
    let heads = student.heads.max(teacher.heads);
    let [mut z, mut t, mut g] = [(); 3].map(|()| vec![0.0; span.key.valid]);
    let weight = match how.form {
        RelationForm::Divergence => how.weight / span.query.valid.max(1) as f32,
        RelationForm::Scores => how.weight,
    };
    let mut sum = 0.0;
    for head in 0..heads {
        let (own, theirs) = (head * student.heads / heads, head * teacher.heads / heads);
        for i in 0..span.query.valid {
            let seen = visible(causal, i, span.key.valid);
            let (z, t, g) = (&mut z[..seen], &mut t[..seen], &mut g[..seen]);
            student.scores(span, own, i, z);
            teacher.scores(span, theirs, i, t);
            sum += difference(z, t, how.form, weight, g);
            if let Some([left, right]) = &mut gradients {
                back(&student, span, own, i, g, [left, right]);
            }
        }
    }
    match how.form {
        RelationForm::Divergence => sum / span.query.valid.max(1) as f64,
        RelationForm::Scores => sum,
    }
}

/// The difference of one query's scores; `g` becomes its weighted gradient.
#[inline(always)]
fn difference(z: &[f32], t: &[f32], form: RelationForm, weight: f32, g: &mut [f32]) -> f64 {
    match form {
        RelationForm::Divergence => map_divergence(z, t, once(0..z.len()), false, weight, Some(g)),
        RelationForm::Scores => {
            g.iter_mut().zip(z).zip(t).for_each(|((g, z), t)| *g = z - t);
            let value = dot(g, g);
            g.iter_mut().for_each(|g| *g *= 2.0 * weight);
            f64::from(value)
        }
    }
}

/// Adds the gradients of both sides, from the gradient `g` of the scores of query `i`.
#[inline(always)]
fn back(
    of: &Relations<'_>,
    span: &Span,
    head: usize,
    i: usize,
    g: &[f32],
    [left, right]: [&mut [f32]; 2],
) {
    let (size, scale) = (of.width / of.heads, of.scale());
    let at = |n: usize| n * of.width + head * size;
    let query = of.row(of.left, span.query.start + i, head);
    for (j, g) in g.iter().enumerate() {
        let key = of.row(of.right, span.key.start + j, head);
        axpy(scale * g, key, &mut left[at(i)..][..size]);
        axpy(scale * g, query, &mut right[at(j)..][..size]);
    }
}
