//! Validation on held-out sentences.

use super::selection::Standing;
use super::{Job, learner};
use crate::texts;
use crate::translate::{SearchOptions, translate_lines};
use a2d_core::backend::Train;
use a2d_core::kd::{Counts, LossNorm, Objective, Teacher, Terms};
use a2d_data::batches;
use a2d_run::config::Task;
use a2d_run::model::{MOST_LAYERS, Model};
use a2d_run::prepared::Parallel;
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

/// Scores of the validation text.
#[derive(Clone, Copy)]
pub(super) enum Scores {
    /// Of translations.
    Translations {
        /// Corpus BLEU.
        bleu: f64,
        /// Corpus chrF.
        chrf: f64,
        /// Whether BLEU is meaningful on this text: at least one reference has four words.
        bleu_judges: bool,
    },
    /// Of labels, 0 to 100.
    Labels {
        /// The share of right labels.
        accuracy: f64,
        /// The mean of F1 over labels.
        macro_f1: f64,
    },
}

impl Scores {
    /// As numbers, for other ranks.
    fn encode(scores: Option<Self>) -> [f64; 4] {
        match scores {
            None => [0.0; 4],
            Some(Self::Translations { bleu, chrf, bleu_judges }) => {
                [1.0, bleu, chrf, f64::from(u8::from(bleu_judges))]
            }
            Some(Self::Labels { accuracy, macro_f1 }) => [2.0, accuracy, macro_f1, 0.0],
        }
    }

    /// The inverse of [`Scores::encode`].
    fn decode([kind, one, other, judges]: [f64; 4]) -> Option<Self> {
        match kind as u32 {
            1 => Some(Self::Translations { bleu: one, chrf: other, bleu_judges: judges == 1.0 }),
            2 => Some(Self::Labels { accuracy: one, macro_f1: other }),
            _ => None,
        }
    }
}

impl Validation {
    /// The scores used to compare validations.
    pub fn standing(&self) -> Standing {
        let loss = Standing { loss: Some(self.loss), ..Standing::default() };
        match self.scores {
            None => loss,
            Some(Scores::Translations { bleu, chrf, bleu_judges }) => {
                Standing { bleu: bleu_judges.then_some(bleu), chrf: Some(chrf), ..loss }
            }
            Some(Scores::Labels { accuracy, .. }) => Standing { accuracy: Some(accuracy), ..loss },
        }
    }

    /// The scores by their names in the log.
    pub fn named(&self, task: Task) -> Vec<(&'static str, f64)> {
        match self.scores {
            Some(Scores::Translations { bleu, chrf, .. }) => vec![("bleu", bleu), ("chrf", chrf)],
            Some(Scores::Labels { accuracy, macro_f1 }) => {
                vec![("accuracy", accuracy), ("macro_f1", macro_f1)]
            }
            None if task == Task::Translate => vec![("bleu", 0.0), ("chrf", 0.0)],
            None => Vec::new(),
        }
    }
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "valid loss {:.4}", self.loss)?;
        if !matches!(self.scores, Some(Scores::Labels { .. })) && self.nll > 0.0 {
            write!(f, ", perplexity {:.2}", self.nll.exp())?;
        }
        match self.scores {
            Some(Scores::Translations { bleu, chrf, .. }) => {
                write!(f, ", BLEU {bleu:.2}, chrF {chrf:.2}")
            }
            Some(Scores::Labels { accuracy, macro_f1 }) => {
                write!(f, ", accuracy {accuracy:.2}, macro F1 {macro_f1:.2}")
            }
            None => Ok(()),
        }
    }
}

/// The loss, and the teacher of a student.
pub(super) type Of<'a, T> = (&'a Objective, Option<&'a Teacher<T, MOST_LAYERS>>);

/// Validates on rank 0 and sends the result to all ranks. The inner error is a signal that interrupted the validation.
pub(super) fn validate<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: Of<'_, B::Tensor>,
    display: &Display,
) -> Result<Result<Validation, i32>> {
    let [signal, loss, nll, scores @ ..] = job.ranks.found(|| {
        let [loss, nll] = losses(b, model, job, objective, usize::MAX)?;
        let all = |signal: i32, scores: Option<Scores>| {
            let [kind, one, other, judges] = Scores::encode(scores);
            [f64::from(signal), loss, nll, kind, one, other, judges]
        };
        if !loss.is_finite() {
            return Ok(all(0, None));
        }
        Ok(match scores(b, model, job, display) {
            Err(Error::Interrupted(signal)) => all(signal, None),
            scores => all(0, scores?),
        })
    })?;
    let found = Validation { loss, nll, scores: Scores::decode(scores) };
    Ok(if signal == 0.0 { Ok(found) } else { Err(signal as i32) })
}

/// The loss of one batch, to detect NaN.
pub(super) fn probe<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    objective: Of<'_, B::Tensor>,
) -> Result<f64> {
    let [loss] = job.ranks.found(|| Ok([losses(b, model, job, objective, 1)?[0]]))?;
    Ok(loss)
}

/// Loss and negative log-likelihood per target token over the first `most_batches` batches.
fn losses<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    (objective, teacher): Of<'_, B::Tensor>,
    most_batches: usize,
) -> Result<[f64; 2]> {
    let corpus = &job.data.valid;
    let lengths = corpus.all_lengths();
    // The budget fits the longest sentence: the loss must cover all sentences.
    let longest = lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0);
    let cut = batches::fixed_batches(lengths, job.run.train.max_tokens.min(job.room).max(longest));
    let objective =
        Objective { terms: Terms::default(), alpha: 0.0, norm: LossNorm::Mean, ..*objective };
    // Without a teacher, vectors have nothing to be compared with.
    let teacher = teacher.filter(|_| model.makes_vectors());
    let (mut reports, mut tokens) = (objective.reports(), 0);
    for rows in cut.batches.iter().take(most_batches) {
        let batch = learner::batch(b, &model.config, &learner::pairs(corpus, rows)?, &objective);
        let count = Counts::of(&batch).target_tokens;
        reports.push(objective.evaluate(b, &batch, model, teacher), count as f64);
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
    match job.run.task {
        Task::Translate => {}
        Task::Embed => return Ok(None),
        Task::Classify => return labels(b, model, job, &text, display).map(Some),
    }
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
    let (bleu, chrf) = (found.bleu.score, found.chrf.score);
    Ok(Some(Scores::Translations { bleu, chrf, bleu_judges }))
}

/// Scores of the labels of a text model, in percent.
fn labels<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    job: &Job<'_>,
    text: &Parallel,
    display: &Display,
) -> Result<Scores> {
    let count = display.count("validating", text.source.len());
    let done = |lines| {
        count.add(lines);
        signals::go_on()
    };
    let vocab = &job.data.vocab;
    let truth = texts::labels::numbers(vocab, &text.target)?;
    let confusion = texts::judge(b, (model, vocab), &text.source, &truth, &done)?.confusion;
    let [accuracy, macro_f1] = [confusion.accuracy(), confusion.macro_f1()].map(|of| 100.0 * of);
    Ok(Scores::Labels { accuracy, macro_f1 })
}
