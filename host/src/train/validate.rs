//! How good a model is, on sentences that it does not learn from.

use super::{Job, learner, unread};
use crate::data;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::score;
use crate::signals;
use crate::translate::{Options, translate_lines};
use a2d_core::backend::Train;
use a2d_core::kd::{Counts, Losses, Norm, Objective};
use a2d_core::search::Search;

/// What a validation found.
pub(super) struct Found {
    /// The word loss alone, per target token, without a teacher.
    pub loss: f64,
    /// Of it, the negative log-likelihood.
    pub nll: f64,
    /// Corpus BLEU of the translated sentences.
    pub bleu: f64,
}

/// What the first rank finds, on all of them; or the signal that kept it from finding anything.
pub(super) fn validate<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
) -> Result<Result<Found, i32>> {
    let [signal, loss, nll, bleu] = job.ranks.found(|| {
        let Losses { loss, nll, .. } = losses(b, model, job, objective, usize::MAX)?;
        if !loss.is_finite() {
            return Ok([0.0, loss, nll, 0.0]);
        }
        match bleu(b, model, job) {
            Err(Error::Interrupted(signal)) => Ok([f64::from(signal), loss, nll, 0.0]),
            bleu => Ok([0.0, loss, nll, bleu?]),
        }
    })?;
    let found = Found { loss, nll, bleu };
    Ok(if signal == 0.0 { Ok(found) } else { Err(signal as i32) })
}

/// The loss of one batch: a number, unless the model is spoilt.
pub(super) fn probe<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
) -> Result<f64> {
    let [loss] = job.ranks.found(|| Ok([losses(b, model, job, objective, 1)?.loss]))?;
    Ok(loss)
}

fn losses<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: &Objective,
    most_batches: usize,
) -> Result<Losses> {
    let corpus = &job.data.valid;
    let lengths = corpus.all_lengths();
    // No sentence is left out: the loss must not depend on the budget.
    let longest = lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0);
    let cut = data::fixed_batches(lengths, job.run.train.max_tokens.min(job.room).max(longest));
    let objective = Objective { maps: None, alpha: 0.0, norm: Norm::Mean, ..*objective };
    let (mut reports, mut tokens) = (Vec::new(), 0);
    for rows in cut.batches.iter().take(most_batches) {
        let batch = learner::batch(b, &learner::pairs(corpus, rows)?, &objective);
        let count = Counts::of(&batch).target_tokens;
        reports.push((objective.evaluate(b, &batch, model, None), count as f64));
        tokens += count;
    }
    let sum = unread::sum(b, &reports)?;
    Ok(Losses::default().plus(&sum, 1.0 / tokens.max(1) as f64))
}

fn bleu<B: Train>(b: &mut B, model: &Model<B::Tensor>, job: &Job<'_>) -> Result<f64> {
    let Some(mut text) = job.data.text("valid")? else { return Ok(0.0) };
    let train = &job.run.train;
    if train.valid_bleu_sentences > 0 {
        text.source.truncate(train.valid_bleu_sentences);
        text.target.truncate(train.valid_bleu_sentences);
    }
    let options = Options::of(train);
    let found = translate_lines(b, model, &job.data.vocab, &text.source, &options, &mut |_| {
        signals::go_on()
    })?;
    let hypotheses: Vec<&str> = found.lines.iter().map(|line| line[0].text.as_str()).collect();
    let references: Vec<&str> = text.target.iter().map(String::as_str).collect();
    Ok(score::bleu(&hypotheses, &[references])?.score)
}

impl Options {
    /// The search that a training's validation uses.
    pub fn of(train: &crate::config::Train) -> Self {
        Self {
            search: Search {
                beam: train.beam,
                length_penalty: train.length_penalty as f32,
                ..Search::GREEDY
            },
            max_length_a: train.max_length_a,
            max_length_b: train.max_length_b,
            max_tokens: 4096,
            n_best: 1,
        }
    }
}
