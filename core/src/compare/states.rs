//! Differences of hidden states.

use crate::backend::{StateForm, StateLoss};
use crate::batch::Run;
use crate::math::sqrt;
use crate::rows::{axpy, dot, softmax};
use alloc::vec;
use alloc::vec::Vec;

/// The smallest length that a row is divided by, as in PyTorch. A shorter row has no gradient.
pub const SHORTEST: f32 = 1e-12;

/// Hidden states of student and teacher, with the rows of all sentences.
pub struct States<'a> {
    /// `[N, D]`
    pub student: &'a [f32],
    /// `[N, Dt]` each.
    pub teacher: &'a [&'a [f32]],
    /// D
    pub width: usize,
    /// Dt
    pub teacher_width: usize,
}

/// The sum of the differences of the rows of one sentence, or the difference of their means. Writes `how.weight` times
/// its gradient to `gradient`, the sentence's rows of the student; rows of padding become 0.
#[inline(always)]
pub fn states(of: &States<'_>, run: Run, how: StateLoss, mut gradient: Option<&mut [f32]>) -> f64 {
    if let Some(gradient) = gradient.as_deref_mut() {
        gradient.fill(0.0);
    }
    let (width, wide, rows) = (of.width, of.teacher_width, run.start..run.start + run.valid);
    let mut row = Row { how, work: vec![0.0; width], weights: vec![0.0; of.teacher.len()] };
    if how.pooled && run.valid > 0 {
        let own = mean(&of.student[rows.start * width..rows.end * width], width);
        let theirs = of.teacher.iter().map(|t| mean(&t[rows.start * wide..rows.end * wide], wide));
        let theirs: Vec<_> = theirs.collect();
        let theirs: Vec<&[f32]> = theirs.iter().map(Vec::as_slice).collect();
        let value = row.compare(&own, &theirs);
        let (share, spread) = (1.0 / run.valid as f32, gradient.into_iter());
        spread.flat_map(|g| g.chunks_exact_mut(width)).take(run.valid).for_each(
            #[inline(always)]
            |g| axpy(share, &row.work, g),
        );
        return f64::from(value);
    }
    let (mut sum, mut theirs) = (0.0, Vec::with_capacity(of.teacher.len()));
    for (i, n) in rows.enumerate() {
        theirs.clear();
        theirs.extend(of.teacher.iter().map(|t| &t[n * wide..][..wide]));
        sum += f64::from(row.compare(&of.student[n * width..][..width], &theirs));
        if let Some(gradient) = gradient.as_deref_mut() {
            gradient[i * width..][..width].copy_from_slice(&row.work);
        }
    }
    sum
}

/// The mean of rows.
#[inline(always)]
fn mean(x: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    let share = width as f32 / x.len() as f32;
    x.chunks_exact(width).for_each(
        #[inline(always)]
        |x| axpy(share, x, &mut mean),
    );
    mean
}

/// The comparison of one row.
struct Row {
    how: StateLoss,
    /// D: the row's weighted gradient.
    work: Vec<f32>,
    /// The shares of the teacher's rows in a mixture.
    weights: Vec<f32>,
}

impl Row {
    /// The difference of `s` from the teacher's rows; `work` becomes its weighted gradient.
    #[inline(always)]
    fn compare(&mut self, s: &[f32], theirs: &[&[f32]]) -> f32 {
        match self.how.form {
            StateForm::Direction => self.direction(s, theirs),
            StateForm::Square => self.square(s, theirs),
            StateForm::Mixture { scale, detached } => self.mixture(s, theirs, scale, detached),
        }
    }

    /// `e = a s - b t`, where `t` is the concatenation of the teacher's rows.
    #[inline(always)]
    fn subtract(&mut self, a: f32, s: &[f32], b: f32, theirs: &[&[f32]]) {
        self.work.iter_mut().zip(s).for_each(|(e, s)| *e = a * s);
        let mut rest = &mut self.work[..];
        for t in theirs {
            let (part, after) = rest.split_at_mut(t.len());
            axpy(-b, t, part);
            rest = after;
        }
    }

    /// `|e|^2`, `e = s / |s| - t / |t|`; its gradient is `2 (e - s (s . e) / |s|^2) / |s|`.
    #[inline(always)]
    fn direction(&mut self, s: &[f32], theirs: &[&[f32]]) -> f32 {
        let squares = theirs.iter().map(|t| dot(t, t)).sum();
        let (length, other) = (sqrt(dot(s, s)), sqrt(squares).max(SHORTEST));
        let own = 1.0 / length.max(SHORTEST);
        self.subtract(own, s, 1.0 / other, theirs);
        let (value, along) = (dot(&self.work, &self.work), own * dot(s, &self.work));
        let factor = if length < SHORTEST { 0.0 } else { 2.0 * self.how.weight * own };
        for (e, s) in self.work.iter_mut().zip(s) {
            *e = factor * (*e - s * own * along);
        }
        value
    }

    /// `|e|^2`, `e = s - t`; its gradient is `2 e`.
    #[inline(always)]
    fn square(&mut self, s: &[f32], theirs: &[&[f32]]) -> f32 {
        self.subtract(1.0, s, 1.0, theirs);
        let value = dot(&self.work, &self.work);
        self.work.iter_mut().for_each(|e| *e *= 2.0 * self.how.weight);
        value
    }

    /// `|e|^2`, `e = s - sum_i a_i t_i`, `a = softmax(scale s . t_i)`; its gradient is
    /// `2 e - 2 scale sum_i a_i (e . t_i - sum_j a_j e . t_j) t_i`, where the sum is that through `a`.
    #[inline(always)]
    fn mixture(&mut self, s: &[f32], theirs: &[&[f32]], scale: f32, detached: bool) -> f32 {
        self.weights.iter_mut().zip(theirs).for_each(|(a, t)| *a = scale * dot(s, t));
        softmax(&mut self.weights);
        self.work.copy_from_slice(s);
        for (a, t) in self.weights.iter().zip(theirs) {
            axpy(-a, t, &mut self.work);
        }
        let value = dot(&self.work, &self.work);
        let along: Vec<f32> = theirs.iter().map(|t| dot(&self.work, t)).collect();
        let mean = dot(&along, &self.weights);
        let factor = 2.0 * self.how.weight;
        self.work.iter_mut().for_each(|e| *e *= factor);
        if !detached {
            for ((a, u), t) in self.weights.iter().zip(&along).zip(theirs) {
                axpy(-factor * scale * a * (u - mean), t, &mut self.work);
            }
        }
        value
    }
}
