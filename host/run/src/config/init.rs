//! `model.init`: a model that begins with the weights of a run has its sizes and its vocabulary.

use super::load::checked;
use super::{Layers, Origin, Setting, Task, schema};
use a2d_system::error::{Error, Result};
use std::path::Path;

/// Keys of `[model]` that decide the encoder's parameters and what is computed with them.
const ENCODER: [&str; 13] = [
    "d_model",
    "ffn_dim",
    "encoder_d_model",
    "encoder_ffn_dim",
    "encoder_layers",
    "encoder_attention_heads",
    "activation",
    "normalize_before",
    "positions",
    "max_positions",
    "embedding_norm",
    "token_types",
    "norm_epsilon",
];

/// The same of a translator beside its encoder.
const DECODER: [&str; 7] = [
    "decoder_d_model",
    "decoder_ffn_dim",
    "decoder_layers",
    "decoder_attention_heads",
    "share_embeddings",
    "decoder_start",
    "logits_bias",
];

/// Keys of `[model]` with the run's values unless they are set.
const FREE: [&str; 5] = ["dropout", "attention_dropout", "activation_dropout", "pooling", "pooler"];

/// The size of the vocabulary.
const VOCABULARY: &str = "data.vocab_size";

impl Layers {
    /// These settings, and for the keys that they leave open those of `theirs`, the stored configuration of the run
    /// `init`, with whose weights the model of `table` (`model` or `teacher.model`) begins.
    ///
    /// # Errors
    ///
    /// Misuse: a key has another value than in the run, which decides what its weights compute.
    pub fn sized_by(
        mut self,
        table: &str,
        init: &Path,
        theirs: Vec<Setting>,
        task: Task,
    ) -> Result<Self> {
        let learns = self.draft()?.data.tokenizer.is_empty();
        let decides =
            |name: &str| ENCODER.contains(&name) || !task.is_of_texts() && DECODER.contains(&name);
        let place = |path: &str| match path.strip_prefix("model.") {
            Some(name) if decides(name) || FREE.contains(&name) => Some(format!("{table}.{name}")),
            None if path == VOCABULARY && learns => Some(path.to_owned()),
            _ => None,
        };
        let taken = |theirs: Setting| Some(Setting { path: place(&theirs.path)?, ..theirs });
        let taken: Vec<_> = theirs.into_iter().filter_map(taken).collect();
        let mut fixed = taken.iter().filter(|one| !FREE.contains(&schema::name(&one.path)));
        fixed.try_for_each(|one| self.agrees(one, table, init))?;
        // Prepared data may say another size of a given vocabulary than it has.
        let is_taken = |own: &Setting| taken.iter().any(|one| one.path == own.path);
        let path = self.path.clone();
        self.settings.retain(|own| is_given(own, &path) || !is_taken(own));
        Ok(self.above(taken))
    }

    /// Checks that a person gave the key of `theirs` no other value. What prepared data say of their vocabulary is compared
    /// where they are opened.
    fn agrees(&self, theirs: &Setting, table: &str, init: &Path) -> Result<()> {
        let own = self.settings.iter().rev().find(|own| own.path == theirs.path);
        let Some(own) = own.filter(|own| is_given(own, &self.path)) else { return Ok(()) };
        let (is, was) = (checked(own)?, checked(theirs)?);
        if is == was {
            return Ok(());
        }
        let (origin, key, init) = (&own.origin, &own.path, init.display());
        Err(Error::misuse(format!(
            "{origin}: `{key}` is {is}, but {init}, the run of `{table}.init`, has {was}: leave the key out"
        )))
    }
}

/// Whether a person gave the setting, in the file `config` or elsewhere: it is not of prepared data.
fn is_given(setting: &Setting, config: &Path) -> bool {
    !matches!(&setting.origin, Origin::File(path, _) if path != config)
}
