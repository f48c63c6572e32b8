//! Loss values: where the backend left them, and as named numbers.

use super::objective::{KdLoss, Objective};
use crate::backend::{Lost, Train};
use alloc::vec::Vec;

/// The terms of a loss, in nats. Attention terms are already weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// All terms together.
    pub loss: f64,
    /// Label-smoothed cross-entropy.
    pub ce: f64,
    /// Word-level distillation.
    pub kd: f64,
    /// Encoder self-attention.
    pub encoder: f64,
    /// Decoder self-attention.
    pub decoder: f64,
    /// Cross-attention.
    pub cross: f64,
    /// The student's negative log-likelihood.
    pub nll: f64,
    /// The teacher's negative log-likelihood.
    pub teacher_nll: f64,
}

impl Losses {
    /// Each term with the name under which it is logged.
    pub fn named(&self) -> [(&'static str, f64); 8] {
        [
            ("loss", self.loss),
            ("ce", self.ce),
            ("kd", self.kd),
            ("kl_encoder", self.encoder),
            ("kl_decoder", self.decoder),
            ("kl_cross", self.cross),
            ("nll", self.nll),
            ("teacher_nll", self.teacher_nll),
        ]
    }

    /// `self + weight * other`: for averages over batches and updates.
    pub fn plus(&self, other: &Self, weight: f64) -> Self {
        Self {
            loss: self.loss + weight * other.loss,
            ce: self.ce + weight * other.ce,
            kd: self.kd + weight * other.kd,
            encoder: self.encoder + weight * other.encoder,
            decoder: self.decoder + weight * other.decoder,
            cross: self.cross + weight * other.cross,
            nll: self.nll + weight * other.nll,
            teacher_nll: self.teacher_nll + weight * other.teacher_nll,
        }
    }
}

/// Loss values where the backend left them; [`Report::read`] brings them home.
pub struct Report<T> {
    /// As `Train::token_loss` gives them.
    pub(super) tokens: T,
    /// Encoder, decoder, cross: the plain sum and its weight.
    pub(super) maps: [Option<(T, f64)>; 3],
    /// With an alpha of 0 if there was no teacher.
    pub(super) objective: Objective,
    /// What sums over tokens are multiplied by.
    pub(super) per_token: f64,
}

impl<T> Report<T> {
    /// The tensors that its numbers lie in.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        [&self.tokens].into_iter().chain(self.maps.iter().flatten().map(|(value, _)| value))
    }

    /// The terms, taken from the elements of [`Report::parts`] one after the other.
    pub fn losses(&self, elements: &mut impl Iterator<Item = f32>) -> Losses {
        let mut next = || f64::from(elements.next().unwrap_or(f32::NAN));
        let [ce, kd, nll, teacher_nll, entropy] = core::array::from_fn(|_| next() * self.per_token);
        let kd = match self.objective.kd_loss {
            KdLoss::CrossEntropy => kd,
            KdLoss::KlTau2 => self.objective.kd_factor() * (kd - entropy),
        };
        let map = |map: &Option<(T, f64)>| map.as_ref().map(|(_, weight)| weight * next());
        let maps = self.maps.each_ref().map(map).map(Option::unwrap_or_default);
        let alpha = f64::from(self.objective.alpha);
        Losses {
            loss: (1.0 - alpha) * ce + alpha * kd + maps.iter().sum::<f64>(),
            ce,
            kd,
            encoder: maps[0],
            decoder: maps[1],
            cross: maps[2],
            nll,
            teacher_nll,
        }
    }

    /// The terms as numbers.
    pub fn read<B: Train<Tensor = T>>(&self, b: &mut B) -> Result<Losses, Lost> {
        let parts: Vec<_> = self.parts().collect();
        Ok(self.losses(&mut elements(b, &parts)?.into_iter()))
    }
}

/// The elements of `tensors`, one tensor after the other, read together.
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
