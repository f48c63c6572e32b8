//! Export of a run to an image, with a quality check.

use super::compare::{Comparison, compare};
use super::image::{Beside, Weights, write_with};
use super::shortlist;
use crate::translate::image::{Runner, Words, model, vocabularies};
use crate::translate::packed::Arithmetic;
use crate::translate::{SearchOptions, Translator};
use a2d_core::device::Device as _;
use a2d_core::image::Format;
use a2d_core::micro::{self, Limits};
use a2d_core::token::Normalization;
use a2d_cpu::{Cpu, Tensor};
use a2d_data::vocab::{LineForm, Subwords, Vocab};
use a2d_run::config::RunConfig;
use a2d_run::model::{MOST_LAYERS, Model};
use a2d_run::prepared::{self, Parallel, Prepared};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use a2d_system::text;
use std::path::{Path, PathBuf};

/// An export request.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportRequest {
    /// The folder of the run.
    pub run: PathBuf,
    /// Storage format of matrices.
    pub format: Format,
    /// Path of the image, used in messages. The file is not written here.
    pub out: PathBuf,
    /// Largest accepted drop in BLEU.
    pub max_bleu_drop: Option<f64>,
    /// Source and reference to compare on; `None`: the run's validation text.
    pub text: Option<[PathBuf; 2]>,
    /// Number of lines to compare on; `None`: all.
    pub sentences: Option<usize>,
    /// Limits that the reported arena size is computed for.
    pub limits: Limits,
    /// Shortlisted target tokens per source token; `None`: no shortlist.
    pub shortlist: Option<usize>,
    /// Search options.
    pub options: SearchOptions,
    /// CPU threads; 0: all cores.
    pub threads: usize,
}

/// An image with its measurements.
pub struct Exported {
    /// The bytes of the image.
    pub image: Words,
    /// Arena size in bytes for a translation within the limits.
    pub arena: usize,
    /// Comparison with the run; `None` without a text to compare on, and for an existing image.
    pub comparison: Option<Comparison>,
    /// Unicode normalisation of lines before tokenization.
    pub normalization: LineForm,
}

impl ExportRequest {
    /// Exports the run and compares the image with it.
    ///
    /// # Errors
    ///
    /// Misuse: an unusable run or text. A drop in quality above `max_bleu_drop`; a signal.
    pub fn export(&self) -> Result<Exported> {
        let run = RunDir::open(&self.run)?.load_config()?;
        let text = compared_on(self, &run)?;
        signals::install()?;
        let mut b = Cpu::new(self.threads);
        let translator = Translator::open(&mut b, &self.run)?;
        let weights = weights(&mut b, &translator.model)?;
        let [tokenizer, target] = translator.vocab.sides().map(Subwords::tables);
        let (tokenizer, target) = (tokenizer?, target?);
        let config = translator.model.config;
        let beside = Beside {
            target: if target == tokenizer { Vec::new() } else { target },
            shortlist: shortlist_of(self, &run, &translator.vocab)?,
            longest_source: translator.longest,
            labels: Vec::new(),
        };
        let image = write_with(&config, &weights, &tokenizer, &beside, self.format)?;
        let image = Words::new(&image);
        let arena = arena_bytes(&model(&self.out, image.bytes())?, &self.limits)?;
        let tokenizer = run.data.tokenizer();
        let compared = |text| {
            let runner = Runner::new(&self.out, image.bytes(), Arithmetic::of(&self.limits))?;
            compare(&mut b, &translator, &runner, text, tokenizer, &self.options)
        };
        let comparison = text.as_ref().map(compared).transpose()?;
        if let (Some(most), Some(found)) = (self.max_bleu_drop, &comparison) {
            found.check(most)?;
        }
        let normalization = translator.vocab.source().normalization();
        Ok(Exported { image, arena, comparison, normalization })
    }
}

/// Opens an existing image.
///
/// # Errors
///
/// Misuse: the file is not an image, or no memory is large enough for the limits.
pub fn open(path: &Path, limits: &Limits) -> Result<Exported> {
    let bytes = std::fs::read(path).map_err(|e| Error::input("read", path, &e))?;
    let image = Words::new(&bytes);
    let model = model(path, image.bytes())?;
    let arena = arena_bytes(&model, limits)?;
    let [source, _] = vocabularies(path, &model)?;
    let normalization = match source.normalization() {
        Normalization::None => LineForm::None,
        Normalization::Nfc => LineForm::Nfc,
        Normalization::Nfkc => LineForm::Nfkc,
    };
    Ok(Exported { image, arena, comparison: None, normalization })
}

fn arena_bytes(model: &micro::Model<'_, MOST_LAYERS>, limits: &Limits) -> Result<usize> {
    let arena = model.arena_bytes(limits);
    if arena == usize::MAX {
        let text = "--max-source, --max-target and --beam: no memory holds so much";
        return Err(Error::misuse(text));
    }
    Ok(arena)
}

/// The text to compare on. `None` if the run's validation text is missing and `max_bleu_drop` is not set.
fn compared_on(request: &ExportRequest, run: &RunConfig) -> Result<Option<Parallel>> {
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

/// The serialised shortlist of the run's training data; empty if none is requested.
///
/// # Errors
///
/// Misuse: the data are missing or have another vocabulary.
fn shortlist_of(request: &ExportRequest, run: &RunConfig, vocab: &Vocab) -> Result<Vec<u8>> {
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
pub(super) fn weights(b: &mut Cpu, model: &Model<Tensor>) -> Result<Weights> {
    let mut weights = Vec::new();
    model.try_map::<(), Error>(&mut |_, tensor| {
        let mut data = vec![0.0; b.shape(tensor).len()];
        b.read(tensor, &mut data)?;
        weights.push(data);
        Ok(())
    })?;
    Ok(weights)
}
