//! The weighted sum of all terms.

use super::counts::Counts;
use super::inputs::{Counted, Inputs, Part};
use super::losses::{Losses, Report, Reports};
use super::maps::MapTerms;
use super::roles::{Student, Taught, Teacher, forward};
use super::term::{Term, Terms, WORDS};
use super::vectors::Vectors;
use crate::backend::{TeacherRows, TokenLoss, Train};
use crate::batch::{Batch, Layout};
use crate::needs::Needs;
use crate::nn::{Trace, Transformer};
use crate::rows::TokenRow;
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// The values of a token loss.
const TOKEN_VALUES: usize = 5;

/// The form of the loss on the teacher's word distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KdLoss {
    /// Cross-entropy to the teacher's probabilities (the authors' form).
    CrossEntropy,
    /// `student_temperature * teacher_temperature * KL(teacher || student)` (Hinton's form).
    KlTau2,
}

/// The divisor of the token losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossNorm {
    /// The number of positions of the padded batch. Gradients are also divided by the number of target tokens.
    Official,
    /// The number of target tokens.
    Mean,
}

/// The weighted terms of the loss, and their options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Label smoothing of the cross-entropy, as in fairseq.
    pub label_smoothing: f32,
    /// The weight of the teacher's word distribution; 0 without a teacher.
    pub alpha: f32,
    /// Divides the student's logits in `kd`.
    pub student_temperature: f32,
    /// Divides the teacher's logits in `kd`.
    pub teacher_temperature: f32,
    /// The form of the loss on the teacher's word distribution.
    pub kd_loss: KdLoss,
    /// The divisor of the token losses.
    pub norm: LossNorm,
    /// The terms of the method. Empty for word-level distillation and plain training.
    pub terms: Terms,
}

impl Objective {
    /// The data that the terms of the method need.
    pub fn needs(&self) -> Needs {
        self.terms.needs()
    }

    /// The layout of batches: padded if a term needs padding.
    pub fn layout(&self) -> Layout {
        let padded = self.terms.iter().any(|term| term.layout() == Layout::Padded);
        if padded { Layout::Padded } else { Layout::Packed }
    }

    /// The optimiser's factor of the summed gradients of an update.
    pub fn gradient_scale(&self, update: &Counts) -> f32 {
        match self.norm {
            LossNorm::Official => 1.0 / update.target_tokens.max(1) as f32,
            LossNorm::Mean => 1.0,
        }
    }

    /// The factor of a sum over target tokens.
    fn per_token<I>(&self, batch: &Batch<I>, update: &Counts) -> f64 {
        1.0 / match self.norm {
            LossNorm::Official => batch.padded_targets,
            LossNorm::Mean => update.target_tokens,
        }
        .max(1) as f64
    }

    pub(super) fn row(&self, per_token: f64) -> TokenRow {
        let alpha = f64::from(self.alpha);
        TokenRow {
            label_smoothing: self.label_smoothing,
            student_temperature: self.student_temperature,
            teacher_temperature: self.teacher_temperature,
            ce_weight: ((1.0 - alpha) * per_token) as f32,
            kd_weight: (alpha * self.kd_factor() * per_token) as f32,
            mutual: false,
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

    /// Runs the student on a tape, with the gradients of all terms.
    pub fn record<B: Train, const N: usize>(
        &self,
        tape: &mut Tape<'_, B>,
        part: &Part<'_, B::Index>,
        student: &Student<Var<B::Tensor>, N>,
        teacher: Option<&Taught<'_, B::Tensor, N>>,
    ) -> Report<B::Tensor> {
        let Part { batch, chosen, update, .. } = *part;
        let per_token = self.per_token(batch, update);
        let mut seen = Trace::of(self.needs());
        let hidden = forward(&student.model, tape, batch, &mut seen);
        let (output, row) = (student.model.output(), self.with(teacher.is_some()));
        if student.model.makes_vectors() {
            let own = student.model.vectors(tape, hidden);
            let theirs = teacher.map(|of| of.model.vectors(tape.backend(), of.hidden.clone()));
            let vectors = theirs.as_ref().map(|theirs| (&own, theirs));
            let terms = self.terms_of(tape, part, student, teacher, &seen, vectors);
            let tokens = tape.backend().zeros(Shape::vector(TOKEN_VALUES));
            return self.report(tokens, terms, teacher.is_some(), per_token);
        }
        let words = |tape: &mut Tape<'_, B>, hidden: &_, share: f64| {
            let row = row.row(share * per_token);
            match (chosen, teacher) {
                (Some(of), Some(teacher)) => of.record(tape, hidden, output, rows(teacher), row),
                _ => tape.token_loss(hidden, output, teacher.map(rows), &batch.targets, row),
            }
        };
        let (tokens, agreement) = match self.terms.iter().find_map(Term::two_passes) {
            None => (words(tape, &hidden, 1.0), None),
            Some(of) => {
                let again = forward(&student.model, tape, batch, &mut ());
                let both = [&hidden, &again].map(|hidden| words(tape, hidden, 0.5));
                let targets = &batch.targets;
                let apart = of.record(tape, [&hidden, &again], output, targets, per_token);
                let weight = f64::from(of.weight) * per_token;
                (mean(tape.backend(), both), Some((apart, weight)))
            }
        };
        let terms = self.terms_of(tape, part, student, teacher, &seen, None);
        Report { agreement, ..self.report(tokens, terms, teacher.is_some(), per_token) }
    }

    /// The terms of the method.
    fn terms_of<B: Train, const N: usize>(
        &self,
        tape: &mut Tape<'_, B>,
        part: &Part<'_, B::Index>,
        student: &Student<Var<B::Tensor>, N>,
        teacher: Option<&Taught<'_, B::Tensor, N>>,
        seen: &Trace<Var<B::Tensor>>,
        vectors: Option<(&Var<B::Tensor>, &B::Tensor)>,
    ) -> Vec<Counted<B::Tensor>> {
        let Some(taught) = teacher else { return Vec::new() };
        let Part { batch, update, epoch, .. } = *part;
        let of = Inputs {
            batch,
            student: seen,
            teacher: &taught.seen,
            fixed: taught.fixed,
            vectors,
            auxiliary: &student.auxiliary,
            update,
            epoch,
        };
        let mut terms = Vec::new();
        for term in self.terms.iter() {
            terms.extend(term.record(tape, &of));
        }
        terms
    }

    /// An empty list for the losses of batches, which all have the same terms.
    pub fn reports<T>(&self) -> Reports<T> {
        let own = self.terms.iter().flat_map(Term::names).map(|named| named.name);
        // Every log has their columns, whatever the method.
        let always = MapTerms::NAMES.map(|named| named.name);
        let own = own.filter(|name| !always.contains(name));
        let words = WORDS.map(|named| named.name);
        let names = words.into_iter().chain(always).chain(own).chain(["nll", "teacher_nll"]);
        Reports::new(Losses::zeros(names))
    }

    /// The report of the token losses and the terms of the method.
    fn report<T>(
        &self,
        tokens: T,
        terms: Vec<Counted<T>>,
        teacher: bool,
        per_token: f64,
    ) -> Report<T> {
        let alpha = f64::from(self.with(teacher).alpha);
        let divergence = (self.kd_loss == KdLoss::KlTau2).then(|| self.kd_factor());
        Report { tokens, agreement: None, terms, alpha, divergence, per_token }
    }

    /// The objective; without a teacher, `alpha` is 0.
    fn with(&self, teacher: bool) -> Self {
        if teacher { *self } else { Self { alpha: 0.0, ..*self } }
    }

    /// The losses of a batch for validation: without dropout, gradients and attention terms. Of vectors, their directions.
    pub fn evaluate<B: Train, const N: usize>(
        &self,
        b: &mut B,
        batch: &Batch<B::Index>,
        model: &Transformer<B::Tensor, N>,
        teacher: Option<&Teacher<B::Tensor, N>>,
    ) -> Report<B::Tensor> {
        let per_token = self.per_token(batch, &Counts::of(batch));
        let hidden = forward(model, b, batch, &mut ());
        let taught = teacher.map(|teacher| teacher.teach(b, batch, Needs::NONE));
        if model.makes_vectors() {
            let own = model.vectors(b, hidden);
            let theirs = taught.map(|of| of.model.vectors(b, of.hidden));
            let terms =
                theirs.iter().map(|theirs| Vectors::evaluate(b, batch, &own, theirs)).collect();
            let tokens = b.zeros(Shape::vector(TOKEN_VALUES));
            return self.report(tokens, terms, teacher.is_some(), per_token);
        }
        let (table, bias) = model.output();
        let losses = b.token_loss(TokenLoss {
            hidden: &hidden,
            table,
            bias,
            teacher: taught.as_ref().map(rows),
            targets: &batch.targets,
            row: self.with(teacher.is_some()).row(per_token),
            gradient: false,
        });
        self.report(losses.values, Vec::new(), teacher.is_some(), per_token)
    }
}

/// The mean of the values of two passes.
fn mean<B: Train>(b: &mut B, [one, other]: [B::Tensor; 2]) -> B::Tensor {
    let sum = b.add(one, &other);
    b.scale(sum, 0.5)
}

/// The teacher's side of the token losses.
fn rows<'a, T, const N: usize>(taught: &'a Taught<'_, T, N>) -> TeacherRows<'a, T> {
    let (table, bias) = taught.model.output();
    TeacherRows { hidden: &taught.hidden, table, bias }
}
