//! A case on a backend, and all checks except search.

use std::collections::BTreeSet;
use std::convert::Infallible;

use a2d_core::backend::{MapInput, Train};
use a2d_core::batch::{Batch, Layout};
use a2d_core::config::Positions;
use a2d_core::kd::{self, Align, Lesson, Losses, Objective, Plan, Step, Student, Teacher, Term};
use a2d_core::needs::Needs;
use a2d_core::nn::{Trace, Transformer};
use a2d_core::params::Spec;
use a2d_core::rows;

use super::case::Case;
use crate::helpers::compare::{Array, Findings, Limit, doubles};
use crate::helpers::model::{LAYERS, Learner, Model, batch, gradients, learner, read};
use crate::helpers::padded::{self, Side};

/// The tolerance of logits, hidden states, maps and losses.
const FORWARD: Limit = Limit::relative(1e-5);
/// The tolerance of gradients.
const GRADIENT: Limit = Limit::relative(2e-5);
/// The tolerance of gradients that are zero up to rounding, for attention terms of weight 1.
const NOISE: f64 = 1e-6;
/// The tolerance of every element of an updated parameter, relative to the sum of the learning rates.
const STEP_EVERY: f64 = 0.2;
/// The tolerance of 99 in 100 elements.
const STEP_MOST: f64 = 0.01;

/// The names of the loss terms in the order of the file.
const TERMS: [&str; 8] =
    ["total", "golden", "kd", "enc", "dec_self", "cross", "nll_student", "nll_teacher"];

/// Parameters whose exact gradient is zero: Adam turns rounding errors into steps of any sign.
fn is_noise(name: &str) -> bool {
    name.ends_with("k_proj.bias") || name.ends_with("alignment_module.bias")
}

/// The elements of `MODEL.name`, whose shape must be that of `spec` (an alignment is a 1x1 convolution in the file).
fn value(case: &Case, model: &str, name: &str, spec: &Spec) -> Vec<f32> {
    let array = case.array(&format!("{model}.{name}"));
    let shape = array.shape.strip_suffix(&[1, 1]).unwrap_or(&array.shape);
    assert_eq!(shape, spec.shape.dims(), "{} {model}.{name}", case.name);
    array.data.iter().map(|x| *x as f32).collect()
}

/// A model with the case's weights.
pub fn model<B: Train>(b: &mut B, case: &Case, name: &str) -> Model<B::Tensor> {
    let spec = Transformer::new(&case.config(name)).expect("a possible model");
    let load = &mut |path: a2d_core::params::Path<'_>, spec: &Spec| {
        Ok(b.tensor(&value(case, name, &path.to_string(), spec), spec.shape))
    };
    let Ok(model) = spec.try_map::<_, Infallible>(load);
    model
}

/// A case on a backend.
pub struct Problem<'a, B: Train> {
    case: &'a Case,
    source: Side,
    target: Side,
    plan: Plan<LAYERS>,
    teacher: Teacher<B::Tensor, LAYERS>,
    objective: Objective,
}

impl<'a, B: Train> Problem<'a, B> {
    /// Loads the teacher and reads the settings.
    pub fn new(b: &mut B, case: &'a Case) -> Self {
        let (student, teacher) = (case.config("student"), case.config("teacher"));
        let objective = case.objective();
        let plan = Plan::new(&student, Some((&objective.terms, &teacher)));
        let align = case.teacher_is_aligned().then(|| {
            let load = &mut |path: a2d_core::params::Path<'_>, spec: &Spec| {
                Ok(b.tensor(&value(case, "teacher", &path.to_string(), spec), spec.shape))
            };
            let Ok(align) = Align::new(&teacher, &teacher).try_map::<_, Infallible>(load);
            align
        });
        let problem = Self {
            case,
            source: Side::new(case.array("batch.src_tokens")),
            target: Side::new(case.array("batch.target")),
            plan: plan.expect("a possible model"),
            teacher: Teacher { align, ..model(b, case, "teacher").into() },
            objective,
        };
        problem.check_shifted();
        problem
    }

    /// Checks that the decoder input of the file is the target shifted right, as [`Batch::new`] shifts it.
    fn check_shifted(&self) {
        let shifted = padded::tokens(self.case.array("batch.prev_output_tokens"));
        for (shifted, target) in shifted.iter().zip(&self.target.sentences) {
            let (last, rest) = target.split_last().expect("targets are not empty");
            assert_eq!((shifted[0], &shifted[1..]), (*last, rest), "{}", self.case.name);
        }
    }

    fn batch(&self, b: &mut B, layout: Layout) -> Batch<B::Index> {
        batch(b, &self.source.sentences, &self.target.sentences, layout)
    }

    /// A student with the case's weights. Every array of the student must be used.
    fn learner(&self, b: &mut B) -> Learner<B> {
        let learner =
            learner(b, self.plan.clone(), |name, spec| value(self.case, "student", name, spec));
        let used: BTreeSet<_> = names(&learner).collect();
        assert_eq!(used, self.case.under("student.").collect(), "{}", self.case.name);
        learner
    }

    /// Checks logits, encoder output, maps, aligned maps and token losses. A packed batch has no padding to compare.
    pub fn check_outputs(&self, b: &mut B, layout: Layout, findings: &mut Findings) {
        let batch = self.batch(b, layout);
        let Student { model, auxiliary } = self.learner(b).student();
        let mut maps = Trace::maps();
        let hidden = kd::forward(&model, b, &batch, &mut maps);
        let logits = model.logits(b, &hidden);
        let memory = model.encode(b, &batch.source, &batch.encoder_grid, &mut ());
        let taught = self.teacher.teach(b, &batch, Needs { maps: true, ..Needs::NONE });
        let teacher_logits = self.teacher.model.logits(b, &taught.hidden);
        for (name, side, value) in [
            ("out.student_logits", &self.target, &logits),
            ("out.teacher_logits", &self.target, &teacher_logits),
            ("out.student_encoder", &self.source, &memory),
        ] {
            let got = |expected: &_, b: &mut B| side.rows(layout, &read(b, value), expected);
            self.forward(b, layout, "output", name, got, findings);
        }
        self.check_positions(findings);
        self.check_maps(b, layout, "map", "map.student", &maps, findings);
        self.check_maps(b, layout, "map", "map.teacher", &taught.seen, findings);
        let align = auxiliary.align.expect("a student that aligns");
        align.mix(b, &mut maps, &batch, MapInput::Probabilities);
        self.check_maps(b, layout, "aligned map", "map.aligned", &maps, findings);
        self.check_token_losses(b, layout, &batch, &model, findings);
    }

    /// Checks the position table, if the file has one; row 1 is that of padding.
    fn check_positions(&self, findings: &mut Findings) {
        let Some(table) = self.case.find("positions") else { return };
        let width = table.shape[1];
        for (n, row) in table.data.chunks(width).enumerate().skip(2) {
            let mut got = vec![0.0; width];
            rows::position(Positions::Fairseq, n as u32 - 2, &mut got);
            let expected = Array { shape: vec![width], data: row.to_vec() };
            let place = format!("{} position {n}", self.case.name);
            findings.close("position", &place, &doubles(&got), &expected, FORWARD);
        }
    }

    fn check_maps(
        &self,
        b: &mut B,
        layout: Layout,
        kind: &'static str,
        prefix: &str,
        maps: &Trace<B::Tensor>,
        findings: &mut Findings,
    ) {
        for (name, layers, queries, keys) in [
            ("enc", &maps.encoder, &self.source, &self.source),
            ("dec_self", &maps.decoder, &self.target, &self.target),
            ("cross", &maps.cross, &self.target, &self.source),
        ] {
            let got = |expected: &_, b: &mut B| {
                let layers: Vec<_> =
                    layers.iter().map(|map| (b.shape(map).rows(), read(b, map))).collect();
                padded::maps(layout, queries, keys, &layers, expected)
            };
            self.forward(b, layout, kind, &format!("{prefix}.{name}"), got, findings);
        }
    }

    fn forward(
        &self,
        b: &mut B,
        layout: Layout,
        kind: &'static str,
        name: &str,
        got: impl FnOnce(&Array, &mut B) -> Vec<f64>,
        findings: &mut Findings,
    ) {
        let expected = self.case.array(name);
        let place = format!("{} {layout:?} {name}", self.case.name);
        findings.close(kind, &place, &got(expected, b), expected, FORWARD);
    }

    /// Checks token losses, which need no gradient and no padding.
    fn check_token_losses(
        &self,
        b: &mut B,
        layout: Layout,
        batch: &Batch<B::Index>,
        model: &Model<B::Tensor>,
        findings: &mut Findings,
    ) {
        let report = self.objective.evaluate(b, batch, model, Some(&self.teacher));
        let mut reports = self.objective.reports();
        reports.push(report, 1.0);
        let terms = terms(&reports.read(b).expect("the device is there"));
        let place = format!("{} {layout:?} evaluated", self.case.name);
        for epoch in self.case.numbered("loss.e") {
            let expected = self.case.array(&format!("loss.e{epoch}"));
            for i in [1, 2, 6, 7] {
                compare_term(findings, &place, i, terms[i], expected);
            }
        }
    }

    /// Checks every term and every gradient at each epoch in the file.
    pub fn check_losses(&self, b: &mut B, findings: &mut Findings) {
        let batches = [vec![self.batch(b, Layout::Padded)]];
        let learner = self.learner(b);
        let epochs = self.case.numbered("loss.e");
        assert!(!epochs.is_empty(), "{}: no losses", self.case.name);
        for epoch in epochs {
            let lesson = self.lesson(&batches, epoch);
            let (losses, grads) = gradients(b, &learner, &lesson);
            let expected = self.case.array(&format!("loss.e{epoch}"));
            for (i, value) in terms(&losses).into_iter().enumerate() {
                compare_term(
                    findings,
                    &format!("{} loss.e{epoch}", self.case.name),
                    i,
                    value,
                    expected,
                );
            }
            for (name, grad) in names(&learner).zip(&grads) {
                let expected = self.case.array(&format!("grad.e{epoch}.{name}"));
                let (kind, limit) = match is_noise(name) {
                    true => ("zero gradient", Limit::absolute(NOISE * self.weight(epoch))),
                    false => ("gradient", GRADIENT),
                };
                let place = format!("{} grad.e{epoch}.{name}", self.case.name);
                findings.close(kind, &place, &doubles(&read(b, grad)), expected, limit);
            }
        }
    }

    /// The largest weight of the attention terms, at least 1.
    fn weight(&self, epoch: u64) -> f64 {
        let weights = self.objective.terms.iter().flat_map(|term| match term {
            Term::Maps(maps) => maps.weights(epoch),
            other => panic!("{other:?} in a case of Align-to-Distill"),
        });
        weights.fold(1.0, |most, w| f64::from(w).max(most))
    }

    fn lesson<'l>(
        &'l self,
        batches: &'l [Vec<Batch<B::Index>>],
        epoch: u64,
    ) -> Lesson<'l, B, LAYERS> {
        Lesson::new(&self.objective, Some(&self.teacher), batches, epoch, 0)
    }

    /// Checks the learning rate of each update, and the parameters after the updates that the file has.
    pub fn check_updates(&self, b: &mut B, findings: &mut Findings) {
        let batches = [vec![self.batch(b, Layout::Padded)]];
        let mut learner = self.learner(b);
        let (adam, schedule) = self.case.optimiser();
        let rates = self.case.array("step.lr");
        let saved = self.case.numbered("step");
        assert!(!saved.is_empty(), "{}: no updates", self.case.name);
        let mut sum = 0.0;
        for (i, epoch) in self.case.epochs().into_iter().enumerate() {
            let (step, rate) = (i as u64 + 1, schedule.rate(i as u64));
            let of = Step { adam, number: step, lr: rate, ema_decay: 0.0 };
            learner.update_alone(b, &self.lesson(&batches, epoch), &of);
            let described = format!(
                "{} step.lr of update {step}: {rate:e}, expected {:e}",
                self.case.name, rates.data[i]
            );
            findings.check("rate", (rate - rates.data[i]).abs() / 1e-12, described);
            sum += rates.data[i];
            if saved.contains(&step) {
                self.check_parameters(b, &learner, step, sum, findings);
            }
        }
    }

    fn check_parameters(
        &self,
        b: &mut B,
        learner: &Learner<B>,
        step: u64,
        rates: f64,
        findings: &mut Findings,
    ) {
        let (mut far, mut all) = (0, 0);
        for (name, param) in names(learner).zip(&learner.params) {
            if is_noise(name) {
                continue;
            }
            let expected = self.case.array(&format!("step{step}.{name}"));
            let got = doubles(&read(b, param));
            let off = |(x, y): (&f64, &f64)| (x - y).abs() > STEP_MOST * rates;
            far += got.iter().zip(&expected.data).filter(|pair| off(*pair)).count();
            all += got.len();
            let place = format!("{} step{step}.{name}", self.case.name);
            findings.close(
                "parameter",
                &place,
                &got,
                expected,
                Limit::absolute(STEP_EVERY * rates),
            );
        }
        let share = far as f64 / all as f64;
        let described = format!(
            "{} step{step}: {far} of {all} elements are off by more than {STEP_MOST} of the rates",
            self.case.name
        );
        findings.check("far parameter", share / 0.01, described);
    }
}

fn names<T>(learner: &kd::Learner<T, LAYERS>) -> impl Iterator<Item = &str> {
    learner.plan.params().iter().map(|(name, _)| name.as_str())
}

/// The losses in the order of [`TERMS`].
fn terms(of: &Losses) -> [f64; 8] {
    let values: Vec<_> = of.named().map(|(_, value)| value).collect();
    values.try_into().expect("as many terms")
}

fn compare_term(findings: &mut Findings, place: &str, i: usize, value: f64, expected: &Array) {
    let expected = Array { shape: vec![1], data: vec![expected.data[i]] };
    findings.close("loss", &format!("{place} {}", TERMS[i]), &[value], &expected, FORWARD);
}
