//! Export of a text model, with what it loses.

use super::image::{Beside, write_with};
use super::request::weights;
use crate::texts::{Best, Judged, Likeness, Read, Reader, TextImage, labels, read_lines};
use crate::translate::image::{Words, model};
use crate::translate::packed::Arithmetic;
use a2d_core::image::Format;
use a2d_core::micro::TextLimits;
use a2d_cpu::Cpu;
use a2d_run::config::Task;
use a2d_run::prepared::{Parallel, text_of};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// An export that is asked for.
pub struct TextExport {
    /// The run's folder.
    pub run: PathBuf,
    /// The format of the matrices.
    pub format: Format,
    /// Path of the image, used in messages. The file is not written here.
    pub out: PathBuf,
    /// Largest accepted drop: of accuracy in percent; of vectors, of the cosine with the run's own.
    pub max_drop: Option<f64>,
    /// Number of texts to compare on; `None`: all of the validation text.
    pub texts: Option<usize>,
    /// Limits that the reported arena size is computed for.
    pub limits: TextLimits,
    /// CPU threads; 0: all cores.
    pub threads: usize,
}

/// An image with its measurements.
pub struct TextExported {
    /// The bytes of the image.
    pub image: Words,
    /// Arena size in bytes for a text within the limits.
    pub arena: usize,
    /// What the image loses; `None` without a text to compare on.
    pub loss: Option<TextLoss>,
}

/// Scores of texts read by a run and by its image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "score", rename_all = "lowercase")]
pub enum TextLoss {
    /// Of a classifier.
    Accuracy {
        /// Number of texts.
        texts: usize,
        /// Accuracy of the run in percent.
        before: f64,
        /// Accuracy of the image in percent.
        after: f64,
        /// Share of texts with the same label, 0 to 1.
        agreement: f64,
    },
    /// Of an embedder.
    Cosine {
        /// Number of texts.
        texts: usize,
        /// The mean cosine of the image's vectors with the run's.
        cosine: f64,
    },
}

impl TextLoss {
    /// The loss as a line of a comment.
    pub fn comment(&self) -> String {
        match self {
            Self::Accuracy { texts, before, after, .. } => {
                format!("Accuracy on {texts} texts: {after:.2}, before quantisation {before:.2}.")
            }
            Self::Cosine { texts, cosine } => {
                format!("Mean cosine with the run on {texts} texts: {cosine:.4}.")
            }
        }
    }
}

/// Opens an existing image of a text model.
///
/// # Errors
///
/// Misuse: the file is not an image, or no memory is large enough for the limits.
pub fn open_text(path: &Path, limits: &TextLimits) -> Result<TextExported> {
    let image = Words::read(path)?;
    let arena = arena_bytes(path, &image, limits)?;
    Ok(TextExported { image, arena, loss: None })
}

fn arena_bytes(path: &Path, image: &Words, limits: &TextLimits) -> Result<usize> {
    match model(path, image.bytes())?.text_arena_bytes(limits) {
        usize::MAX => Err(Error::misuse("--max-source: no memory holds so much")),
        arena => Ok(arena),
    }
}

impl TextExport {
    /// Exports the run and compares the image with it.
    ///
    /// # Errors
    ///
    /// Misuse: an unusable run. A larger loss than `max_drop`; a signal.
    pub fn export(&self) -> Result<TextExported> {
        let run = RunDir::open(&self.run)?.load_config()?;
        let mut text = text_of(&run, &self.run, "valid")?;
        if let Some(Parallel { source, target }) = &mut text {
            let count = self.texts.unwrap_or(usize::MAX);
            source.truncate(count);
            target.truncate(count);
        }
        signals::install()?;
        let mut b = Cpu::new(self.threads);
        let reader = Reader::open(&mut b, &self.run)?;
        let names = reader.vocab.labels().map(|of| of.names().to_vec()).unwrap_or_default();
        let beside = Beside { labels: names, ..Beside::default() };
        let (config, tables) = (reader.model.config, reader.vocab.source().tables()?);
        let weights = weights(&mut b, &reader.model)?;
        let image = write_with(&config, &weights, &tables, &beside, self.format)?;
        let image = Words::new(&image);
        let arena = arena_bytes(&self.out, &image, &self.limits)?;
        let compared = |text: &Parallel| -> Result<TextLoss> {
            let arithmetic =
                Arithmetic { int8_cache: self.limits.int8_cache, ..Arithmetic::default() };
            let after = TextImage::new(&self.out, image.bytes(), arithmetic)?;
            let go_on = |_| signals::go_on();
            let mut before =
                |lines: &[String]| read_lines(&mut b, &reader.model, &reader.vocab, lines, &go_on);
            let mut after = |lines: &[String]| after.read_lines(lines, &go_on);
            if run.task == Task::Embed {
                return Ok(likeness(&before(&text.source)?, &after(&text.source)?));
            }
            let (labels, lines) = (reader.vocab.sizes().target, &text.source);
            let truth = labels::numbers(&reader.vocab, &text.target)?;
            let found = [
                Best::of_lines(labels, lines, &mut before)?,
                Best::of_lines(labels, lines, &mut after)?,
            ];
            Ok(accuracies(found.map(|found| Judged::of(labels, &found, &truth))))
        };
        let loss = text.as_ref().map(compared).transpose()?;
        if let Some(most) = self.max_drop {
            self.check(most, loss.as_ref())?;
        }
        Ok(TextExported { image, arena, loss })
    }

    fn check(&self, most: f64, loss: Option<&TextLoss>) -> Result<()> {
        let (name, drop) = match loss {
            Some(TextLoss::Accuracy { before, after, .. }) => ("accuracy", before - after),
            Some(TextLoss::Cosine { cosine, .. }) => ("the cosine with the run", 1.0 - cosine),
            None => {
                let folder = self.run.display();
                let text = "the validation text is gone";
                return Err(Error::misuse(format!("--max-drop: {text} of {folder}")));
            }
        };
        if drop <= most {
            return Ok(());
        }
        let text = format!("{name} falls by {drop:.4}, more than {most}");
        Err(Error::failed(format!("{text}: no image was written; quantise less")))
    }
}

fn accuracies([before, after]: [Judged; 2]) -> TextLoss {
    let pairs = before.labels.iter().zip(&after.labels);
    let same = pairs.filter(|(one, other)| one == other).count();
    TextLoss::Accuracy {
        texts: after.labels.len(),
        before: before.accuracy(),
        after: after.accuracy(),
        agreement: same as f64 / after.labels.len().max(1) as f64,
    }
}

fn likeness(before: &Read, after: &Read) -> TextLoss {
    let cosine = Likeness::of(before, after).cosine.unwrap_or(0.0);
    TextLoss::Cosine { texts: before.rows().len(), cosine }
}
