//! Selection of the best model by validation scores.

use a2d_run::config::SelectBy;
use a2d_score::{Judge, judge};
use serde::{Deserialize, Serialize};

/// The validation scores of a model; `None` for a missing score. A BLEU or chrF of 0 decides nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Corpus BLEU.
    #[serde(rename = "best_bleu")]
    pub bleu: Option<f64>,
    /// Corpus chrF.
    #[serde(rename = "best_chrf")]
    pub chrf: Option<f64>,
    /// The validation loss.
    #[serde(rename = "best_loss")]
    pub loss: Option<f64>,
    /// The accuracy of a classifier.
    #[serde(rename = "best_accuracy", skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

impl Standing {
    /// The criterion for comparing two models: `wanted` if both have it, otherwise a fallback that both have.
    pub fn criterion(&self, other: &Self, wanted: SelectBy) -> SelectBy {
        let scores = |one: &Self| match wanted {
            SelectBy::Bleu => (one.bleu, one.chrf),
            SelectBy::Chrf => (None, one.chrf),
            SelectBy::Loss | SelectBy::Accuracy => (None, None),
        };
        if wanted == SelectBy::Accuracy {
            return wanted;
        }
        match judge(&[scores(self), scores(other)]) {
            Some(Judge::Bleu) => SelectBy::Bleu,
            Some(Judge::Chrf) => SelectBy::Chrf,
            None => SelectBy::Loss,
        }
    }

    /// The deciding score with its name.
    pub fn told(&self, wanted: SelectBy) -> String {
        let decides = self.criterion(self, wanted);
        let value = match decides {
            SelectBy::Bleu => self.bleu,
            SelectBy::Chrf => self.chrf,
            SelectBy::Loss => self.loss,
            SelectBy::Accuracy => self.accuracy,
        };
        let places = if decides == SelectBy::Loss { 4 } else { 2 };
        format!("{decides} {:.places$}", value.unwrap_or(0.0))
    }

    /// Whether this model is better than `other` by `criterion`, with ties decided by the lower loss.
    pub fn beats(&self, other: &Self, criterion: SelectBy) -> bool {
        let score = |one: &Self| match criterion {
            SelectBy::Bleu => one.bleu,
            SelectBy::Chrf => one.chrf,
            SelectBy::Loss => None,
            SelectBy::Accuracy => one.accuracy,
        };
        let lower = self.loss.is_some_and(|mine| other.loss.is_none_or(|theirs| mine < theirs));
        let (mine, theirs) = (score(self), score(other));
        mine > theirs || mine == theirs && lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bleu: f64, chrf: f64, loss: f64) -> Standing {
        Standing { bleu: Some(bleu), chrf: Some(chrf), loss: Some(loss), accuracy: None }
    }

    #[test]
    fn a_score_decides_where_it_says_something_of_both() {
        let cases = [
            // wanted, one, other, criterion, whether `one` is better
            (SelectBy::Bleu, of(20.0, 30.0, 2.0), of(19.0, 50.0, 1.0), SelectBy::Bleu, true),
            (SelectBy::Bleu, of(20.0, 30.0, 1.9), of(20.0, 50.0, 2.0), SelectBy::Bleu, true),
            (SelectBy::Bleu, of(20.0, 30.0, 2.0), of(20.0, 20.0, 2.0), SelectBy::Bleu, false),
            (SelectBy::Bleu, of(0.0, 50.0, 2.0), of(9.0, 40.0, 1.0), SelectBy::Chrf, true),
            (SelectBy::Bleu, of(0.0, 0.0, 2.0), of(9.0, 40.0, 3.0), SelectBy::Loss, true),
            (SelectBy::Chrf, of(9.0, 41.0, 2.0), of(10.0, 40.0, 1.0), SelectBy::Chrf, true),
            (SelectBy::Loss, of(9.0, 41.0, 2.0), of(10.0, 42.0, 2.1), SelectBy::Loss, true),
            (SelectBy::Loss, of(9.0, 41.0, 2.0), of(1.0, 1.0, 2.0), SelectBy::Loss, false),
        ];
        for (wanted, one, other, decides, better) in cases {
            assert_eq!(one.criterion(&other, wanted), decides, "{one:?} {other:?}");
            assert_eq!(one.beats(&other, decides), better, "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_best_of_an_older_checkpoint_is_known_by_its_bleu_alone() {
        let old: Standing = serde_json::from_str(r#"{"best_bleu": 20.0}"#).unwrap();
        let new = of(20.0, 50.0, 1.0);
        assert_eq!(new.criterion(&old, SelectBy::Bleu), SelectBy::Bleu);
        assert!(new.beats(&old, SelectBy::Bleu) && of(20.1, 1.0, 9.0).beats(&old, SelectBy::Bleu));
        assert!(!of(19.9, 60.0, 0.1).beats(&old, SelectBy::Bleu));
    }
}
