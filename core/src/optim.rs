//! Adam's settings and the learning rate schedule, as in fairseq.

/// fairseq's Adam. Weight decay is decoupled, multiplied by the learning rate, and applied to every parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to `sqrt(v)`, outside the bias correction.
    pub eps: f32,
    /// `p -= weight_decay * lr * p`
    pub weight_decay: f32,
    /// Gradients with a larger norm are scaled down to this norm; 0: no clipping.
    pub clip_norm: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 1e-4, clip_norm: 0.0 }
    }
}

/// One step: `g = scale * gradient` (clipped), `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `p = p - decay p - rate m / (sqrt(v) + eps)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Adam's settings.
    pub adam: Adam,
    /// `weight_decay * lr`
    pub decay: f32,
    /// `lr sqrt(1 - beta2^t) / (1 - beta1^t)`
    pub rate: f32,
    /// Multiplies every gradient.
    pub scale: f32,
}

impl Adam {
    /// Step number `t` (from 1) at learning rate `lr`; gradients are multiplied by `scale`.
    pub fn step(&self, t: u64, lr: f64, scale: f32) -> AdamStep {
        let power = |beta: f32| libm::pow(f64::from(beta), t as f64);
        let rate = lr * libm::sqrt(1.0 - power(self.beta2)) / (1.0 - power(self.beta1));
        AdamStep {
            adam: *self,
            decay: (f64::from(self.weight_decay) * lr) as f32,
            rate: rate as f32,
            scale,
        }
    }
}

/// Linear warm-up, then the inverse square root of the number of updates (fairseq's `inverse_sqrt`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseSqrt {
    /// The highest learning rate.
    pub lr: f64,
    /// Updates until the highest rate is reached.
    pub warmup_updates: u64,
    /// The learning rate of the first update.
    pub warmup_init_lr: f64,
}

impl InverseSqrt {
    /// The learning rate of the update that follows `done` updates.
    pub fn rate(&self, done: u64) -> f64 {
        if done < self.warmup_updates {
            let share = done as f64 / self.warmup_updates as f64;
            return self.warmup_init_lr + share * (self.lr - self.warmup_init_lr);
        }
        let warmup = self.warmup_updates.max(1) as f64;
        self.lr * libm::sqrt(warmup / done.max(1) as f64)
    }
}
