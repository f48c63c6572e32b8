//! What a model is trained for.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a model is trained for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Translation. The model has an encoder and a decoder.
    #[default]
    Translate,
    /// A label for a text. The model has an encoder and a head.
    Classify,
    /// A vector for a text. The model has an encoder and a head.
    Embed,
}

impl Task {
    /// Whether the model is an encoder, which reads texts and writes none.
    pub fn is_of_texts(self) -> bool {
        self != Self::Translate
    }

    /// The texts of a line of the data: source and target, or the source alone. The target of a text to classify is its
    /// label, that of a text to embed is empty.
    pub fn texts(self) -> usize {
        if self.is_of_texts() { 1 } else { 2 }
    }

    /// What the lines of the data are, for people.
    pub fn items(self) -> &'static str {
        if self.is_of_texts() { "texts" } else { "pairs" }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Translate => "translate",
            Self::Classify => "classify",
            Self::Embed => "embed",
        })
    }
}
