//! What determines a teacher's translations.

use crate::translate::{MOST_BATCH, SearchOptions};
use a2d_run::config::{BeamSearch, RunConfig, SeqKd};
use a2d_score::tokenize::Tokenizer;
use serde::{Deserialize, Serialize};

/// The inputs that determine the translations of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recipe {
    /// Fingerprint of the teacher's weights.
    pub teacher: String,
    /// Checksum of the text.
    pub data: String,
    pub target: SeqKd,
    #[serde(flatten)]
    pub search: BeamSearch,
    pub max_length: usize,
    /// Omitted if it is the default, as in files of earlier versions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bleu_tokenizer: Tokenizer,
}

fn is_default(tokenizer: &Tokenizer) -> bool {
    *tokenizer == Tokenizer::default()
}

impl Recipe {
    /// The translations of parallel text with the checksum `data`.
    pub fn parallel(run: &RunConfig, teacher: String, data: String) -> Self {
        Self {
            teacher,
            data,
            target: run.distill.seq_kd,
            search: BeamSearch { beam: run.distill.seq_kd_beam, ..run.train.search() },
            max_length: run.data.max_length,
            bleu_tokenizer: match run.distill.seq_kd {
                SeqKd::Best => Tokenizer::default(),
                SeqKd::Interpolation => run.data.tokenizer(),
            },
        }
    }

    /// The translations of source text with the checksum `data`: the best ones, as there are no references.
    pub fn monolingual(run: &RunConfig, teacher: String, data: String) -> Self {
        let target = SeqKd::Best;
        let bleu_tokenizer = Tokenizer::default();
        Self { target, bleu_tokenizer, ..Self::parallel(run, teacher, data) }
    }

    /// The search options.
    pub fn options(&self, max_tokens: usize) -> SearchOptions {
        let n_best = match self.target {
            SeqKd::Best => 1,
            SeqKd::Interpolation => self.search.beam,
        };
        SearchOptions::new(self.search, max_tokens.max(MOST_BATCH), n_best)
    }
}
