//! Sequence-level distillation (Kim and Rush, 2016): the teacher translates the training source, and the student learns
//! from its translations in place of the references.
//!
//! `seq-kd/targets.jsonl` in the run's folder grows chunk by chunk, so a killed run continues with the next chunk. Its
//! first line is the recipe of the translations.

use super::open_teacher;
use crate::backend::device::Chosen;
use crate::backend::work::Work;
use crate::translate::{Hypothesis, MOST_BATCH, SearchOptions, Translator, translate_tokens};
use a2d_core::backend::Train;
use a2d_data::corpus::{Corpus, Writer};
use a2d_data::vocab::{EOS, Vocab};
use a2d_run::config::{BeamSearch, Precision, RunConfig, SeqKd};
use a2d_run::partial::{Partial, Unit};
use a2d_run::prepared::Prepared;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Chrf, Metric};
use a2d_system::display::{Display, duration};
use a2d_system::error::{Error, Result};
use a2d_system::files::make_folder;
use a2d_system::signals;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// Subfolder of the run's folder.
const FOLDER: &str = "seq-kd";
/// The token file that the student trains on.
const CORPUS: &str = "train.bin";

/// Replaces the targets of `run`'s training data by the teacher's translations.
pub struct Distilled<'a> {
    /// Configuration of the search and of the choice among hypotheses.
    pub run: &'a RunConfig,
    /// Folder of the teacher's finished run.
    pub teacher: &'a Path,
    /// The data to translate.
    pub data: &'a Prepared,
    /// The student's folder.
    pub folder: &'a Path,
    /// Display for progress.
    pub display: &'a mut Display,
}

/// The inputs that determine the translations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recipe {
    teacher: String,
    data: String,
    target: SeqKd,
    #[serde(flatten)]
    search: BeamSearch,
    max_length: usize,
    /// Omitted if it is the default, as in files of earlier versions.
    #[serde(default, skip_serializing_if = "is_default")]
    bleu_tokenizer: Tokenizer,
}

fn is_default(tokenizer: &Tokenizer) -> bool {
    *tokenizer == Tokenizer::default()
}

/// A chosen translation.
#[derive(Debug, Serialize, Deserialize)]
struct Target {
    tokens: Vec<u32>,
    score: f32,
}

/// The corpus that [`Distilled`] wrote in the student's `folder`.
///
/// # Errors
///
/// Misuse: the corpus is missing or damaged.
pub fn written(folder: &Path) -> Result<Corpus> {
    Corpus::open(&folder.join(FOLDER).join(CORPUS))
}

impl Distilled<'_> {
    /// Translates the remaining sentences on `device` and writes the corpus.
    ///
    /// # Errors
    ///
    /// Misuse: an unusable teacher, or saved translations of another recipe. A file cannot be written; a signal, after
    /// which finished translations remain.
    pub fn make(self, device: &Chosen) -> Result<Corpus> {
        device.run(Precision::F32, self)
    }
}

impl Work for Distilled<'_> {
    type Output = Corpus;

    fn go<B: Train>(self, b: &mut B) -> Result<Corpus> {
        let folder = self.folder.join(FOLDER);
        make_folder(&folder)?;
        let (_, saved) = open_teacher(self.teacher, &self.data.vocab)?;
        let recipe = Recipe::new(self.run, saved.fingerprint(), self.data);
        let path = folder.join("targets.jsonl");
        let mut targets = Partial::open(&path, &recipe, Unit::Chunk(self.data.train.len()))?;
        if !targets.next().is_empty() {
            self.translate(b, &recipe, &mut targets)?;
        }
        let corpus = folder.join(CORPUS);
        if !corpus.is_file() {
            self.write(&targets, &corpus)?;
        }
        Corpus::open(&corpus)
    }
}

impl Distilled<'_> {
    fn translate<B: Train>(&self, b: &mut B, recipe: &Recipe, targets: &mut Partial) -> Result<()> {
        let translator = Translator::open(b, self.teacher)?;
        let (start, first) = (Instant::now(), targets.done());
        while !targets.next().is_empty() {
            signals::go_on()?;
            let chosen = self.chunk(b, &translator, targets.next(), recipe)?;
            targets.append(&chosen)?;
            let (done, all) = (targets.done(), self.data.train.len());
            let rate = (done - first) as f64 / start.elapsed().as_secs_f64();
            let text = format!("teacher: translated {done} of {all} training sentences");
            let eta = duration(((all - done) as f64 / rate) as u64);
            self.display.line(&format!("{text}, {rate:.0} a second, eta {eta}"));
        }
        Ok(())
    }

    /// Translates a chunk and chooses one translation for each sentence.
    fn chunk<B: Train>(
        &self,
        b: &mut B,
        translator: &Translator<B::Tensor>,
        rows: Range<usize>,
        recipe: &Recipe,
    ) -> Result<Vec<Target>> {
        let corpus = &self.data.train;
        let pairs = rows.map(|i| corpus.pair(i)).collect::<Result<Vec<_>>>()?;
        let (sources, references): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let vocab = &self.data.vocab;
        let mut options = recipe.options(self.run.train.max_tokens);
        options.search.forbidden = vocab.target().forbidden();
        let mut go_on = |_| signals::go_on();
        let found = translate_tokens(b, &translator.model, &sources, &options, &mut go_on)?;
        let choose = |(hypotheses, reference): (Vec<Hypothesis>, &Vec<u32>)| {
            let best = match recipe.target {
                SeqKd::Best => 0,
                SeqKd::Interpolation => {
                    closest(&hypotheses, reference, vocab, recipe.bleu_tokenizer)?
                }
            };
            let chosen = hypotheses.into_iter().nth(best);
            let chosen = chosen.map(|h| Target { tokens: h.tokens, score: h.score });
            Ok(chosen.unwrap_or(Target { tokens: Vec::new(), score: f32::MIN }))
        };
        found.into_par_iter().zip(&references).map(choose).collect()
    }

    /// Writes the token file that the student trains on. Translations that are empty or too long are left out.
    fn write(&self, targets: &Partial, path: &Path) -> Result<()> {
        let mut writer = Writer::create(path, &self.data.vocab)?;
        let corpus = &self.data.train;
        for (i, target) in targets.items::<Target>()?.enumerate() {
            let target = target?;
            // The file may be edited or damaged: translations with ids outside the vocabulary are left out.
            let known =
                target.tokens.iter().all(|&id| (id as usize) < self.data.vocab.sizes().target);
            let fits = known && (1..=self.run.data.max_length).contains(&target.tokens.len());
            if fits {
                let (mut source, _) = corpus.pair(i)?;
                source.retain(|&id| id != EOS);
                writer.push(&source, &target.tokens)?;
            }
        }
        let (kept, all) = (writer.len(), corpus.len());
        if kept == 0 {
            let text = "the teacher translates no training sentence into a usable one";
            return Err(Error::failed(text));
        }
        let left_out = all - kept;
        if left_out > 0 {
            let text = format!("{left_out} of {all} translations are empty or too long, left out");
            self.display.line(&format!("teacher: {text}"));
        }
        writer.finish()
    }
}

impl Recipe {
    fn new(run: &RunConfig, teacher: String, data: &Prepared) -> Self {
        Self {
            teacher,
            data: data.train.checksum(),
            target: run.distill.seq_kd,
            search: BeamSearch { beam: run.distill.seq_kd_beam, ..run.train.search() },
            max_length: run.data.max_length,
            bleu_tokenizer: match run.distill.seq_kd {
                SeqKd::Best => Tokenizer::default(),
                SeqKd::Interpolation => run.data.tokenizer(),
            },
        }
    }

    fn options(&self, max_tokens: usize) -> SearchOptions {
        let n_best = match self.target {
            SeqKd::Best => 1,
            SeqKd::Interpolation => self.search.beam,
        };
        SearchOptions::new(self.search, max_tokens.max(MOST_BATCH), n_best)
    }
}

/// The hypothesis closest to the reference by smoothed sentence BLEU, then by chrF, then by search score.
fn closest(
    hypotheses: &[Hypothesis],
    reference: &[u32],
    vocab: &Vocab,
    tokenizer: Tokenizer,
) -> Result<usize> {
    let bleu = Bleu { effective_order: true, tokenizer, ..Bleu::default() };
    let metrics: [&dyn Metric; 2] = [&bleu, &Chrf::default()];
    let end = reference.iter().position(|&id| id == EOS).unwrap_or(reference.len());
    let reference = vocab.target().decode(&reference[..end])?;
    let mut best = (0, [f64::MIN; 2]);
    for (i, hypothesis) in hypotheses.iter().enumerate() {
        let text = vocab.target().decode(&hypothesis.tokens)?;
        let scores = metrics.map(|metric| metric.score(&metric.count(&text, &[&reference])));
        if scores > best.1 {
            best = (i, scores);
        }
    }
    Ok(best.0)
}
