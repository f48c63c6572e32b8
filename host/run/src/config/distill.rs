//! `[distill]`: what a student learns from its teacher.

use a2d_core::needs::Needs;
use serde::{Deserialize, Serialize};

/// The losses of distillation and their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distill {
    /// What the teacher gives: attention maps and words, words, or nothing.
    pub method: Method,
    /// How losses are normalised and maps compared, as one name.
    pub preset: Preset,
    /// Share of the teacher's words in the word loss; the rest is the reference's.
    pub alpha: f64,
    /// Weight of the attention terms; its default depends on the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// What `beta` is multiplied by after each epoch.
    pub decay: f64,
    /// Temperature of the student's words.
    pub student_temperature: f64,
    /// Temperature of the teacher's words.
    pub teacher_temperature: f64,
    /// Compare the encoder's self-attention.
    pub encoder_kd: bool,
    /// Compare the decoder's self-attention.
    pub self_kd: bool,
    /// Compare the cross-attention.
    pub cross_kd: bool,
    /// The form of the loss on the teacher's words.
    pub kd_loss: KdLoss,
    /// Which of the teacher's translations `seq-kd` learns from.
    pub seq_kd: SeqKd,
    /// Hypotheses that the teacher's search keeps for `seq-kd`.
    pub seq_kd_beam: usize,
    /// Layers of the teacher that the student begins as; absent: none, it begins at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from_teacher: Option<InitFromTeacher>,
    /// Train the same student without a teacher too, in `OUT/alone`, and show both.
    pub baseline: bool,
    /// Pass the teacher's maps through the alignment modules found in its checkpoint, as the
    /// authors' scripts do.
    pub teacher_aam: bool,
    /// Overrides the preset: the softmax of maps runs over the whole map or over each row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_normalisation: Option<MapNormalisation>,
    /// Overrides the preset: padding and the causal triangle stay out of the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_mask: Option<bool>,
    /// Overrides the preset: divergences are summed or averaged over maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_reduction: Option<MapReduction>,
    /// Overrides the preset: what losses are divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<Norm>,
}

/// What the teacher gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Align-to-Distill: words and attention maps through learned head alignment.
    #[default]
    A2d,
    /// The teacher's words only.
    WordKd,
    /// The teacher's translations of the training source, in place of the references.
    SeqKd,
    /// Nothing: the student is trained alone.
    None,
}

impl Method {
    /// What it asks of a training: everything else follows from that.
    pub const fn needs(self) -> Needs {
        match self {
            Self::A2d => Needs { words: true, maps: true, ..Needs::NONE },
            Self::WordKd => Needs { words: true, ..Needs::NONE },
            Self::SeqKd => Needs { translations: true, ..Needs::NONE },
            Self::None => Needs::NONE,
        }
    }

    /// What a student trained by it is called.
    pub const fn student(self) -> &'static str {
        match self {
            Self::A2d => "student by A2D",
            Self::WordKd => "student by word-kd",
            Self::SeqKd => "student by seq-kd",
            Self::None => "student",
        }
    }
}

/// Which translation of a sentence a student learns from (Kim and Rush, 2016).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeqKd {
    /// The one that the teacher finds most likely.
    #[default]
    Best,
    /// Of all that its search ends with, the one closest to the reference by sentence BLEU, then by chrF.
    Interpolation,
}

/// Which layers of a teacher a student begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitFromTeacher {
    /// Spread evenly, the first and the last among them.
    Skip,
    /// The first ones.
    First,
}

/// Named choices of normalisation and of the comparison of maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The authors' code to the letter.
    Official,
    /// Means over real tokens; maps compared without padding and causal triangle.
    Masked,
    /// As `masked`, with each query's row of a map compared as a distribution.
    #[default]
    Rows,
}

/// The form of the loss on the teacher's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KdLoss {
    /// Cross-entropy to the teacher's probabilities.
    #[default]
    Ce,
    /// Divergence from the teacher's probabilities, times the temperature squared.
    KlTau2,
}

/// What is a distribution when two maps are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapNormalisation {
    /// A softmax over the whole map.
    Map,
    /// Each query's row.
    Row,
}

/// How the divergences of many maps become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapReduction {
    /// Their sum.
    Sum,
    /// Their mean over rows and maps.
    Mean,
}

/// What losses are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// As the authors' code: padded positions, then real tokens once more; maps by tokens.
    Official,
    /// Words by real tokens, maps by sentences, once.
    Mean,
}

/// How maps are compared: the preset with its overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapChoices {
    /// What is a distribution.
    pub normalisation: MapNormalisation,
    /// Padding and the causal triangle stay out.
    pub mask: bool,
    /// Sum or mean.
    pub reduction: MapReduction,
}

impl Preset {
    /// The weight of the attention terms where the config gives none. `masked` has with it the share of the loss that
    /// `official` has in Multi30k's first epoch at 4096 tokens a batch.
    pub fn beta(self) -> f64 {
        match self {
            Self::Official | Self::Rows => 1.0,
            Self::Masked => 175.0,
        }
    }

    /// How the preset compares maps.
    pub fn maps(self) -> MapChoices {
        let (normalisation, mask, reduction) = match self {
            Self::Official => (MapNormalisation::Map, false, MapReduction::Sum),
            Self::Masked => (MapNormalisation::Map, true, MapReduction::Sum),
            Self::Rows => (MapNormalisation::Row, true, MapReduction::Mean),
        };
        MapChoices { normalisation, mask, reduction }
    }

    /// What the preset divides losses by.
    pub fn norm(self) -> Norm {
        match self {
            Self::Official => Norm::Official,
            Self::Masked | Self::Rows => Norm::Mean,
        }
    }
}

impl Default for Distill {
    fn default() -> Self {
        Self {
            method: Method::A2d,
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
            seq_kd: SeqKd::Best,
            seq_kd_beam: 5,
            init_from_teacher: None,
            baseline: false,
            teacher_aam: false,
            map_normalisation: None,
            map_mask: None,
            map_reduction: None,
            norm: None,
        }
    }
}

impl Distill {
    /// The weight of the attention terms in the first epoch.
    pub fn beta(&self) -> f64 {
        self.beta.unwrap_or(self.preset.beta())
    }

    /// How maps are compared.
    pub fn maps(&self) -> MapChoices {
        let preset = self.preset.maps();
        MapChoices {
            normalisation: self.map_normalisation.unwrap_or(preset.normalisation),
            mask: self.map_mask.unwrap_or(preset.mask),
            reduction: self.map_reduction.unwrap_or(preset.reduction),
        }
    }

    /// What losses are divided by.
    pub fn norm(&self) -> Norm {
        self.norm.unwrap_or(self.preset.norm())
    }

    /// The options with the preset's choices written out.
    pub fn complete(&self) -> Self {
        let maps = self.maps();
        Self {
            beta: Some(self.beta()),
            map_normalisation: Some(maps.normalisation),
            map_mask: Some(maps.mask),
            map_reduction: Some(maps.reduction),
            norm: Some(self.norm()),
            ..self.clone()
        }
    }
}
