//! Validation on held-out sentences.

use super::selection::Standing;
use super::{Job, learner};
use crate::translate::{SearchOptions, translate_lines};
use a2d_core::backend::Train;
use a2d_core::kd::{Counts, LossNorm, Objective, Terms};
use a2d_data::batches;
use a2d_run::model::Model;
use a2d_score::{Bleu, Quality};
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use std::fmt;

/// Losses and scores of a validation.
pub(super) struct Validation {
    /// Word loss per target token, without a teacher.
    pub loss: f64,
    /// Negative log-likelihood per target token.
    pub nll: f64,
    /// Scores of the translations; `None` without text.
    pub scores: Option<Scores>,
}

/// Scores of translations.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    /// Corpus BLEU.
    pub bleu: f64,
    /// Corpus chrF.
    pub chrf: f64,
    /// Whether BLEU is meaningful on this text: at least one reference has four words.
    pub bleu_judges: bool,
}

impl Validation {
    /// The scores used to compare validations.
    pub fn standing(&self) -> Standing {
        let bleu = self.scores.filter(|scores| scores.bleu_judges).map(|scores| scores.bleu);
        Standing { bleu, chrf: self.scores.map(|scores| scores.chrf), loss: Some(self.loss) }
    }
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "valid loss {:.4}, perplexity {:.2}", self.loss, self.nll.exp())?;
        match self.scores {
            Some(Scores { bleu, chrf, .. }) => write!(f, ", BLEU {bleu:.2}, chrF {chrf:.2}"),
            None => Ok(()),
        }
    }
}

/// Validates on rank 0 and sends the result to all ranks. The inner error is a signal that interrupted the validation.
pub(super) fn validate<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
    display: &Display,
) -> Result<Result<Validation, i32>> {
    let [signal, loss, nll, scored, bleu, chrf, judges] = job.ranks.found(|| {
        let [loss, nll] = losses(b, model, job, objective, usize::MAX)?;
        let unscored = |signal: i32| [f64::from(signal), loss, nll, 0.0, 0.0, 0.0, 0.0];
        if !loss.is_finite() {
            return Ok(unscored(0));
        }
        Ok(match scores(b, model, job, display) {
            Err(Error::Interrupted(signal)) => unscored(signal),
            scores => scores?.map_or(unscored(0), |Scores { bleu, chrf, bleu_judges }| {
                [0.0, loss, nll, 1.0, bleu, chrf, f64::from(u8::from(bleu_judges))]
            }),
        })
    })?;
    let scores = Scores { bleu, chrf, bleu_judges: judges == 1.0 };
    let found = Validation { loss, nll, scores: (scored == 1.0).then_some(scores) };
    Ok(if signal == 0.0 { Ok(found) } else { Err(signal as i32) })
}

/// The loss of one batch, to detect NaN.
pub(super) fn probe<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
) -> Result<f64> {
    let [loss] = job.ranks.found(|| Ok([losses(b, model, job, objective, 1)?[0]]))?;
    Ok(loss)
}

/// Loss and negative log-likelihood per target token over the first `most_batches` batches.
fn losses<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
    most_batches: usize,
) -> Result<[f64; 2]> {
    let corpus = &job.data.valid;
    let lengths = corpus.all_lengths();
    // The budget fits the longest sentence: the loss must cover all sentences.
    let longest = lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0);
    let cut = batches::fixed_batches(lengths, job.run.train.max_tokens.min(job.room).max(longest));
    let objective =
        Objective { terms: Terms::default(), alpha: 0.0, norm: LossNorm::Mean, ..*objective };
    let (mut reports, mut tokens) = (objective.reports(), 0);
    for rows in cut.batches.iter().take(most_batches) {
        let batch =
            learner::batch(b, &model.config.special, &learner::pairs(corpus, rows)?, &objective);
        let count = Counts::of(&batch).target_tokens;
        reports.push(objective.evaluate(b, &batch, model, None), count as f64);
        tokens += count;
    }
    let sum = reports.read(b)?;
    Ok(["loss", "nll"].map(|name| 1.0 / tokens.max(1) as f64 * sum.get(name)))
}

fn scores<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    display: &Display,
) -> Result<Option<Scores>> {
    let Some(mut text) = job.data.text("valid")? else { return Ok(None) };
    let train = &job.run.train;
    if train.valid_bleu_sentences > 0 {
        text.source.truncate(train.valid_bleu_sentences);
        text.target.truncate(train.valid_bleu_sentences);
    }
    let options = SearchOptions::of(train);
    let count = display.count("validating", text.source.len());
    let done = |lines| {
        count.add(lines);
        signals::go_on()
    };
    let found = translate_lines(b, model, &job.data.vocab, &text.source, &options, &done)?;
    drop(count);
    let hypotheses: Vec<String> =
        found.lines.into_iter().map(|mut line| line.swap_remove(0).text).collect();
    let bleu = Bleu { tokenizer: job.run.data.tokenizer(), ..Bleu::default() };
    let bleu_judges = bleu.can_judge(&text.target);
    let references = [text.target];
    let found = Quality::of(&bleu, &hypotheses, &references)?;
    Ok(Some(Scores { bleu: found.bleu.score, chrf: found.chrf.score, bleu_judges }))
}
