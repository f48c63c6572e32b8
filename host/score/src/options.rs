//! The metrics by name, and their settings.

use super::{Accuracy, Bleu, Chrf, Metric, Ter};
use a2d_system::error::{Error, Result};

/// The metric names that `--metrics` accepts.
pub const METRICS: [&str; 5] = ["bleu", "chrf", "chrf++", "ter", "accuracy"];

/// The settings of all metrics. The defaults are sacreBLEU's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MetricOptions {
    /// Settings of `bleu`.
    pub bleu: Bleu,
    /// Settings of `chrf`, and of `chrf++` except its word n-grams of up to two words.
    pub chrf: Chrf,
    /// Settings of `ter`.
    pub ter: Ter,
}

impl MetricOptions {
    /// The metrics with these names.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for an unknown name or an empty list.
    pub fn metrics(&self, names: &[String]) -> Result<Vec<Box<dyn Metric>>> {
        if names.is_empty() {
            return Err(Error::misuse(format!("no metric; known are {}", METRICS.join(", "))));
        }
        names.iter().map(|name| self.metric(name)).collect()
    }

    fn metric(&self, name: &str) -> Result<Box<dyn Metric>> {
        match name {
            "bleu" => Ok(Box::new(self.bleu)),
            "chrf" => Ok(Box::new(self.chrf)),
            "chrf++" => Ok(Box::new(Chrf { word_order: 2, ..self.chrf })),
            "ter" => Ok(Box::new(self.ter)),
            "accuracy" => Ok(Box::new(Accuracy)),
            _ => Err(Error::misuse(format!(
                "unknown metric `{name}`; known are {}",
                METRICS.join(", ")
            ))),
        }
    }
}
