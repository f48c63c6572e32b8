//! Handling of a NaN loss: retry from the last good checkpoint, or stop.

use super::trainer::Trainer;
use a2d_core::backend::Train;
use a2d_run::config::OnNan;
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use serde_json::json;

/// Largest number of retries. If halving the learning rate this often does not help, the rate is not the cause.
const MOST_RETRIES: u32 = 8;

impl<B: Train> Trainer<'_, B> {
    /// Checks that `x`, computed by the current model, is finite: neither NaN nor infinite.
    pub(super) fn check_number(&mut self, what: &str, x: f64) -> Result<()> {
        if x.is_finite() {
            return Ok(());
        }
        let (update, lr) = (self.progress.update, self.rate());
        Err(self.not_a_number(&format!("{what} after update {update}"), x, lr))
    }

    /// The error for a value `x` that is NaN or infinite.
    pub(super) fn not_a_number(&mut self, what: &str, x: f64, lr: f64) -> Error {
        self.spoilt = true;
        let last = self.job.dir.last();
        let good = match self.saved.0 {
            Some(update) => {
                format!("the last good checkpoint is {} (update {update})", last.display())
            }
            None => "no checkpoint was saved yet".to_owned(),
        };
        let label = self.job.label;
        Error::failed(format!(
            "{label}: the {what} is {x} (lr {lr:.2e}); {good}; \
             try a lower `lr`, a `clip_norm`, or --on-nan retry"
        ))
    }

    /// Returns to the last good checkpoint, or to the start if there is none, and halves the learning rate, if `on_nan`
    /// is `retry`.
    ///
    /// # Errors
    ///
    /// `why`, if `on_nan` is `stop` or there were too many retries.
    pub(super) fn retry(&mut self, b: &mut B, display: &mut Display, why: Error) -> Result<()> {
        let retries = self.progress.retries + 1;
        if self.job.run.train.on_nan == OnNan::Stop || retries > MOST_RETRIES {
            let (update, seconds) = (self.progress.update, self.seconds);
            let event = json!({
                "update": update, "event": "failed", "why": why.to_string(), "seconds": seconds,
            });
            // The error is returned even if the log cannot be written.
            let _ = self.log.write(&event);
            return Err(self.job.ranks.alike(why));
        }
        self.go_back(b)?;
        self.progress.retries = retries;
        self.spoilt = false;
        let (update, rate) = (self.progress.update, 0.5f64.powi(retries as i32));
        display.line(&format!("{why}"));
        let label = self.job.label;
        display.line(&format!("{label}: goes on from update {update} with {rate} of the rate"));
        self.log.write(&json!({
            "update": update, "event": "rolled back", "why": why.to_string(), "lr_scale": rate,
            "seconds": self.seconds,
        }))
    }
}
