//! Loss values, named.

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
