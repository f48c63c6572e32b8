//! Loss values: where the backend left them, and as named numbers.

use super::objective::{KdLoss, Objective};
use crate::backend::{Lost, Train};

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
    /// The terms as numbers.
    pub fn read<B: Train<Tensor = T>>(&self, b: &mut B) -> Result<Losses, Lost> {
        let mut sums = [0.0; 5];
        b.read(&self.tokens, &mut sums)?;
        let [ce, kd, nll, teacher_nll, entropy] = sums.map(|s| f64::from(s) * self.per_token);
        let kd = match self.objective.kd_loss {
            KdLoss::CrossEntropy => kd,
            KdLoss::KlTau2 => self.objective.kd_factor() * (kd - entropy),
        };
        let mut maps = [0.0; 3];
        for (out, map) in maps.iter_mut().zip(&self.maps) {
            if let Some((value, weight)) = map {
                let mut sum = [0.0];
                b.read(value, &mut sum)?;
                *out = weight * f64::from(sum[0]);
            }
        }
        let alpha = f64::from(self.objective.alpha);
        Ok(Losses {
            loss: (1.0 - alpha) * ce + alpha * kd + maps.iter().sum::<f64>(),
            ce,
            kd,
            encoder: maps[0],
            decoder: maps[1],
            cross: maps[2],
            nll,
            teacher_nll,
        })
    }
}
