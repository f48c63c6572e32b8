//! A run from a model that was read, and a model to be written from a run.

use crate::foreign::{Foreign, untrained};
use crate::model::{Generation, Imported, Languages, Parameters, Pieces, Portable, SentencePiece};
use a2d_core::config::Config;
use a2d_data::vocab::spm::{Convention, Side};
use a2d_data::vocab::{Subwords, Vocab};
use a2d_run::config::RunConfig;
use a2d_run::model::{core_config, plan};
use a2d_run::opened::Opened;
use a2d_system::error::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

impl Foreign for Imported {
    fn vocab(&self) -> Result<Vocab> {
        let side = |model: &[u8], pieces: &[String]| Side {
            model: model.to_vec(),
            pieces: pieces.to_vec(),
        };
        let Self { sentencepiece, pieces, .. } = self;
        let source = side(&sentencepiece.source, &pieces.source);
        let target = side(&sentencepiece.target, &pieces.target);
        Vocab::sentencepiece(source, target, Convention::Marian)
    }

    /// Sizes, languages and the search of the model's makers.
    fn run_config(&self) -> RunConfig {
        let mut run = RunConfig { model: self.model.clone(), ..untrained() };
        run.data.vocab_size = self.pieces.sizes().most();
        let Languages { source, target } = &self.languages;
        let named = source.clone().zip(target.clone()).filter(|(source, target)| source != target);
        (run.data.source_lang, run.data.target_lang) = named.unwrap_or_default();
        let Generation { beam, max_length, length_penalty } = self.generation;
        run.train.beam = beam.unwrap_or(run.train.beam);
        run.train.length_penalty = length_penalty.unwrap_or(run.train.length_penalty);
        if let Some(max_length) = max_length {
            // The start token counts there; the end of the sentence does not count here.
            run.train.max_length_a = 0.0;
            run.train.max_length_b = max_length.saturating_sub(2) as f64;
        }
        run
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn untrimmed(&self) -> Option<&[u8]> {
        self.untrimmed.as_deref()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn trim(&mut self, texts: &[PathBuf]) -> Result<()> {
        self.trim_to(texts)
    }
}

/// The model of a finished run, to be written.
pub struct Leaving {
    config: Config,
    parameters: Parameters,
    pieces: Pieces,
    sentencepiece: Option<SentencePiece>,
    generation: Generation,
    languages: Languages,
}

impl Leaving {
    /// Opens the best checkpoint of a run.
    ///
    /// # Errors
    ///
    /// Misuse: the run is incomplete or damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let Opened { run, vocab, mut saved } = Opened::new(folder)?;
        let config = core_config(&run.model, run.task, vocab.sizes());
        let mut parameters = BTreeMap::new();
        for (name, spec) in plan(&config, None)?.params() {
            let shape = spec.shape.dims();
            parameters.insert(name.clone(), (shape.to_vec(), saved.take(name, shape)?));
        }
        let [source, target] = vocab.sides().map(pieces);
        let sentencepiece =
            vocab.models()?.map(|[source, target]| SentencePiece { source, target });
        let length = run.train.max_length_a == 0.0;
        let named = |lang: &String| Some(lang.clone()).filter(|lang| !lang.is_empty());
        Ok(Self {
            config,
            parameters,
            pieces: Pieces { source, target },
            sentencepiece,
            generation: Generation {
                beam: Some(run.train.beam),
                max_length: length.then_some(run.train.max_length_b as usize + 2),
                length_penalty: Some(run.train.length_penalty),
            },
            languages: Languages {
                source: named(&run.data.source_lang),
                target: named(&run.data.target_lang),
            },
        })
    }

    /// The model as the writers take it.
    pub fn portable(&self) -> Portable<'_> {
        Portable {
            config: self.config,
            parameters: &self.parameters,
            pieces: &self.pieces,
            sentencepiece: self.sentencepiece.as_ref(),
            generation: self.generation,
            languages: &self.languages,
        }
    }

    /// Whether text is cut into pieces by SentencePiece.
    pub fn has_sentencepiece(&self) -> bool {
        self.sentencepiece.is_some()
    }
}

/// The texts of all tokens.
fn pieces(side: &dyn Subwords) -> Vec<String> {
    let piece = |id| side.piece(id).unwrap_or_default().to_owned();
    (0..side.len() as u32).map(piece).collect()
}
