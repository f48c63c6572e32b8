//! Updates whose numbers are still on the device. A read stalls the host, so several updates are read together.

use crate::train::ranks::Ranks;
use a2d_core::backend::Train;
use a2d_core::kd::{Counts, Losses, Reports, elements};
use a2d_system::error::Result;

/// The numbers of an update.
pub struct Update {
    /// The losses over all its batches.
    pub losses: Losses,
    /// Sentence and token counts.
    pub counts: Counts,
    /// The norm of the gradient, before clipping.
    pub gradient_norm: f64,
}

/// A finished update whose numbers are not yet read.
pub struct Unread<T> {
    /// Sentence and token counts.
    pub(super) counts: Counts,
    /// The losses of the batches.
    pub(super) reports: Reports<T>,
    /// Norm of the gradient before clipping, `[1]`.
    pub(super) gradient_norm: T,
}

impl<T> Unread<T> {
    /// Reads the numbers of all `updates` with one device synchronisation.
    ///
    /// # Errors
    ///
    /// The device was lost.
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

    /// [`Unread::read`] of updates computed by all ranks, with losses summed over the ranks.
    ///
    /// # Errors
    ///
    /// The device was lost.
    pub(super) fn read_over<'a, B: Train<Tensor = T>>(
        b: &mut B,
        updates: impl IntoIterator<Item = &'a Self> + Clone,
        ranks: &Ranks,
    ) -> Result<Vec<Update>>
    where
        T: 'a,
    {
        let mut updates = Self::read(b, updates)?;
        let numbers = |update: &Update| update.losses.named().map(|(_, x)| x).collect::<Vec<_>>();
        let all = ranks.total(updates.iter().flat_map(numbers).collect());
        let mut rest = &all[..];
        for update in &mut updates {
            let (own, after) = rest.split_at(update.losses.named().len());
            update.losses = update.losses.with(own);
            rest = after;
        }
        Ok(updates)
    }

    fn tensors(&self) -> impl Iterator<Item = &T> {
        self.reports.parts().chain([&self.gradient_norm])
    }

    /// Takes the update's numbers from `elements`, in the order of its tensors.
    fn take(&self, elements: &mut impl Iterator<Item = f32>) -> Update {
        let losses = self.reports.losses(elements);
        let gradient_norm = f64::from(elements.next().unwrap_or(f32::NAN));
        Update { losses, counts: self.counts, gradient_norm }
    }
}
