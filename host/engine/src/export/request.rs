//! From a run to an image that was compared with it.

use super::compare::{Comparison, compare};
use super::image::{Beside, Weights, write_with};
use super::{shortlist, tokenizer};
use crate::translate::image::{Runner, Words};
use crate::translate::{Options, Translator};
use a2d_core::device::Device as _;
use a2d_core::image::Format;
use a2d_core::micro::Limits;
use a2d_cpu::{Cpu, Tensor};
use a2d_data::vocab::{Normalization, Vocab};
use a2d_run::config::Run;
use a2d_run::model::Model;
use a2d_run::prepared::{self, Parallel, Prepared};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use a2d_system::text;
use std::path::PathBuf;

/// An image that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The folder of the run.
    pub run: PathBuf,
    /// How matrices are kept.
    pub format: Format,
    /// The file to be written, which messages name.
    pub out: PathBuf,
    /// The most that BLEU may fall.
    pub max_bleu_drop: Option<f64>,
    /// Text to compare on, and its reference; without them, the run's validation text.
    pub text: Option<[PathBuf; 2]>,
    /// How many lines of it; without a number, all.
    pub sentences: Option<usize>,
    /// What the arena is sized for.
    pub limits: Limits,
    /// How many tokens of the target a shortlist holds for each of the source; without a number, there is none.
    pub shortlist: Option<usize>,
    /// How to search.
    pub options: Options,
    /// Threads to compute with; 0: all.
    pub threads: usize,
}

/// An image, and what is known of it.
pub struct Exported {
    /// The file.
    pub image: Words,
    /// Bytes that a translation within the limits works in.
    pub arena: usize,
    /// What the image loses; nothing where there is no text to compare on.
    pub comparison: Option<Comparison>,
    /// How lines are normalised for the vocabulary.
    pub normalization: Normalization,
}

impl Request {
    /// Makes the image and compares it with its run.
    ///
    /// # Errors
    /// A run or a text that cannot be used (misuse); a worse image than wanted; a signal.
    pub fn export(&self) -> Result<Exported> {
        let run = RunDir::open(&self.run)?.load_config()?;
        let text = compared_on(self, &run)?;
        signals::install()?;
        let mut b = Cpu::new(self.threads);
        let translator = Translator::open(&mut b, &self.run)?;
        let weights = weights(&mut b, &translator.model)?;
        let tokenizer = tokenizer::tables(&translator.vocab)?;
        let config = translator.model.config;
        let beside = Beside {
            shortlist: shortlist_of(self, &run, &translator.vocab)?,
            longest_source: translator.longest,
        };
        let image = write_with(&config, &weights, &tokenizer, &beside, self.format)?;
        let image = Words::new(&image);
        let runner = Runner::new(&self.out, image.bytes(), self.limits.int8_cache)?;
        let arena = runner.model.arena_bytes(&self.limits);
        if arena == usize::MAX {
            let text = "--max-source, --max-target and --beam: no memory holds so much";
            return Err(Error::misuse(text));
        }
        let tokenizer = run.data.tokenizer();
        let compared = |text| compare(&mut b, &translator, &runner, text, tokenizer, &self.options);
        let comparison = text.as_ref().map(compared).transpose()?;
        if let (Some(most), Some(found)) = (self.max_bleu_drop, &comparison) {
            found.check(most)?;
        }
        let normalization = translator.vocab.normalization();
        Ok(Exported { image, arena, comparison, normalization })
    }
}

/// What the image is compared on; nothing where the run's validation text is gone and nothing depends on it.
fn compared_on(request: &Request, run: &Run) -> Result<Option<Parallel>> {
    let mut found = match &request.text {
        Some([source, reference]) => {
            let (source, target) = (text::read_lines(source)?, text::read_lines(reference)?);
            Some(Parallel { source, target })
        }
        _ => prepared::text_of(run, &request.run, "valid")?,
    };
    if let Some(Parallel { source, target }) = &mut found {
        if source.len() != target.len() || source.is_empty() {
            let (source, target) = (source.len(), target.len());
            let text = "cannot be compared on: lines of the source and of the reference";
            return Err(Error::misuse(format!("{source} and {target} {text}")));
        }
        let count = request.sentences.unwrap_or(usize::MAX);
        source.truncate(count);
        target.truncate(count);
    }
    if found.is_none() && request.max_bleu_drop.is_some() {
        let folder = request.run.display();
        return Err(Error::misuse(format!(
            "--max-bleu-drop: the validation text of {folder} is gone; name one by --source and --reference"
        )));
    }
    Ok(found)
}

/// The shortlist of the run's training data, where one is wanted.
///
/// Errors (misuse): the data are gone, or not those of the run.
fn shortlist_of(request: &Request, run: &Run, vocab: &Vocab) -> Result<Vec<u8>> {
    let Some(count) = request.shortlist else { return Ok(Vec::new()) };
    let folder = prepared::folder_of(run, &request.run);
    let data = Prepared::open(&folder)?;
    if data.vocab.fingerprint() != vocab.fingerprint() {
        let folder = folder.display();
        return Err(Error::misuse(format!("--shortlist: {folder} has another vocabulary")));
    }
    shortlist::shortlist(&data.train, count, &signals::go_on)
}

/// The parameters in canonical order.
fn weights(b: &mut Cpu, model: &Model<Tensor>) -> Result<Weights> {
    let mut weights = Vec::new();
    model.try_map::<(), Error>(&mut |_, tensor| {
        let mut data = vec![0.0; b.shape(tensor).len()];
        b.read(tensor, &mut data)?;
        weights.push(data);
        Ok(())
    })?;
    Ok(weights)
}
