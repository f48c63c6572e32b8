//! The weighted sum of all terms.

use super::losses::Report;
use super::maps::MapTerms;
use super::roles::{Student, Taught, Teacher, forward};
use crate::backend::{TeacherRows, TokenLoss, Train};
use crate::batch::{Batch, Layout};
use crate::nn::{Trace, Transformer};
use crate::rows::TokenRow;
use crate::tape::{Tape, Var};

/// How the teacher's word distribution enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KdLoss {
    /// Cross-entropy to the teacher's probabilities (the authors').
    CrossEntropy,
    /// `student_temperature * teacher_temperature * KL(teacher || student)` (Hinton's).
    KlTau2,
}

/// What the token losses are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// By all positions of the padded batch, and every gradient by the number of target tokens once more.
    Official,
    /// By the number of target tokens.
    Mean,
}

/// The weighted terms of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Of the cross-entropy, fairseq's.
    pub label_smoothing: f32,
    /// The share of the teacher's words; 0 without a teacher.
    pub alpha: f32,
    /// Divides the student's logits in `kd`.
    pub student_temperature: f32,
    /// Divides the teacher's logits in `kd`.
    pub teacher_temperature: f32,
    /// How the teacher's words enter.
    pub kd_loss: KdLoss,
    /// What token losses are divided by.
    pub norm: Norm,
    /// The attention terms; none is word-level distillation or plain training.
    pub maps: Option<MapTerms>,
}

/// What one update is made of: sums over its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// B
    pub sentences: usize,
    /// Real source tokens.
    pub source_tokens: usize,
    /// Real target tokens.
    pub target_tokens: usize,
}

impl Counts {
    /// Of one batch.
    pub fn of<I>(batch: &Batch<I>) -> Self {
        Self {
            sentences: batch.sentences,
            source_tokens: batch.source_tokens,
            target_tokens: batch.target_tokens,
        }
    }

    /// Of two together.
    pub fn and(self, other: Self) -> Self {
        Self {
            sentences: self.sentences + other.sentences,
            source_tokens: self.source_tokens + other.source_tokens,
            target_tokens: self.target_tokens + other.target_tokens,
        }
    }
}

impl Objective {
    /// Padding matters only to attention terms that look at it.
    pub fn layout(&self) -> Layout {
        match self.maps {
            Some(MapTerms { masked: false, .. }) => Layout::Padded,
            _ => Layout::Packed,
        }
    }

    /// What the optimiser multiplies the summed gradients of an update by.
    pub fn gradient_scale(&self, update: &Counts) -> f32 {
        match self.norm {
            Norm::Official => 1.0 / update.target_tokens.max(1) as f32,
            Norm::Mean => 1.0,
        }
    }

    /// What a sum over target tokens is multiplied by.
    fn per_token<I>(&self, batch: &Batch<I>, update: &Counts) -> f64 {
        1.0 / match self.norm {
            Norm::Official => batch.padded_targets,
            Norm::Mean => update.target_tokens,
        }
        .max(1) as f64
    }

    fn row(&self, per_token: f64) -> TokenRow {
        let alpha = f64::from(self.alpha);
        TokenRow {
            label_smoothing: self.label_smoothing,
            student_temperature: self.student_temperature,
            teacher_temperature: self.teacher_temperature,
            ce_weight: ((1.0 - alpha) * per_token) as f32,
            kd_weight: (alpha * self.kd_factor() * per_token) as f32,
        }
    }

    pub(super) fn kd_factor(&self) -> f64 {
        match self.kd_loss {
            KdLoss::CrossEntropy => 1.0,
            KdLoss::KlTau2 => {
                f64::from(self.student_temperature) * f64::from(self.teacher_temperature)
            }
        }
    }

    /// Runs the student on a tape and counts every term in. `update` is the whole update that the batch is part of,
    /// `epoch` counts from 1.
    pub fn record<B: Train, const N: usize>(
        &self,
        tape: &mut Tape<'_, B>,
        batch: &Batch<B::Index>,
        student: &Student<Var<B::Tensor>, N>,
        teacher: Option<(&B::Tensor, &Taught<B::Tensor>)>,
        update: &Counts,
        epoch: u64,
    ) -> Report<B::Tensor> {
        let per_token = self.per_token(batch, update);
        let mut maps = Trace::default();
        let hidden = if self.maps.is_some() {
            forward(&student.model, tape, batch, &mut maps)
        } else {
            forward(&student.model, tape, batch, &mut ())
        };
        let rows = teacher.map(|(table, taught)| TeacherRows { hidden: &taught.hidden, table });
        let tokens = tape.token_loss(
            &hidden,
            student.model.target_table(),
            rows,
            &batch.targets,
            self.with(teacher.is_some()).row(per_token),
        );
        let maps = match (&self.maps, &student.align, teacher) {
            (Some(terms), Some(align), Some((_, taught))) => {
                let aligned = align.forward(tape, &maps, batch);
                terms.record(tape, batch, &aligned, &taught.maps, update, epoch)
            }
            _ => [None, None, None],
        };
        Report { tokens, maps, objective: self.with(teacher.is_some()), per_token }
    }

    /// Itself, or without a teacher the objective that is left.
    fn with(&self, teacher: bool) -> Self {
        if teacher { *self } else { Self { alpha: 0.0, ..*self } }
    }

    /// The losses of a batch without dropout, gradients and attention terms: for validation.
    pub fn evaluate<B: Train, const N: usize>(
        &self,
        b: &mut B,
        batch: &Batch<B::Index>,
        model: &Transformer<B::Tensor, N>,
        teacher: Option<&Teacher<B::Tensor, N>>,
    ) -> Report<B::Tensor> {
        let per_token = self.per_token(batch, &Counts::of(batch));
        let hidden = forward(model, b, batch, &mut ());
        let taught = teacher.map(|t| (t.model.target_table(), t.teach(b, batch, false)));
        let losses = b.token_loss(TokenLoss {
            hidden: &hidden,
            table: model.target_table(),
            teacher: taught.as_ref().map(|(table, t)| TeacherRows { hidden: &t.hidden, table }),
            targets: &batch.targets,
            row: self.with(teacher.is_some()).row(per_token),
            gradient: false,
        });
        Report {
            tokens: losses.values,
            maps: [None, None, None],
            objective: self.with(teacher.is_some()),
            per_token,
        }
    }
}
