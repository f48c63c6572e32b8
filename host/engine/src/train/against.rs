//! A student against the one trained alone: the difference in BLEU, and whether it is more than chance.

use a2d_score::significance::{RESAMPLES, SEED, paired_bootstrap};
use a2d_score::{Bleu, Table, Watch, signature};
use a2d_system::error::Result;
use serde_json::{Value, json};

/// The result of a paired bootstrap.
pub(super) struct Against {
    /// BLEU less that of the baseline.
    pub difference: f64,
    /// The probability of such a difference by chance; `None` if no line's statistics differ.
    pub p_value: Option<f64>,
    signature: String,
}

impl Against {
    /// Compares translations with those of a baseline.
    ///
    /// # Errors
    ///
    /// Misuse: the numbers of lines differ.
    pub fn of(
        bleu: &Bleu,
        lines: &[String],
        baseline: &[String],
        references: &[Vec<String>],
    ) -> Result<Self> {
        let table = |lines| Table::of(bleu, lines, references);
        let tables = [table(baseline)?, table(lines)?];
        let outcomes = paired_bootstrap(bleu, &tables, RESAMPLES, SEED, Watch::Nobody)?;
        let alike = tables[0] == tables[1];
        let test = format!("bs:{RESAMPLES}|seed:{SEED}|");
        Ok(Self {
            difference: outcomes[1].score - outcomes[0].score,
            p_value: outcomes[1].p_value.filter(|_| !alike),
            signature: signature(bleu, references.len(), &test),
        })
    }

    /// Whether the difference is more than chance.
    pub fn is_significant(&self) -> bool {
        self.p_value.is_some_and(|p| p < 0.05)
    }

    /// For `scores.json`.
    pub fn json(&self) -> Value {
        json!({
            "run": "alone",
            "difference": self.difference,
            "p_value": self.p_value,
            "signature": self.signature,
        })
    }

    /// In words.
    pub fn told(&self) -> String {
        let significance = match self.p_value {
            None => "no line differs".to_owned(),
            Some(p) => {
                let not = if self.is_significant() { "" } else { "not " };
                format!("p = {p:.3} by paired bootstrap, {not}significant")
            }
        };
        format!("{:+.2} BLEU, {significance}", self.difference)
    }
}
