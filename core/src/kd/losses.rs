//! Loss values: where the backend left them, and as named numbers.

use super::inputs::Counted;
use crate::backend::{Lost, Train};
use alloc::vec::Vec;

/// The terms of a loss by name, in nats, in the order in which they are logged. Terms beside the words' are already
/// weighted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses(Vec<(&'static str, f64)>);

impl Losses {
    /// Each term with the name under which it is logged: `loss` (all together), `ce` (label-smoothed cross-entropy),
    /// `kd` (word-level distillation), those of the method, `nll` and `teacher_nll` (negative log-likelihoods).
    pub fn named(&self) -> impl ExactSizeIterator<Item = (&'static str, f64)> {
        self.0.iter().copied()
    }

    /// The term of this name; 0 where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(own, _)| *own == name).map_or(0.0, |(_, value)| *value)
    }

    /// The same terms with these values, in order.
    pub fn with(&self, values: &[f64]) -> Self {
        Self(self.0.iter().zip(values).map(|((name, _), value)| (*name, *value)).collect())
    }

    /// The terms of these names, 0 each.
    pub(super) fn zeros(names: impl Iterator<Item = &'static str>) -> Self {
        Self(names.map(|name| (name, 0.0)).collect())
    }

    /// Adds `weight * other`, which has the same terms: for averages over batches and updates.
    pub fn add(&mut self, other: &Self, weight: f64) {
        for ((_, sum), (_, value)) in self.0.iter_mut().zip(&other.0) {
            *sum += weight * value;
        }
    }
}

/// The loss of one part of an update, where the backend left it; [`Reports::read`] brings several home.
pub struct Report<T> {
    /// As `Train::token_loss` gives them.
    pub(super) tokens: T,
    /// Those beside the words'.
    pub(super) terms: Vec<Counted<T>>,
    /// The share of the teacher's words; 0 if there was no teacher.
    pub(super) alpha: f64,
    /// What `kd` less the teacher's entropy is multiplied by; none where it is a cross-entropy.
    pub(super) divergence: Option<f64>,
    /// What sums over tokens are multiplied by.
    pub(super) per_token: f64,
}

impl<T> Report<T> {
    /// The tensors that its numbers lie in.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        let terms = self.terms.iter().filter_map(|(_, term)| Some(&term.as_ref()?.0));
        [&self.tokens].into_iter().chain(terms)
    }

    /// The terms, taken from the elements of [`Report::parts`] one after the other.
    pub fn losses(&self, elements: &mut impl Iterator<Item = f32>) -> Losses {
        let mut next = || f64::from(elements.next().unwrap_or(f32::NAN));
        let [ce, kd, nll, teacher_nll, entropy] = core::array::from_fn(|_| next() * self.per_token);
        let kd = match self.divergence {
            None => kd,
            Some(factor) => factor * (kd - entropy),
        };
        let mut term = |(name, term): &Counted<T>| {
            let value = term.as_ref().map(|(_, weight)| weight * next());
            (*name, value.unwrap_or_default())
        };
        let terms: Vec<_> = self.terms.iter().map(&mut term).collect();
        let sum = terms.iter().map(|(_, value)| value).sum::<f64>();
        let loss = (1.0 - self.alpha) * ce + self.alpha * kd + sum;
        let words = [("loss", loss), ("ce", ce), ("kd", kd)];
        let likelihoods = [("nll", nll), ("teacher_nll", teacher_nll)];
        Losses(words.into_iter().chain(terms).chain(likelihoods).collect())
    }
}

/// The losses of the parts of an update.
pub struct Reports<T> {
    /// Of no part.
    zeros: Losses,
    each: Vec<(Report<T>, f64)>,
}

impl<T> Reports<T> {
    /// None yet; their sum has the terms of `zeros`.
    pub(super) fn new(zeros: Losses) -> Self {
        Self { zeros, each: Vec::new() }
    }

    /// One more, which counts for `weight`.
    pub fn push(&mut self, report: Report<T>, weight: f64) {
        self.each.push((report, weight));
    }

    /// The tensors that their numbers lie in.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        self.each.iter().flat_map(|(report, _)| report.parts())
    }

    /// The sum of all, each times its weight, taken from the elements of [`Reports::parts`] one after the other.
    pub fn losses(&self, elements: &mut impl Iterator<Item = f32>) -> Losses {
        let mut sum = self.zeros.clone();
        for (report, weight) in &self.each {
            sum.add(&report.losses(elements), *weight);
        }
        sum
    }

    /// [`Reports::losses`], read with one synchronisation.
    ///
    /// # Errors
    ///
    /// The device was lost.
    pub fn read<B: Train<Tensor = T>>(&self, b: &mut B) -> Result<Losses, Lost> {
        let parts: Vec<_> = self.parts().collect();
        Ok(self.losses(&mut elements(b, &parts)?.into_iter()))
    }
}

/// The elements of `tensors`, one tensor after the other, read together.
///
/// # Errors
///
/// The device was lost.
pub fn elements<B: Train>(b: &mut B, tensors: &[&B::Tensor]) -> Result<Vec<f32>, Lost> {
    let lengths: Vec<_> = tensors.iter().map(|x| b.shape(x).len()).collect();
    let mut all = alloc::vec![0.0; lengths.iter().sum()];
    let mut rest = &mut all[..];
    let mut places = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (place, after) = rest.split_at_mut(length);
        places.push(place);
        rest = after;
    }
    b.read_all(tensors, &mut places)?;
    Ok(all)
}
