//! Align-to-Distill: what the student learns from, and how the terms are weighed.
//!
//! `loss = (1 - alpha) ce + alpha kd + w KL_encoder + w / 2 (KL_decoder + KL_cross)`, `w = beta decay^(epoch - 1)`
//! (arXiv 2403.01479, section 3; constants and reductions as in the authors' code, see [`Objective`]).

mod align;
mod losses;

pub use align::{Align, HeadMix};
pub use losses::Losses;

use crate::backend::{Lost, MapLoss, Normalisation, Target, TeacherRows, TokenLoss, Train};
use crate::batch::{Batch, Layout};
use crate::nn::{Trace, Transformer};
use crate::params::Visit;
use crate::rows::TokenRow;
use crate::tape::{Tape, Var};

/// The student with its alignment: everything that learns.
#[derive(Clone, Debug)]
pub struct Student<P, const N: usize> {
    /// What is kept.
    pub model: Transformer<P, N>,
    /// What only training needs; none without attention terms.
    pub align: Option<Align<P>>,
}

impl<P, const N: usize> Student<P, N> {
    /// Maps every parameter: the model's, then the alignment's.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Student<Q, N>, E> {
        Ok(Student {
            model: self.model.try_map(f)?,
            align: self.align.as_ref().map(|a| a.try_map(f)).transpose()?,
        })
    }
}

/// The teacher, at rest.
#[derive(Clone, Debug)]
pub struct Teacher<T, const N: usize> {
    /// The model.
    pub model: Transformer<T, N>,
    /// A frozen alignment that its maps pass through first, as in the authors' script; normally none.
    pub align: Option<Align<T>>,
}

/// What the teacher says of a batch.
pub struct Taught<T> {
    /// `[N, D]`, before the output projection.
    pub hidden: T,
    /// Its attention maps; empty if not asked for.
    pub maps: Trace<T>,
}

impl<T: Clone, const N: usize> Teacher<T, N> {
    /// Runs the teacher on a batch, with or without its maps.
    pub fn teach<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        batch: &Batch<B::Index>,
        maps: bool,
    ) -> Taught<T> {
        if !maps {
            let hidden = forward(&self.model, b, batch, &mut ());
            return Taught { hidden, maps: Trace::default() };
        }
        let mut maps = Trace::default();
        let hidden = forward(&self.model, b, batch, &mut maps);
        let maps = match &self.align {
            Some(align) => align.mix(b, maps, batch),
            None => maps,
        };
        Taught { hidden, maps }
    }
}

/// Source and shifted target to the decoder's hidden states `[N, D]`.
pub fn forward<B: crate::backend::Backend, W: crate::nn::Tap<B::Tensor>, const N: usize>(
    model: &Transformer<B::Param, N>,
    b: &mut B,
    batch: &Batch<B::Index>,
    tap: &mut W,
) -> B::Tensor {
    let memory = model.encode(b, &batch.source, &batch.encoder_grid, tap);
    model.decode(b, &batch.shifted, &memory, &batch.decoder_grid, &batch.cross_grid, tap)
}

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

/// What a sum over maps is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nothing.
    Sum,
    /// The number of sentences.
    Sentence,
    /// The number of real queries times the number of teacher maps.
    Row,
}

/// The named choices of the attention terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapTerms {
    /// Over what a map is a distribution.
    pub normalisation: Normalisation,
    /// The teacher's distribution.
    pub target: Target,
    /// Padding and the causal triangle take no part.
    pub masked: bool,
    /// What the sum is divided by.
    pub reduction: Reduction,
    /// Encoder self-attention counts.
    pub encoder: bool,
    /// Decoder self-attention counts.
    pub decoder: bool,
    /// Cross-attention counts.
    pub cross: bool,
    /// The weight in the first epoch.
    pub beta: f32,
    /// Multiplies the weight after each epoch.
    pub decay: f32,
}

impl MapTerms {
    /// The authors' choices, to the letter.
    pub const OFFICIAL: Self = Self {
        normalisation: Normalisation::Map,
        target: Target::Softmax,
        masked: false,
        reduction: Reduction::Sum,
        encoder: true,
        decoder: true,
        cross: true,
        beta: 1.0,
        decay: 0.9,
    };

    /// Without padding and future, per sentence.
    pub const MASKED: Self =
        Self { masked: true, reduction: Reduction::Sentence, ..Self::OFFICIAL };

    /// Each query's row is a distribution, and the teacher's is taken as it is.
    pub const ROWS: Self = Self {
        normalisation: Normalisation::Row,
        target: Target::Probabilities,
        masked: true,
        reduction: Reduction::Row,
        ..Self::OFFICIAL
    };

    /// The weights of encoder, decoder and cross terms in `epoch` (from 1), before any reduction.
    pub fn weights(&self, epoch: u64) -> [f32; 3] {
        let w = self.beta * libm::powf(self.decay, epoch.saturating_sub(1) as f32);
        let half = if self.decoder && self.cross { 0.5 } else { 1.0 };
        let of = |on: bool, factor: f32| if on { w * factor } else { 0.0 };
        [of(self.encoder, 1.0), of(self.decoder, half), of(self.cross, half)]
    }
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

/// Loss values where the backend left them; [`Report::read`] brings them home.
pub struct Report<T> {
    tokens: T,
    maps: [Option<T>; 3],
    weights: [f64; 3],
    objective: Objective,
    per_token: f64,
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

    fn row(&self, per_token: f64, teacher: bool) -> TokenRow {
        let alpha = if teacher { self.alpha } else { 0.0 };
        TokenRow {
            label_smoothing: self.label_smoothing,
            student_temperature: self.student_temperature,
            teacher_temperature: self.teacher_temperature,
            ce_weight: ((1.0 - f64::from(alpha)) * per_token) as f32,
            kd_weight: (f64::from(alpha) * self.kd_factor() * per_token) as f32,
        }
    }

    fn kd_factor(&self) -> f64 {
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
            self.row(per_token, teacher.is_some()),
        );
        let mut report = Report {
            tokens,
            maps: [None, None, None],
            weights: [0.0; 3],
            objective: if teacher.is_some() { *self } else { Self { alpha: 0.0, ..*self } },
            per_token,
        };
        if let (Some(terms), Some(align), Some((_, taught))) = (&self.maps, &student.align, teacher)
        {
            let aligned = align.forward(tape, &maps, batch);
            terms.record(tape, batch, &aligned, &taught.maps, update, epoch, &mut report);
        }
        report
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
            row: self.row(per_token, teacher.is_some()),
            gradient: false,
        });
        Report {
            tokens: losses.values,
            maps: [None, None, None],
            weights: [0.0; 3],
            objective: if teacher.is_some() { *self } else { Self { alpha: 0.0, ..*self } },
            per_token,
        }
    }
}

impl MapTerms {
    #[allow(clippy::too_many_arguments)]
    fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        batch: &Batch<B::Index>,
        aligned: &[Var<B::Tensor>; 3],
        teacher: &Trace<B::Tensor>,
        update: &Counts,
        epoch: u64,
        report: &mut Report<B::Tensor>,
    ) {
        let kinds = [
            (&teacher.encoder, &batch.encoder_grid, update.source_tokens),
            (&teacher.decoder, &batch.decoder_grid, update.target_tokens),
            (&teacher.cross, &batch.cross_grid, update.target_tokens),
        ];
        let weights = self.weights(epoch);
        for (kind, (maps, grid, rows)) in kinds.into_iter().enumerate() {
            if weights[kind] == 0.0 {
                continue;
            }
            let count = match self.reduction {
                Reduction::Sum => 1,
                Reduction::Sentence => update.sentences,
                Reduction::Row => {
                    rows * maps.iter().map(|m| tape.backend().shape(m).rows()).sum::<usize>()
                }
            };
            let weight = f64::from(weights[kind]) / count.max(1) as f64;
            let how = MapLoss {
                normalisation: self.normalisation,
                target: self.target,
                masked: self.masked,
                weight: weight as f32,
            };
            report.maps[kind] = Some(tape.map_loss(&aligned[kind], maps, grid, how));
            report.weights[kind] = weight;
        }
    }
}

impl<T> Report<T> {
    /// The terms as numbers.
    pub fn read<B: Train<Tensor = T>>(&self, b: &mut B) -> Result<Losses, Lost> {
        let mut sums = [0.0; 5];
        b.read(&self.tokens, &mut sums)?;
        let [ce, kd, nll, teacher_nll, entropy] = sums.map(|s| f64::from(s) * self.per_token);
        let kd = match self.objective.kd_loss {
            KdLoss::CrossEntropy => kd,
            KdLoss::KlTau2 => self.objective.kd_factor() * (kd - entropy),
        };
        let mut maps = [0.0; 3];
        for ((out, value), weight) in maps.iter_mut().zip(&self.maps).zip(self.weights) {
            if let Some(value) = value {
                let mut sum = [0.0];
                b.read(value, &mut sum)?;
                *out = weight * f64::from(sum[0]);
            }
        }
        let alpha = f64::from(self.objective.alpha);
        Ok(Losses {
            loss: (1.0 - alpha) * ce + alpha * kd + maps.iter().sum::<f64>(),
            ce,
            kd,
            encoder: maps[0],
            decoder: maps[1],
            cross: maps[2],
            nll,
            teacher_nll,
        })
    }
}
