//! Loss values: as tensors on the backend, and as named numbers.

use super::inputs::Counted;
use super::rdrop::RDrop;
use crate::backend::{Lost, Train};
use alloc::vec::Vec;

/// The terms of a loss by name, in nats, in the order of logging. The terms of the method are already weighted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses(Vec<(&'static str, f64)>);

impl Losses {
    /// Name and value of each term: `loss` (the weighted sum), `ce` (label-smoothed cross-entropy), `kd` (word-level
    /// distillation), the terms of the method, `nll` and `teacher_nll` (negative log-likelihoods).
    pub fn named(&self) -> impl ExactSizeIterator<Item = (&'static str, f64)> {
        self.0.iter().copied()
    }

    /// The term called `name`; 0 if there is no such term.
    pub fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(own, _)| *own == name).map_or(0.0, |(_, value)| *value)
    }

    /// The same terms with new values, in order.
    pub fn with(&self, values: &[f64]) -> Self {
        Self(self.0.iter().zip(values).map(|((name, _), value)| (*name, *value)).collect())
    }

    /// The terms called `names`, each 0.
    pub(super) fn zeros(names: impl Iterator<Item = &'static str>) -> Self {
        Self(names.map(|name| (name, 0.0)).collect())
    }

    /// Adds `weight * value` to the term called `name`.
    fn add(&mut self, name: &str, value: f64, weight: f64) {
        if let Some((_, sum)) = self.0.iter_mut().find(|(own, _)| *own == name) {
            *sum += weight * value;
        }
    }
}

/// The loss of one part of an update, as tensors on the backend. [`Reports::read`] reads several of them.
pub struct Report<T> {
    /// The values of `Train::token_loss`.
    pub(super) tokens: T,
    /// The same values for the agreement of two passes, of which `kd` counts, and its weight.
    pub(super) agreement: Option<(T, f64)>,
    /// The terms of the method.
    pub(super) terms: Vec<Counted<T>>,
    /// The weight of the teacher's word distribution; 0 without a teacher.
    pub(super) alpha: f64,
    /// The factor of `kd` minus the teacher's entropy; `None` if `kd` is a cross-entropy.
    pub(super) divergence: Option<f64>,
    /// The factor of sums over tokens.
    pub(super) per_token: f64,
}

impl<T> Report<T> {
    /// The tensors that hold the values.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        let words = [&self.tokens].into_iter().chain(self.agreement.iter().map(|(x, _)| x));
        words.chain(self.terms.iter().map(|term| &term.sum))
    }

    /// Adds `weight` times each term to `sums`, from the elements of [`Report::parts`] one tensor after the other.
    fn add_to(&self, sums: &mut Losses, weight: f64, elements: &mut impl Iterator<Item = f32>) {
        let mut next = || f64::from(elements.next().unwrap_or(f32::NAN));
        let [ce, kd, nll, teacher_nll, entropy] = core::array::from_fn(|_| next() * self.per_token);
        let kd = match self.divergence {
            None => kd,
            Some(factor) => factor * (kd - entropy),
        };
        let mut own = 0.0;
        if let Some((_, factor)) = self.agreement {
            let values: [f64; 5] = core::array::from_fn(|_| next());
            own += factor * values[1];
            sums.add(RDrop::NAMES[0].name, own, weight);
        }
        for term in &self.terms {
            let value = term.weight * next();
            sums.add(term.name, value, weight);
            own += value;
        }
        let loss = (1.0 - self.alpha) * ce + self.alpha * kd + own;
        let words = [("loss", loss), ("ce", ce), ("kd", kd)];
        for (name, value) in words.into_iter().chain([("nll", nll), ("teacher_nll", teacher_nll)]) {
            sums.add(name, value, weight);
        }
    }
}

/// The losses of the parts of an update.
pub struct Reports<T> {
    /// Every term, each 0.
    zeros: Losses,
    each: Vec<(Report<T>, f64)>,
}

impl<T> Reports<T> {
    /// An empty list, whose sum has the terms of `zeros`.
    pub(super) fn new(zeros: Losses) -> Self {
        Self { zeros, each: Vec::new() }
    }

    /// Adds a report with a weight.
    pub fn push(&mut self, report: Report<T>, weight: f64) {
        self.each.push((report, weight));
    }

    /// The tensors that hold the values of all reports.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        self.each.iter().flat_map(|(report, _)| report.parts())
    }

    /// The weighted sum of all reports, from the elements of [`Reports::parts`] one tensor after the other.
    pub fn losses(&self, elements: &mut impl Iterator<Item = f32>) -> Losses {
        let mut sums = self.zeros.clone();
        for (report, weight) in &self.each {
            report.add_to(&mut sums, *weight, elements);
        }
        sums
    }

    /// [`Reports::losses`], read with one device synchronisation.
    ///
    /// # Errors
    ///
    /// The device was lost.
    pub fn read<B: Train<Tensor = T>>(&self, b: &mut B) -> Result<Losses, Lost> {
        let parts: Vec<_> = self.parts().collect();
        Ok(self.losses(&mut elements(b, &parts)?.into_iter()))
    }
}

/// The elements of `tensors`, one tensor after the other, read with one device synchronisation.
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
