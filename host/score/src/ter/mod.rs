//! TER (Snover et al., 2006): the number of insertions, deletions, replacements and block shifts that turn a hypothesis
//! into its reference, per reference word.

mod edits;
mod shifts;

use super::ngrams::Numbers;
use super::tokenize::{Tercom, words};
use super::{Metric, Rounded, Rounding, case, yes_no};

/// TER in per cent and its settings. The defaults are those of sacreBLEU and `tercom`.
///
/// Lower is better, and the score can exceed 100. With several references, the fewest edits and the mean length count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ter {
    /// The normalisation before lines are split at white space.
    pub tercom: Tercom,
}

impl Ter {
    /// A reference with white space between words. sacreBLEU normalises references twice, which matters for `Tom's.`:
    /// `'s` is split only after the period is.
    fn reference(&self, line: &str) -> String {
        let once = self.tercom.space(line);
        if !self.tercom.normalized {
            return once;
        }
        self.tercom.space(&words(&once).collect::<Vec<_>>().join(" "))
    }
}

impl Metric for Ter {
    fn name(&self) -> String {
        "TER".into()
    }

    fn settings(&self) -> String {
        let Tercom { normalized, no_punct, asian_support, case_sensitive } = self.tercom;
        let (case, norm, punct) = (case(!case_sensitive), yes_no(normalized), yes_no(!no_punct));
        let asian = yes_no(asian_support);
        format!("case:{case}|tok:tercom|norm:{norm}|punct:{punct}|asian:{asian}")
    }

    /// The number of edits, and the mean length of the references.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let hypothesis = self.tercom.space(hypothesis);
        let references: Vec<_> = references.iter().map(|line| self.reference(line)).collect();
        let mut numbers = Numbers::default();
        let hypothesis = numbers.of(&hypothesis);
        let references: Vec<_> = references.iter().map(|line| numbers.of(line)).collect();
        let edits = references.iter().map(|reference| shifts::edits(&hypothesis, reference));
        let length: usize = references.iter().map(Vec::len).sum();
        vec![edits.min().unwrap_or(0) as f64, length as f64 / references.len() as f64]
    }

    fn rounded_score(&self, numbers: &[f64], rounding: Rounding) -> Rounded {
        let (edits, words) = (numbers[0], numbers[1]);
        if words > 0.0 {
            Rounded { value: rounding.of(100.0 * rounding.of(edits / words)), rounding }
        } else {
            // An empty reference: any word is an error.
            Rounded::double(if edits > 0.0 { 100.0 } else { 0.0 })
        }
    }
}
