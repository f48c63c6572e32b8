//! `[distill]`: the distillation of a teacher into a student.

use super::{
    AlpConfig, BeamSearch, CkdConfig, Methods, MiniLmConfig, PkdConfig, RDropConfig, RailConfig,
    SelectiveConfig, StageConfig, Staging, Task, TinyBertConfig,
};
use a2d_core::needs::Needs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The losses of distillation and their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistillConfig {
    /// The distillation method, or a list of methods that work together, as in `["seq-kd", "a2d"]`: the student learns
    /// from the teacher's translations, and beside them from its maps and words.
    #[schemars(with = "Method")]
    pub method: Methods,
    /// A named choice of loss normalisation and map comparison.
    pub preset: Preset,
    /// Weight of the teacher's distribution in the word loss; the reference has 1 - `alpha`.
    pub alpha: f64,
    /// Weight of the attention terms. The default depends on the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// Factor applied to `beta` after each epoch.
    pub decay: f64,
    /// Softmax temperature of the student's logits.
    pub student_temperature: f64,
    /// Softmax temperature of the teacher's logits.
    pub teacher_temperature: f64,
    /// Distil the encoder's self-attention.
    pub encoder_kd: bool,
    /// Distil the decoder's self-attention.
    pub self_kd: bool,
    /// Distil the cross-attention.
    pub cross_kd: bool,
    /// The form of the word loss against the teacher.
    pub kd_loss: KdLoss,
    /// Weight of the directions of vectors, with `task = "embed"`: 1 less the cosine, in means over texts.
    pub cosine: f64,
    /// Weight of the distances of a vector to the others of a batch, with `task = "embed"`: a divergence of softmaxes.
    pub relations: f64,
    /// The teacher's translation that `seq-kd` uses as target.
    pub seq_kd: SeqKd,
    /// Translations made elsewhere, for `seq-kd` in place of a teacher's: line N is the translation of line N of the
    /// training source. Plain or gzipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translations: Option<PathBuf>,
    /// Beam size of the teacher's search for `seq-kd`.
    pub seq_kd_beam: usize,
    /// The teacher's layers that initialise the student; default: random initialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from_teacher: Option<InitFromTeacher>,
    /// Also train the same student without a teacher, in `OUT/alone`, and compare both.
    pub baseline: bool,
    /// Keep what the teacher says of each training sentence after the first epoch, in place of running it again: its last
    /// hidden states, and the maps, states or projections that the method needs.
    pub cache: CacheKind,
    /// The precision of what is kept. With `f32`, the CPU backend computes the same bits as without a cache.
    pub cache_precision: CachePrecision,
    /// The most that is kept by each process, in GiB. The teacher runs again for sentences beyond it.
    pub cache_gib: f64,
    /// Pass the teacher's maps through the alignment modules in its checkpoint, as the authors' scripts do.
    pub teacher_aam: bool,
    /// The student maps that each teacher map is compared with: a learned mixture, or a fixed one as a control.
    pub mapping: Mapping,
    /// What the mapping mixes of the student's maps. Default: `scores` with preset `rows`, unless `map_normalisation` or
    /// `map_mask` rule them out; otherwise `probabilities`, as the authors do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_input: Option<MapInput>,
    /// The learning rate of the alignment module, as a factor of the student's.
    pub align_lr: f64,
    /// Weight decay of the alignment module; default: `train.weight_decay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub align_weight_decay: Option<f64>,
    /// Overrides the preset: softmax over the whole map, or each row as a distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_normalisation: Option<MapNormalisation>,
    /// Overrides the preset: exclude padding and the causal triangle from the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_mask: Option<bool>,
    /// Overrides the preset: sum or mean of the divergences over maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_reduction: Option<MapReduction>,
    /// Overrides the preset: the normalisation of losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<LossNorm>,
    /// The options of `selective`.
    pub selective: SelectiveConfig,
    /// The options of `pkd`: the directions of hidden states, in means over tokens and layers.
    pub pkd: PkdConfig,
    /// The options of `ckd`: the directions of hidden states, each of several layers of the teacher together.
    pub ckd: CkdConfig,
    /// The options of `rail-kd`: the directions of projected means of sentences, of layers that are drawn in each
    /// epoch.
    pub rail: RailConfig,
    /// The options of `alp-kd`: hidden states follow mixtures of layers, in sums over layers of means over tokens and
    /// features.
    pub alp: AlpConfig,
    /// The options of `tinybert`: embeddings, hidden states and attention scores, in sums over layers of means over all
    /// else.
    pub tinybert: TinyBertConfig,
    /// The options of `minilm`: relations between the tokens of a sentence, in means over sentences, tokens and heads.
    pub minilm: MiniLmConfig,
    /// The options of `r-drop`.
    pub rdrop: RDropConfig,
    /// What the models of `stages` are.
    pub staging: Staging,
    /// Models between the teacher and the student, in the order in which they are used; each is trained in the folder
    /// `OUT/NAME`. A stage has a `name`, and the keys of `[model]` and `[train]` in which its model and its training
    /// differ from the student's: `d_model` and `ffn_dim` are then those of both stacks. In a `curriculum`, `model` is
    /// a teacher, which is trained as `[teacher.train]` says, and `train` the student's training by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageConfig>,
}

/// The distillation method.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Align-to-Distill: word distributions, and attention maps through learned head alignment.
    #[default]
    A2d,
    /// Word-level distillation: the teacher's word distributions.
    WordKd,
    /// Selective distillation: the teacher's word distributions where the student's loss is largest.
    Selective,
    /// Patient Knowledge Distillation: word distributions, and hidden states of evenly spaced layers.
    Pkd,
    /// Combinatorial Knowledge Distillation: word distributions, and hidden states of groups of layers.
    Ckd,
    /// RAIL-KD: word distributions, and hidden states of layers drawn in each epoch.
    RailKd,
    /// ALP-KD: word distributions, and hidden states of mixed layers.
    AlpKd,
    /// TinyBERT: word distributions, embeddings, hidden states and attention scores.
    Tinybert,
    /// MiniLM: word distributions, and relations of queries, keys and values.
    Minilm,
    /// R-Drop: two passes of the student with different dropout agree on the next word. Needs no teacher.
    RDrop,
    /// Sequence-level distillation: the teacher's translations of the training source replace the references.
    SeqKd,
    /// No distillation: the student is trained without a teacher.
    None,
}

impl Method {
    /// The inputs that the method needs in training.
    pub const fn needs(self) -> Needs {
        match self {
            Self::A2d => Needs { words: true, maps: true, ..Needs::NONE },
            Self::WordKd | Self::Selective => Needs { words: true, ..Needs::NONE },
            Self::Pkd | Self::Ckd | Self::RailKd | Self::AlpKd => {
                Needs { words: true, hidden: true, ..Needs::NONE }
            }
            Self::Tinybert => Needs { words: true, hidden: true, projections: true, ..Needs::NONE },
            Self::Minilm => Needs { words: true, projections: true, ..Needs::NONE },
            Self::RDrop => Needs::NONE,
            Self::SeqKd => Needs { translations: true, ..Needs::NONE },
            Self::None => Needs::NONE,
        }
    }

    /// The display name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A2d => "A2D",
            Self::WordKd => "word-kd",
            Self::Selective => "Selective KD",
            Self::Pkd => "PKD",
            Self::Ckd => "CKD",
            Self::RailKd => "RAIL-KD",
            Self::AlpKd => "ALP-KD",
            Self::Tinybert => "TinyBERT",
            Self::Minilm => "MiniLM",
            Self::RDrop => "R-Drop",
            Self::SeqKd => "seq-kd",
            Self::None => "none",
        }
    }
}

/// The name in the configuration.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The target of sequence-level distillation (Kim and Rush, 2016).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeqKd {
    /// The teacher's best hypothesis.
    #[default]
    Best,
    /// The hypothesis of the final beam closest to the reference by sentence BLEU, then by chrF.
    Interpolation,
}

/// Where the teacher's results are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheKind {
    /// Nowhere: the teacher runs in each update.
    #[default]
    Off,
    /// In the host's memory.
    Memory,
    /// In the file `teacher.cache` of the run, which `--resume` uses again. It is removed at the end.
    Disk,
}

/// The precision of the teacher's results that are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CachePrecision {
    /// Single precision.
    #[default]
    F32,
    /// 16 bits: half as large. Losses change a little.
    Bf16,
}

/// The teacher's layers that initialise the student.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InitFromTeacher {
    /// Evenly spaced layers, including the first and the last.
    Skip,
    /// The first layers.
    First,
}

/// Named choices of loss normalisation and map comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Exactly as in the authors' code.
    Official,
    /// Means over real tokens; maps are compared without padding and causal triangle.
    Masked,
    /// As `masked`, with each query's row of a map as a distribution.
    #[default]
    Rows,
}

/// The form of the word loss against the teacher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KdLoss {
    /// Cross-entropy with the teacher's probabilities.
    #[default]
    Ce,
    /// KL divergence from the teacher's probabilities, times the squared temperature.
    KlTau2,
}

/// How maps of teacher and student belong together. All but `learned` are controls without trained parameters. Of unequal
/// numbers of heads, those of the side with fewer are repeated in blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// The alignment module: for each teacher map a mixture of all student maps, which is trained.
    #[default]
    Learned,
    /// The alignment module with its random initial values.
    Frozen,
    /// For each teacher map the mean of all student maps.
    Uniform,
    /// One student map for each teacher map: blocks of teacher layers with one student layer each, head with head.
    Block,
    /// One teacher map for each student map: evenly spaced teacher layers up to the last, head with head.
    Skip,
    /// As `skip`, with the teacher's last layers.
    Last,
    /// As `skip`, in reversed order.
    Reversed,
    /// As `skip`, with the teacher's middle layer alone.
    AllToOne,
    /// As `skip`, in random order.
    RandomLayers,
    /// Another teacher map for each student map, at random.
    RandomHeads,
}

/// What a mapping mixes of the student's maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MapInput {
    /// Probabilities. The mixture passes through a softmax once more.
    Probabilities,
    /// Scores, before the softmax: a mixture of one map is that map. Needs rows without padding, as in preset `rows`.
    Scores,
}

/// The distributions in a map comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MapNormalisation {
    /// A softmax over the whole map.
    Map,
    /// Each query's row.
    Row,
}

/// The reduction of the divergences of all maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MapReduction {
    /// The sum.
    Sum,
    /// The mean over rows and maps.
    Mean,
}

/// The normalisation of losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossNorm {
    /// As in the authors' code: word losses by padded positions, then again by real tokens; map losses by tokens.
    Official,
    /// Word losses by real tokens, map losses by sentences.
    Mean,
}

/// How maps are compared: the preset with its overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapChoices {
    /// What is mixed of the student's maps.
    pub input: MapInput,
    /// The distributions compared.
    pub normalisation: MapNormalisation,
    /// Whether to exclude padding and the causal triangle.
    pub mask: bool,
    /// The reduction over maps.
    pub reduction: MapReduction,
}

impl MapChoices {
    /// Whether scores can be mixed. They are logarithms of probabilities, which padding does not have, and differ from the
    /// scores by a number for each query, which only the softmax of a row removes.
    pub fn admit_scores(&self) -> bool {
        self.normalisation == MapNormalisation::Row && self.mask
    }
}

impl Preset {
    /// The default weight of the attention terms. The value for `masked` gives the attention terms the share of the
    /// loss that they have with `official` in the first epoch of Multi30k at 4096 tokens per batch.
    pub fn beta(self) -> f64 {
        match self {
            Self::Official | Self::Rows => 1.0,
            Self::Masked => 175.0,
        }
    }

    /// How the preset compares maps.
    pub fn maps(self) -> MapChoices {
        let official = MapChoices {
            input: MapInput::Probabilities,
            normalisation: MapNormalisation::Map,
            mask: false,
            reduction: MapReduction::Sum,
        };
        match self {
            Self::Official => official,
            Self::Masked => MapChoices { mask: true, ..official },
            Self::Rows => MapChoices {
                input: MapInput::Scores,
                normalisation: MapNormalisation::Row,
                mask: true,
                reduction: MapReduction::Mean,
            },
        }
    }

    /// The preset's normalisation of losses.
    pub fn norm(self) -> LossNorm {
        match self {
            Self::Official => LossNorm::Official,
            Self::Masked | Self::Rows => LossNorm::Mean,
        }
    }
}

/// The name in the configuration.
impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            method: Method::A2d.into(),
            preset: Preset::default(),
            alpha: 0.5,
            beta: None,
            decay: 0.9,
            student_temperature: 1.0,
            teacher_temperature: 1.0,
            encoder_kd: true,
            self_kd: true,
            cross_kd: true,
            kd_loss: KdLoss::Ce,
            cosine: 1.0,
            relations: 1.0,
            seq_kd: SeqKd::Best,
            translations: None,
            seq_kd_beam: BeamSearch::DEFAULT.beam,
            init_from_teacher: None,
            baseline: false,
            cache: CacheKind::Off,
            cache_precision: CachePrecision::F32,
            cache_gib: 4.0,
            teacher_aam: false,
            mapping: Mapping::Learned,
            map_input: None,
            align_lr: 1.0,
            align_weight_decay: None,
            map_normalisation: None,
            map_mask: None,
            map_reduction: None,
            norm: None,
            selective: SelectiveConfig::default(),
            pkd: PkdConfig::default(),
            ckd: CkdConfig::default(),
            rail: RailConfig::default(),
            alp: AlpConfig::default(),
            tinybert: TinyBertConfig::default(),
            minilm: MiniLmConfig::default(),
            rdrop: RDropConfig::default(),
            staging: Staging::default(),
            stages: Vec::new(),
        }
    }
}

impl DistillConfig {
    /// The weight of the attention terms in the first epoch.
    pub fn beta(&self) -> f64 {
        self.beta.unwrap_or(self.preset.beta())
    }

    /// How maps are compared.
    pub fn maps(&self) -> MapChoices {
        let preset = self.preset.maps();
        let choices = MapChoices {
            normalisation: self.map_normalisation.unwrap_or(preset.normalisation),
            mask: self.map_mask.unwrap_or(preset.mask),
            reduction: self.map_reduction.unwrap_or(preset.reduction),
            ..preset
        };
        let open = if choices.admit_scores() { preset.input } else { MapInput::Probabilities };
        MapChoices { input: self.map_input.unwrap_or(open), ..choices }
    }

    /// The normalisation of losses.
    pub fn norm(&self) -> LossNorm {
        self.norm.unwrap_or(self.preset.norm())
    }

    /// The options for a task: a text model has no decoder to compare.
    pub fn of_task(&self, task: Task) -> Self {
        let mut all = self.clone();
        if task.is_of_texts() {
            (all.self_kd, all.cross_kd) = (false, false);
            all.pkd.decoder = false;
            all.ckd.decoder = false;
            all.rail.decoder = false;
            all.alp.decoder = false;
            (all.tinybert.decoder, all.tinybert.cross) = (false, false);
            (all.minilm.decoder, all.minilm.cross) = (false, false);
        }
        all
    }

    /// The options with the preset's choices filled in.
    pub fn complete(&self) -> Self {
        let maps = self.maps();
        Self {
            beta: Some(self.beta()),
            map_input: Some(maps.input),
            map_normalisation: Some(maps.normalisation),
            map_mask: Some(maps.mask),
            map_reduction: Some(maps.reduction),
            norm: Some(self.norm()),
            ..self.clone()
        }
    }
}
