//! Updates whose numbers are still on the device: reading them makes the host wait, so that they are read together.

use crate::train::ranks::Ranks;
use a2d_core::backend::Train;
use a2d_core::kd::{Counts, Losses, Report, elements};
use a2d_system::error::Result;

/// What an update came to.
pub struct Update {
    /// The losses over all its batches.
    pub losses: Losses,
    /// What it was made of.
    pub counts: Counts,
    /// The norm of the gradient, before clipping.
    pub gradient_norm: f64,
}

/// An update that was done, and whose numbers nobody has seen yet.
pub struct Unread<T> {
    /// What it was made of.
    pub(super) counts: Counts,
    /// Of each batch, and what it counts for.
    pub(super) reports: Vec<(Report<T>, f64)>,
    /// `[1]`
    pub(super) gradient_norm: T,
}

impl<T> Unread<T> {
    /// What the updates came to, read all at once.
    ///
    /// Errors: the device was lost.
    pub fn read<'a, B: Train<Tensor = T>>(
        b: &mut B,
        updates: impl IntoIterator<Item = &'a Self> + Clone,
    ) -> Result<Vec<Update>>
    where
        T: 'a,
    {
        let tensors: Vec<_> = updates.clone().into_iter().flat_map(Self::tensors).collect();
        let elements = elements(b, &tensors)?;
        let mut elements = elements.into_iter();
        Ok(updates.into_iter().map(|update| update.take(&mut elements)).collect())
    }

    /// [`Unread::read`] of what all ranks have computed together.
    ///
    /// Errors: the device was lost.
    pub(super) fn read_over<'a, B: Train<Tensor = T>>(
        b: &mut B,
        updates: impl IntoIterator<Item = &'a Self> + Clone,
        ranks: &Ranks,
    ) -> Result<Vec<Update>>
    where
        T: 'a,
    {
        let mut updates = Self::read(b, updates)?;
        let own = updates.iter().flat_map(|update| numbers(&update.losses)).collect();
        let all = ranks.total(own);
        for (update, losses) in updates.iter_mut().zip(all.as_chunks().0) {
            update.losses = losses_of(*losses);
        }
        Ok(updates)
    }

    fn tensors(&self) -> impl Iterator<Item = &T> {
        let reports = self.reports.iter().flat_map(|(report, _)| report.parts());
        reports.chain([&self.gradient_norm])
    }

    /// The numbers of its tensors from `elements`, in their order.
    fn take(&self, elements: &mut impl Iterator<Item = f32>) -> Update {
        let losses = weighed(&self.reports, elements);
        let gradient_norm = f64::from(elements.next().unwrap_or(f32::NAN));
        Update { losses, counts: self.counts, gradient_norm }
    }
}

/// The sum of what the reports say, each times its weight, read all at once.
///
/// Errors: the device was lost.
pub(super) fn sum<B: Train>(b: &mut B, reports: &[(Report<B::Tensor>, f64)]) -> Result<Losses> {
    let tensors: Vec<_> = reports.iter().flat_map(|(report, _)| report.parts()).collect();
    let elements = elements(b, &tensors)?;
    Ok(weighed(reports, &mut elements.into_iter()))
}

fn numbers(losses: &Losses) -> [f64; 8] {
    losses.named().map(|(_, x)| x)
}

/// The inverse of [`numbers`].
fn losses_of([loss, ce, kd, encoder, decoder, cross, nll, teacher_nll]: [f64; 8]) -> Losses {
    Losses { loss, ce, kd, encoder, decoder, cross, nll, teacher_nll }
}

fn weighed<T>(reports: &[(Report<T>, f64)], elements: &mut impl Iterator<Item = f32>) -> Losses {
    let mut add = |sum: Losses, (report, weight): &(Report<T>, f64)| {
        sum.plus(&report.losses(elements), *weight)
    };
    reports.iter().fold(Losses::default(), &mut add)
}
