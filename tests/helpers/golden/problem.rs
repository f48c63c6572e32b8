//! A case made ready for a backend, and the checks of everything but search.

use std::collections::BTreeSet;
use std::convert::Infallible;

use a2d_core::backend::Train;
use a2d_core::batch::{Batch, Layout};
use a2d_core::kd::{self, Align, Losses, Objective, Student, Teacher};
use a2d_core::nn::{Trace, Transformer};
use a2d_core::params::Spec;

use super::case::{self, Case, Side};
use crate::helpers::compare::{Array, Findings, Limit, doubles};
use crate::helpers::learner::{Learner, Lesson};
use crate::helpers::model::{LAYERS, Model, batch, read};

/// Logits, hidden states, maps, losses.
const FORWARD: Limit = Limit::relative(1e-5);
/// Gradients.
const GRADIENT: Limit = Limit::relative(2e-5);
/// Gradients that are exactly zero but for rounding.
const NOISE: Limit = Limit::absolute(1e-6);
/// Every element of an updated parameter, as a share of the sum of the rates.
const STEP_EVERY: f64 = 0.2;
/// All but one in a hundred of them.
const STEP_MOST: f64 = 0.01;

/// The names of the loss terms in the file's order.
const TERMS: [&str; 8] =
    ["total", "golden", "kd", "enc", "dec_self", "cross", "nll_student", "nll_teacher"];

/// Parameters whose exact gradient is zero: Adam turns their rounding errors into steps of any sign.
fn is_noise(name: &str) -> bool {
    name.ends_with("k_proj.bias") || name.ends_with("alignment_module.bias")
}

/// The elements of `MODEL.name`, whose shape must be `spec`'s (an alignment is a 1x1 convolution in the file).
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
    spec: Student<Spec, LAYERS>,
    teacher: Teacher<B::Tensor, LAYERS>,
    objective: Objective,
}

impl<'a, B: Train> Problem<'a, B> {
    /// Loads the teacher and reads the settings.
    pub fn new(b: &mut B, case: &'a Case) -> Self {
        let (student, teacher) = (case.config("student"), case.config("teacher"));
        let spec = Student {
            model: Transformer::new(&student).expect("a possible model"),
            align: Some(Align::new(&student, &teacher)),
        };
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
            spec,
            teacher: Teacher { model: model(b, case, "teacher"), align },
            objective: case.objective(),
        };
        problem.check_shifted();
        problem
    }

    /// The file's decoder input is the target moved right, as [`Batch::new`] moves it.
    fn check_shifted(&self) {
        let shifted = case::tokens(self.case.array("batch.prev_output_tokens"));
        for (shifted, target) in shifted.iter().zip(&self.target.sentences) {
            let (last, rest) = target.split_last().expect("targets are not empty");
            assert_eq!((shifted[0], &shifted[1..]), (*last, rest), "{}", self.case.name);
        }
    }

    fn batch(&self, b: &mut B, layout: Layout) -> Batch<B::Index> {
        batch(b, &self.source.sentences, &self.target.sentences, layout)
    }

    /// A student with the case's weights; every array of the student is used.
    fn learner(&self, b: &mut B) -> Learner<B> {
        let learner = Learner::new(b, self.spec.clone(), |name, spec| {
            value(self.case, "student", name, spec)
        });
        let used: BTreeSet<_> = learner.names.iter().map(String::as_str).collect();
        assert_eq!(used, self.case.under("student.").collect(), "{}", self.case.name);
        learner
    }

    /// Logits, encoder output, maps, aligned maps; token losses. A packed batch has no padding to compare.
    pub fn check_outputs(&self, b: &mut B, layout: Layout, findings: &mut Findings) {
        let batch = self.batch(b, layout);
        let Student { model, align } = self.learner(b).student();
        let mut maps = Trace::default();
        let hidden = kd::forward(&model, b, &batch, &mut maps);
        let logits = model.logits(b, &hidden);
        let memory = model.encode(b, &batch.source, &batch.encoder_grid, &mut ());
        let taught = self.teacher.teach(b, &batch, true);
        let teacher_logits = self.teacher.model.logits(b, &taught.hidden);
        for (name, side, value) in [
            ("out.student_logits", &self.target, &logits),
            ("out.teacher_logits", &self.target, &teacher_logits),
            ("out.student_encoder", &self.source, &memory),
        ] {
            let got = |expected: &_, b: &mut B| side.rows(layout, &read(b, value), expected);
            self.forward(b, layout, "output", name, got, findings);
        }
        self.check_maps(b, layout, "map", "map.student", &maps, findings);
        self.check_maps(b, layout, "map", "map.teacher", &taught.maps, findings);
        let aligned = align.expect("a student that aligns").mix(b, maps, &batch);
        self.check_maps(b, layout, "aligned map", "map.aligned", &aligned, findings);
        self.check_token_losses(b, layout, &batch, &model, findings);
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
                case::maps(layout, queries, keys, &layers, expected)
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

    /// Token losses need no gradient and no padding.
    fn check_token_losses(
        &self,
        b: &mut B,
        layout: Layout,
        batch: &Batch<B::Index>,
        model: &Model<B::Tensor>,
        findings: &mut Findings,
    ) {
        let report = self.objective.evaluate(b, batch, model, Some(&self.teacher));
        let terms = terms(&report.read(b).expect("the device is there"));
        let place = format!("{} {layout:?} evaluated", self.case.name);
        for epoch in self.case.numbered("loss.e") {
            let expected = self.case.array(&format!("loss.e{epoch}"));
            for i in [1, 2, 6, 7] {
                compare_term(findings, &place, i, terms[i], expected);
            }
        }
    }

    /// Every term and every gradient at each epoch that the file has.
    pub fn check_losses(&self, b: &mut B, findings: &mut Findings) {
        let batch = self.batch(b, Layout::Padded);
        let learner = self.learner(b);
        let epochs = self.case.numbered("loss.e");
        assert!(!epochs.is_empty(), "{}: no losses", self.case.name);
        for epoch in epochs {
            let lesson = self.lesson(&batch, epoch);
            let (losses, grads) = learner.gradients(b, &lesson);
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
            for (name, grad) in learner.names.iter().zip(&grads) {
                let expected = self.case.array(&format!("grad.e{epoch}.{name}"));
                let (kind, limit) =
                    if is_noise(name) { ("zero gradient", NOISE) } else { ("gradient", GRADIENT) };
                let place = format!("{} grad.e{epoch}.{name}", self.case.name);
                findings.close(kind, &place, &doubles(&read(b, grad)), expected, limit);
            }
        }
    }

    fn lesson<'l>(&'l self, batch: &'l Batch<B::Index>, epoch: u64) -> Lesson<'l, B> {
        let teacher = Some(&self.teacher);
        Lesson { objective: &self.objective, teacher, batch, epoch, key: 0 }
    }

    /// The rate of each update, and the parameters after those that the file has.
    pub fn check_updates(&self, b: &mut B, findings: &mut Findings) {
        let batch = self.batch(b, Layout::Padded);
        let mut learner = self.learner(b);
        let (adam, schedule) = self.case.optimiser();
        let rates = self.case.array("step.lr");
        let saved = self.case.numbered("step");
        assert!(!saved.is_empty(), "{}: no updates", self.case.name);
        let mut sum = 0.0;
        for (i, epoch) in self.case.epochs().into_iter().enumerate() {
            let (_, rate) = learner.update(b, &self.lesson(&batch, epoch), &adam, &schedule);
            let step = i as u64 + 1;
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
        for (name, param) in learner.names.iter().zip(&learner.params) {
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

/// In the order of [`TERMS`].
fn terms(of: &Losses) -> [f64; 8] {
    [of.loss, of.ce, of.kd, of.encoder, of.decoder, of.cross, of.nll, of.teacher_nll]
}

fn compare_term(findings: &mut Findings, place: &str, i: usize, value: f64, expected: &Array) {
    let expected = Array { shape: vec![1], data: vec![expected.data[i]] };
    findings.close("loss", &format!("{place} {}", TERMS[i]), &[value], &expected, FORWARD);
}
