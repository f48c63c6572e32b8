//! Reading a folder.

use super::config::Config;
use super::names;
use super::vocabulary::{self, Vocabulary};
use crate::json;
use crate::model::{Imported, Languages, Parameters, Pieces, SentencePiece};
use crate::positions;
use crate::start::{self, NEVER, Order};
use crate::tensors::Tensors;
use a2d_core::config as core;
use a2d_run::config::Task;
use a2d_run::model::{Plan, core_config};
use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde::Deserialize;
use std::path::Path;

/// Half a unit in the last place of a 16-bit float near 1: the error of a rounded position.
const HALF_UNIT: f32 = 1.0 / 2048.0;

/// More than the error of a position in 32 bits.
const ROUNDING: f32 = 1e-5;

/// Reads the Marian model in `folder`.
///
/// # Errors
///
/// Misuse: a file is missing or damaged, the model is of another kind, or its files contradict each other.
pub fn import(folder: &Path) -> Result<Imported> {
    let config = Config::read(&folder.join("config.json"))?;
    let vocabularies = vocabularies(folder, &config)?;
    let sentencepiece = sentencepiece(folder)?;
    let generation = config.generation(&folder.join("generation_config.json"))?;
    let languages = languages(folder)?;
    let sides = vocabularies.each_ref().map(|vocabulary| &vocabulary.order);
    let pieces = sides.map(|order| order.pieces.clone());
    let [source, target] = pieces;
    let pieces = Pieces { source, target };
    let model = config.model()?;
    let mut weights = Weights { file: Tensors::of_folder(folder)?, config: &config };
    let plan = Plan::new(&core_config(&model, Task::Translate, pieces.sizes()), None);
    let plan = plan.map_err(|e| config.error(&format!("is not usable: {e}")))?;
    let parameters = weights.parameters(&plan, sides, vocabularies[1].pad)?;
    let mut notes = Vec::new();
    if weights.check_positions(plan.config())? {
        notes.push(format!(
            "{} has positions rounded to 16 bits: exact ones are used",
            weights.file.path().display()
        ));
    }
    weights.file.finish("config.json")?;
    if weights.file.entry(names::BIAS).is_none() {
        notes.push(format!(
            "{} has no `{}`: zeros are used",
            weights.file.path().display(),
            names::BIAS
        ));
    }
    let untrimmed = None;
    Ok(Imported {
        model,
        parameters,
        pieces,
        sentencepiece,
        generation,
        languages,
        untrimmed,
        notes,
    })
}

/// Source and target: the same where they share a vocabulary.
fn vocabularies(folder: &Path, config: &Config) -> Result<[Vocabulary; 2]> {
    let joint = folder.join("vocab.json");
    let apart = folder.join("target_vocab.json");
    let target = if config.share() || !apart.exists() { &joint } else { &apart };
    let sides = [(&joint, config.vocab_size), (target, config.target_size())];
    let [source, target] =
        sides.map(|(path, size)| vocabulary::read(path, size, config.eos_token_id));
    let found = [source?, target?];
    let (start, pad) = (config.decoder_start_token_id, config.pad_token_id);
    if start != found[1].pad {
        let text =
            format!("has `decoder_start_token_id` = {start}, but `<pad>` is {}", found[1].pad);
        let only = "only models that start from `<pad>` can be imported";
        return Err(config.error(&format!("{text}: {only}")));
    }
    if found.iter().all(|vocabulary| vocabulary.pad != pad) {
        return Err(config.error(&format!("has `pad_token_id` = {pad}, which is not `<pad>`")));
    }
    Ok(found)
}

fn sentencepiece(folder: &Path) -> Result<SentencePiece> {
    let read = |name: &str| {
        let path = folder.join(name);
        files::read(&path).map_err(|e| Error::input("read", &path, &e))
    };
    Ok(SentencePiece { source: read("source.spm")?, target: read("target.spm")? })
}

#[derive(Deserialize)]
struct TokenizerKeys {
    source_lang: Option<String>,
    target_lang: Option<String>,
}

fn languages(folder: &Path) -> Result<Languages> {
    let path = folder.join("tokenizer_config.json");
    if !path.exists() {
        return Ok(Languages::default());
    }
    let TokenizerKeys { source_lang, target_lang } = json::read(&path)?;
    Ok(Languages { source: source_lang, target: target_lang })
}

/// The weights of a folder.
struct Weights<'a> {
    file: Tensors,
    config: &'a Config,
}

impl Weights<'_> {
    /// Every parameter of `plan`; `pad` is the start's number in the target's table.
    fn parameters(
        &mut self,
        plan: &Plan,
        [source, target]: [&Order; 2],
        pad: usize,
    ) -> Result<Parameters> {
        let mut parameters = Parameters::new();
        for (name, spec) in plan.params() {
            let values = match name.as_str() {
                start::SOURCE => self.source_table(source, spec.shape.cols(), pad)?,
                start::TARGET => self.target_table(target, spec.shape.cols(), pad)?,
                start::BIAS => self.bias(target)?,
                name => self.file.values(&names::of(name), spec.shape.dims())?,
            };
            parameters.insert(name.clone(), (spec.shape.dims().to_vec(), values));
        }
        Ok(parameters)
    }

    fn source_table(&mut self, order: &Order, width: usize, pad: usize) -> Result<Vec<f32>> {
        let shape = [self.config.vocab_size, width];
        if !self.config.share() {
            // Nothing is ever taken from the row of the source's padding.
            let rows = self.tied(&[names::SOURCE, names::SHARED], &shape)?.1;
            return Ok(order.arrange(&rows, width, 0.0));
        }
        let names = [names::SHARED, names::SOURCE, names::TARGET, names::OUTPUT];
        self.started(&names, &shape, order, pad)
    }

    fn target_table(&mut self, order: &Order, width: usize, pad: usize) -> Result<Vec<f32>> {
        let shape = [self.config.target_size(), width];
        self.started(&[names::TARGET, names::OUTPUT], &shape, order, pad)
    }

    /// A table whose row of the start, `pad`, is zero.
    fn started(
        &mut self,
        names: &[&str],
        shape: &[usize; 2],
        order: &Order,
        pad: usize,
    ) -> Result<Vec<f32>> {
        let (name, rows) = self.tied(names, shape)?;
        let width = shape[1];
        if rows[pad * width..][..width].iter().any(|x| *x != 0.0) {
            let text = format!("has `{name}` with a row {pad} (`<pad>`) that is not zero");
            return Err(self
                .file
                .error(&format!("{text}: only models that start from zero can be imported")));
        }
        Ok(order.arrange(&rows, width, 0.0))
    }

    /// The values of the first of `names` that is there; the others must be equal or missing.
    fn tied(&mut self, names: &[&str], shape: &[usize]) -> Result<(String, Vec<f32>)> {
        let there: Vec<&str> =
            names.iter().copied().filter(|name| self.file.entry(name).is_some()).collect();
        let first = there.first().unwrap_or(&names[0]);
        let values = self.file.values(first, shape)?;
        for other in there.iter().skip(1) {
            if self.file.entry(other) == self.file.entry(first) {
                self.file.leave(other);
                continue;
            }
            if self.file.values(other, shape)? != values {
                let text = format!("has `{other}` that differs from `{first}`");
                return Err(self
                    .file
                    .error(&format!("{text}: only models that tie them can be imported")));
            }
        }
        Ok(((*first).to_owned(), values))
    }

    fn bias(&mut self, order: &Order) -> Result<Vec<f32>> {
        let size = self.config.target_size();
        let values = match self.file.entry(names::BIAS) {
            Some(_) => self.file.values(names::BIAS, &[1, size])?,
            None => vec![0.0; size],
        };
        Ok(order.arrange(&values, 1, NEVER))
    }

    /// Tables of positions are computed here: those of a file must be the same to the precision of 16 bits. Returns
    /// whether they are less precise than 32 bits.
    fn check_positions(&mut self, config: &core::Config) -> Result<bool> {
        let mut rounded = false;
        for (name, stack) in names::POSITIONS.into_iter().zip([config.encoder, config.decoder]) {
            let Some(entry) = self.file.entry(name) else { continue };
            let shape = entry.shape.clone();
            let rows = shape.first().copied().unwrap_or(0);
            let values = self.file.values(name, &[rows, stack.d_model])?;
            let mut expected = vec![0.0; stack.d_model];
            for (at, row) in values.chunks(stack.d_model.max(1)).enumerate() {
                positions::row(config.positions, at, &mut expected);
                let off = row.iter().zip(&expected).map(|(x, y)| (x - y).abs());
                let most =
                    off.fold(0.0, |most, off| if off > most || off.is_nan() { off } else { most });
                rounded |= most > ROUNDING;
                if most.is_nan() || most > HALF_UNIT {
                    let text =
                        format!("has `{name}` with a row {at} that is not Marian's sinusoids");
                    return Err(self
                        .file
                        .error(&format!("{text}: other positions cannot be imported")));
                }
            }
        }
        Ok(rounded)
    }
}
