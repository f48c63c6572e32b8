//! `[distill.METHOD]`: the options of methods beside Align-to-Distill.

use schemars::JsonSchema;
use serde::de::value::StrDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The options of `selective`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectiveConfig {
    /// The share of target tokens that the teacher's words count for, those with the largest loss of the student: more
    /// than 0, at most 1. `alpha` weighs them as in other methods; 0.5 is the paper's choice.
    pub ratio: f64,
    /// The tokens that a token is compared with.
    pub mode: SelectMode,
    /// The number of tokens that `global` keeps. The paper has 30000 and 50000 for larger data.
    pub queue: usize,
}

/// The tokens that share a selection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SelectMode {
    /// Those of the batch.
    #[default]
    Batch,
    /// Those of the latest batches.
    Global,
}

/// Patient Knowledge Distillation: the directions of hidden states, in means over tokens and layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PkdConfig {
    /// Weight of the terms. The default is the paper's for 768 features.
    pub weight: f64,
    /// The student's layers that follow the evenly spaced layers of the teacher.
    pub layers: PkdLayers,
    /// Compare the encoder's states.
    pub encoder: bool,
    /// Compare the decoder's states.
    pub decoder: bool,
}

/// The student's layers that take part in PKD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PkdLayers {
    /// All of them.
    #[default]
    All,
    /// All but the last, as in the paper.
    Inner,
}

/// Combinatorial Knowledge Distillation: the directions of hidden states, each of several layers of the teacher together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CkdConfig {
    /// Weight of the terms, which are means over tokens and layers.
    pub weight: f64,
    /// The teacher's layers, counted from 1, for each layer of the student: a name, or lists as in `[[1, 2], [3, 4]]`.
    #[schemars(with = "GroupName")]
    pub groups: Groups,
    /// Compare the encoder's states.
    pub encoder: bool,
    /// Compare the decoder's states, which the authors advise against.
    pub decoder: bool,
    /// Weight of the attention scores before the softmax, of the sides that are compared: means over queries, heads and
    /// layers of sums over keys. 0: not compared.
    pub attention_weight: f64,
}

/// RAIL-KD: the directions of projected means of sentences, of layers that are drawn in each epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RailConfig {
    /// Weight of the terms, which are means over sentences.
    pub weight: f64,
    /// What is projected together.
    pub form: RailForm,
    /// The width of the projections.
    pub width: usize,
    /// Compare the encoder's states.
    pub encoder: bool,
    /// Compare the decoder's states.
    pub decoder: bool,
}

/// What RAIL-KD projects together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RailForm {
    /// Each layer by itself; the differences are summed.
    #[default]
    Layerwise,
    /// All layers together.
    Concatenated,
}

/// ALP-KD: hidden states follow mixtures of the teacher's layers, in sums over layers of means over tokens and features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlpConfig {
    /// Weight of the terms.
    pub weight: f64,
    /// The teacher's layers, counted from 1, for each layer of the student: a name, or lists as in `[[1, 2], [3, 4]]`.
    #[schemars(with = "GroupName")]
    pub groups: Groups,
    /// Divide products by the square root of the width. Without it, wide states attend to one layer alone.
    pub scaled: bool,
    /// Take the weights of the mixture as constants in the gradient.
    pub detached: bool,
    /// Compare the encoder's states.
    pub encoder: bool,
    /// Compare the decoder's states.
    pub decoder: bool,
}

/// TinyBERT: embeddings, hidden states and attention scores, in sums over layers of means over all else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TinyBertConfig {
    /// Weight of the terms.
    pub weight: f64,
    /// Compare embeddings and hidden states.
    pub states: bool,
    /// Compare attention scores before the softmax.
    pub scores: bool,
    /// Compare the encoder.
    pub encoder: bool,
    /// Compare the decoder.
    pub decoder: bool,
    /// Compare the scores of cross-attention.
    pub cross: bool,
}

/// MiniLM and MiniLMv2: relations between the tokens of a sentence, in means over sentences, tokens and heads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiniLmConfig {
    /// Weight of the terms.
    pub weight: f64,
    /// 1: queries with keys, values with values. 2: queries, keys and values with themselves, in relation heads.
    pub version: usize,
    /// The relation heads of version 2, which must divide both widths; 0: as many as the teacher's attention heads.
    pub relation_heads: usize,
    /// The teacher's layer, counted from 1, that the student's last layer follows; 0: the last.
    pub layer: usize,
    /// Compare the encoder's self-attention.
    pub encoder: bool,
    /// Compare the decoder's self-attention.
    pub decoder: bool,
    /// Compare the cross-attention.
    pub cross: bool,
}

/// The teacher's layers for each layer of the student, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupName {
    /// All layers for each.
    All,
    /// As many for each, one group after the other.
    Regular,
    /// Of six layers for two: 1 to 4, 3 to 6.
    Overlap,
    /// Of six layers for two: 1 and 2, 5 and 6.
    SkipMiddle,
    /// Of six layers for two: 1 and 3, 4 and 6.
    Cross,
    /// Of six layers for two: 1, 3 and 5; 2, 4 and 6.
    SkipComb,
}

/// The teacher's layers for each layer of the student.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Groups {
    /// By name.
    Named(GroupName),
    /// The layers, counted from 1, for the first layer of the student, for the second, and so on.
    Listed(Vec<Vec<usize>>),
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NameOrLists)
    }
}

struct NameOrLists;

impl<'de> Visitor<'de> for NameOrLists {
    type Value = Groups;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a grouping, or a list of layers for each layer of the student")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Groups, E> {
        GroupName::deserialize(StrDeserializer::<E>::new(text)).map(Groups::Named)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Groups, A::Error> {
        let mut groups = Vec::new();
        while let Some(group) = list.next_element()? {
            groups.push(group);
        }
        Ok(Groups::Listed(groups))
    }
}

impl Default for SelectiveConfig {
    fn default() -> Self {
        Self { ratio: 0.5, mode: SelectMode::Batch, queue: 20_000 }
    }
}

impl Default for PkdConfig {
    fn default() -> Self {
        Self { weight: 0.65, layers: PkdLayers::All, encoder: true, decoder: true }
    }
}

impl Default for CkdConfig {
    fn default() -> Self {
        let groups = Groups::Named(GroupName::Regular);
        Self { weight: 1.4, groups, encoder: true, decoder: false, attention_weight: 0.0 }
    }
}

impl Default for RailConfig {
    fn default() -> Self {
        let form = RailForm::Layerwise;
        Self { weight: 0.5, form, width: 128, encoder: true, decoder: true }
    }
}

impl Default for AlpConfig {
    fn default() -> Self {
        Self {
            weight: 0.2,
            groups: Groups::Named(GroupName::All),
            scaled: false,
            detached: false,
            encoder: true,
            decoder: true,
        }
    }
}

impl Default for TinyBertConfig {
    fn default() -> Self {
        Self { weight: 1.0, states: true, scores: true, encoder: true, decoder: true, cross: true }
    }
}

impl Default for MiniLmConfig {
    fn default() -> Self {
        Self {
            weight: 1.0,
            version: 2,
            relation_heads: 0,
            layer: 0,
            encoder: true,
            decoder: true,
            cross: true,
        }
    }
}

/// The options of `r-drop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RDropConfig {
    /// Weight of the divergence of two passes, a mean over target tokens of half the sum of both directions.
    pub weight: f64,
}

impl Default for RDropConfig {
    fn default() -> Self {
        Self { weight: 5.0 }
    }
}
