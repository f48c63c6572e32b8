//! The gradient of the whole objective, compared with finite differences.
//!
//! Each parameter tensor is moved along its gradient and along random signs; the loss must change as the gradient
//! predicts. The central difference is taken at two steps and extrapolated (Richardson), so that steps can be large
//! enough for f32.

use a2d_core::backend::{MapInput, Normalisation, Target, Train};
use a2d_core::batch::Layout;
use a2d_core::config::token::PAD;
use a2d_core::config::{
    Activation, Config, Embedding, Head, Output, Pooling, Positions, Special, Stack,
};
use a2d_core::kd::{
    Alp, Ckd, Draw, Grouping, KdLoss, Lesson, LossNorm, MapTerms, MiniLm, Objective, Pkd, Plan,
    RDrop, Rail, RailForm, Selective, Side, Teacher, Term, Terms, TinyBert, Vectors, Version,
};
use a2d_core::rng;

use super::compare::{Array, Findings, Limit, doubles};
use super::model::{
    LAYERS, Learner, batch_for, learner, plain, read, sentences, teacher as teacher_of,
};

/// The tolerance, relative to the derivative or to that of a typical random direction.
const TOLERANCE: f64 = 0.01;
/// The rounding error of an f32 loss.
const ROUNDING: f64 = 5e-7;
/// The larger step: the length by which a tensor is moved.
const STEP: f64 = 0.03;
/// The tolerance between two backends, relative to the largest element of a tensor's gradient.
const ROUNDED: Limit = Limit::relative(1e-4);

/// The number of finite differences; each takes four losses.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// One in `every` parameters is checked, from another one on in each scenario.
    pub every: usize,
    /// Random directions of each parameter, besides the one along its gradient.
    pub directions: u64,
}

impl Effort {
    /// All parameters.
    pub const WHOLE: Self = Self { every: 1, directions: 3 };
}

/// A student, a teacher and an objective to check.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    student: Config,
    teacher: Option<Config>,
    objective: Objective,
    layout: Layout,
    epoch: u64,
}

fn stack(d_model: usize, ffn_dim: usize, attention_heads: usize, layers: usize) -> Stack {
    Stack { d_model, ffn_dim, attention_heads, layers }
}

/// A student without dropout; its vocabularies are equal, so that embeddings can be shared.
fn config(encoder: Stack, decoder: Stack) -> Config {
    plain(13, encoder, decoder)
}

/// All dropouts.
fn drops(config: Config) -> Config {
    Config { dropout: 0.2, attention_dropout: 0.15, activation_dropout: 0.1, ..config }
}

fn pre(config: Config) -> Config {
    Config { normalize_before: true, ..config }
}

fn gelu(config: Config) -> Config {
    Config { activation: Activation::Gelu, ..config }
}

/// Gives attention terms as much weight as words; otherwise wrong gradients of theirs would go unnoticed.
fn weighed(maps: MapTerms) -> MapTerms {
    let beta = match (maps.normalisation, maps.target) {
        (Normalisation::Map, Target::Softmax) => 3.0,
        _ => 1.0,
    };
    MapTerms { beta, decay: 0.8, ..maps }
}

fn objective(maps: Option<MapTerms>) -> Objective {
    Objective {
        label_smoothing: 0.1,
        alpha: 0.5,
        student_temperature: 1.0,
        teacher_temperature: 1.0,
        kd_loss: KdLoss::CrossEntropy,
        norm: LossNorm::Official,
        terms: maps.map(weighed).into(),
    }
}

/// An objective with both temperatures, Hinton's loss and token means.
fn tempered(maps: Option<MapTerms>) -> Objective {
    Objective {
        alpha: 0.7,
        student_temperature: 2.0,
        teacher_temperature: 1.5,
        kd_loss: KdLoss::KlTau2,
        norm: LossNorm::Mean,
        ..objective(maps)
    }
}

/// Words beside `terms`, which have as much weight.
fn compared<const N: usize>(terms: [Term; N]) -> Objective {
    Objective { terms: Terms::new(terms), ..tempered(None) }
}

fn pkd(side: Side, inner: bool) -> Term {
    Term::Pkd(Pkd { side, inner, weight: 2.0 })
}

fn ckd(side: Side, groups: Grouping) -> Term {
    Term::Ckd(Ckd { side, groups, weight: 2.0, attention: 0.5 })
}

fn rail(side: Side, form: RailForm) -> Term {
    Term::Rail(Rail { side, form, width: 5, draw: Draw::Seed(9), weight: 2.0 })
}

/// Scaled, so that the mixtures are soft enough for differences.
fn alp(side: Side, groups: Grouping) -> Term {
    Term::Alp(Alp { side, groups, scaled: true, detached: false, weight: 1.0 })
}

fn selective(ratio: f64, queue: Option<usize>) -> Term {
    Term::Selective(Selective { ratio, queue })
}

fn minilm(version: Version) -> Term {
    let (encoder, decoder, cross) = (true, true, true);
    Term::MiniLm(MiniLm { version, layer: 2, encoder, decoder, cross, weight: 20.0 })
}

const TINYBERT: Term = Term::TinyBert(TinyBert {
    encoder: true,
    decoder: true,
    cross: true,
    states: true,
    scores: true,
    weight: 1.0,
});

/// Scenarios of methods that compare hidden states and relations, from `base`, whose student is `small` and whose layout
/// has padding.
fn compared_scenarios(base: Scenario, small: Config, uneven: Config) -> Vec<Scenario> {
    let both = Side::BOTH;
    let packed = Scenario { layout: Layout::Packed, ..base };
    let teacher = |encoder, decoder| Some(config(encoder, decoder));
    vec![
        Scenario {
            name: "pkd, other widths, padded rows, all dropouts",
            student: drops(small),
            objective: compared(both.map(|side| pkd(side, false))),
            ..base
        },
        Scenario {
            name: "pkd, equal widths, without the last layer, pre-norm",
            student: pre(small),
            teacher: teacher(stack(8, 16, 4, 3), stack(8, 8, 2, 4)).map(pre),
            objective: compared(both.map(|side| pkd(side, true))),
            ..packed
        },
        Scenario {
            name: "ckd, regular groups, scores, uneven stacks, padded rows, gelu",
            student: gelu(uneven),
            objective: compared(both.map(|side| ckd(side, Grouping::Regular))),
            ..base
        },
        Scenario {
            name: "ckd, overlapping groups",
            teacher: teacher(stack(8, 16, 4, 6), stack(8, 8, 2, 2)),
            objective: compared([ckd(Side::Encoder, Grouping::Overlap)]),
            ..packed
        },
        Scenario {
            name: "rail-kd, layerwise, padded rows, all dropouts",
            student: drops(small),
            objective: compared(both.map(|side| rail(side, RailForm::Layerwise))),
            epoch: 3,
            ..base
        },
        Scenario {
            name: "rail-kd, concatenated, shared",
            student: Config { share_embeddings: true, ..small },
            objective: compared(both.map(|side| rail(side, RailForm::Concatenated))),
            ..packed
        },
        Scenario {
            name: "alp-kd, all layers, scaled, padded rows",
            objective: compared(both.map(|side| alp(side, Grouping::All))),
            ..base
        },
        Scenario {
            name: "alp-kd, regular groups, scaled, equal widths, pre-norm, all dropouts",
            student: drops(pre(small)),
            teacher: teacher(stack(8, 16, 4, 4), stack(8, 8, 2, 4)).map(pre),
            objective: compared(both.map(|side| alp(side, Grouping::Regular))),
            ..packed
        },
        Scenario {
            name: "tinybert, other heads, padded rows, all dropouts",
            student: drops(small),
            objective: compared([TINYBERT]),
            ..base
        },
        Scenario {
            name: "tinybert, uneven stacks, pre-norm, gelu",
            student: pre(gelu(uneven)),
            teacher: teacher(stack(8, 16, 2, 2), stack(16, 8, 2, 3)).map(pre),
            objective: compared([TINYBERT]),
            ..packed
        },
        Scenario {
            name: "minilm, equal heads, padded rows, all dropouts",
            student: drops(small),
            teacher: teacher(stack(12, 16, 2, 2), stack(16, 8, 2, 3)),
            objective: compared([minilm(Version::One)]),
            ..base
        },
        Scenario {
            name: "minilm, relation heads, aligned maps beside them",
            objective: compared([minilm(Version::Two(4)), Term::Maps(weighed(MapTerms::ROWS))]),
            ..packed
        },
        Scenario {
            name: "selected words of each batch, padded rows, all dropouts, temperatures",
            student: drops(small),
            // No step of a difference crosses the gate.
            objective: compared([selective(0.3, None)]),
            ..base
        },
        Scenario {
            name: "selected words of a queue, two passes, maps beside them",
            student: drops(Config { logits_bias: true, ..small }),
            objective: compared([
                selective(0.6, Some(60)),
                Term::RDrop(RDrop { weight: 2.0 }),
                Term::Maps(weighed(MapTerms::ROWS)),
            ]),
            ..packed
        },
    ]
}

/// A text model of this width, with everything that a head and an embedding can have.
fn text(of: Stack, head: Head) -> Config {
    let norm_epsilon = 0.01;
    let all = config(of, Stack::NONE);
    let target_vocabulary = head.output.targets();
    Config { head: Some(head), target_vocabulary, share_embeddings: true, norm_epsilon, ..all }
}

/// Positions in a table, and a norm of the embeddings, as in BERT.
fn bert(config: Config) -> Config {
    let embedding = Embedding { positions: 8, types: 0, norm: true };
    Config { positions: Positions::Learned, embedding, ..gelu(config) }
}

/// Maps of an encoder alone.
fn encoder_maps(maps: MapTerms) -> MapTerms {
    MapTerms { decoder: false, cross: false, ..maps }
}

/// Text models: labels and vectors, by themselves and from a teacher.
fn text_scenarios(base: Scenario) -> Vec<Scenario> {
    let labels = |pooling, dense| Head { pooling, dense, output: Output::Labels(7) };
    let vectors =
        |width| Head { pooling: Pooling::Mean, dense: false, output: Output::Vector(width) };
    let (small, large) = (stack(8, 12, 2, 2), stack(12, 16, 3, 2));
    let follow = Term::Vectors(Vectors { cosine: 1.0, relations: 2.0 });
    let packed = Scenario { layout: Layout::Packed, ..base };
    vec![
        Scenario {
            name: "labels of the first token, pooler, learned positions, no teacher, all dropouts",
            student: drops(bert(text(small, labels(Pooling::First, true)))),
            teacher: None,
            objective: objective(None),
            ..packed
        },
        Scenario {
            name: "labels of the mean, padded rows, whole maps beside words",
            student: text(small, labels(Pooling::Mean, false)),
            teacher: Some(bert(text(large, labels(Pooling::First, true)))),
            objective: objective(Some(encoder_maps(MapTerms::OFFICIAL))),
            ..base
        },
        Scenario {
            name: "labels, pre-norm, a mixture of scores, temperatures, hidden states",
            student: pre(text(small, labels(Pooling::Mean, true))),
            teacher: Some(text(large, labels(Pooling::Mean, false))),
            objective: compared([
                Term::Maps(weighed(encoder_maps(MapTerms {
                    input: MapInput::Scores,
                    ..MapTerms::ROWS
                }))),
                pkd(Side::Encoder, false),
            ]),
            ..packed
        },
        Scenario {
            name: "vectors of another width, maps beside them",
            student: drops(text(small, vectors(10))),
            teacher: Some(text(large, vectors(10))),
            objective: compared([follow, Term::Maps(weighed(encoder_maps(MapTerms::ROWS)))]),
            ..packed
        },
        Scenario {
            name: "vectors as they are pooled",
            student: bert(text(small, vectors(8))),
            teacher: Some(bert(text(large, vectors(8)))),
            objective: compared([follow]),
            ..base
        },
    ]
}

fn scenarios() -> Vec<Scenario> {
    let small = config(stack(8, 12, 2, 2), stack(8, 12, 2, 2));
    let uneven = config(stack(12, 10, 3, 1), stack(8, 14, 2, 2));
    let biased = |c| Config { logits_bias: true, ..c };
    let marian = |c| Config {
        activation: Activation::Silu,
        special: Special::MARIAN,
        positions: Positions::Marian,
        ..biased(c)
    };
    let shared = |c| Config { share_embeddings: true, ..c };
    let teacher = config(stack(8, 16, 4, 2), stack(16, 8, 2, 3));
    let base = Scenario {
        name: "official",
        student: small,
        teacher: Some(teacher),
        objective: objective(Some(MapTerms::OFFICIAL)),
        layout: Layout::Padded,
        epoch: 1,
    };
    let agreement = Term::RDrop(RDrop { weight: 2.0 });
    let maps = Term::Maps(weighed(MapTerms::ROWS));
    let probabilities = MapTerms { input: MapInput::Probabilities, ..MapTerms::ROWS };
    let others = vec![
        base,
        Scenario {
            name: "two passes, no teacher, all dropouts",
            student: drops(small),
            teacher: None,
            objective: compared([agreement]),
            ..base
        },
        Scenario {
            name: "two passes beside words, maps and temperatures, all dropouts",
            student: drops(biased(small)),
            teacher: Some(biased(teacher)),
            objective: compared([maps, agreement]),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "rows of a mixture of probabilities, padded rows",
            objective: objective(Some(probabilities)),
            ..base
        },
        Scenario {
            name: "official, pre-norm, gelu, all dropouts, uneven stacks, temperatures",
            student: drops(pre(gelu(uneven))),
            objective: Objective {
                student_temperature: 0.8,
                teacher_temperature: 2.0,
                ..objective(Some(MapTerms::OFFICIAL))
            },
            epoch: 3,
            ..base
        },
        Scenario {
            name: "masked, shared, all dropouts, temperatures",
            student: drops(shared(small)),
            objective: tempered(Some(MapTerms::MASKED)),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "rows, a bias on the logits of both",
            student: biased(small),
            teacher: Some(biased(teacher)),
            objective: tempered(Some(MapTerms::ROWS)),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "masked, padded rows, pre-norm",
            student: pre(small),
            objective: objective(Some(MapTerms::MASKED)),
            ..base
        },
        Scenario {
            name: "rows, Marian's architecture on both sides, shared, all dropouts",
            student: drops(marian(shared(small))),
            teacher: Some(marian(teacher)),
            objective: objective(Some(MapTerms::ROWS)),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "rows of a mixture of probabilities, gelu, uneven stacks",
            student: gelu(uneven),
            objective: objective(Some(probabilities)),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "rows, padded rows, pre-norm, shared, all dropouts, temperatures",
            student: drops(pre(shared(small))),
            objective: tempered(Some(MapTerms::ROWS)),
            epoch: 2,
            ..base
        },
        Scenario {
            name: "a softmax of each row, nothing masked, decoder maps only",
            objective: objective(Some(MapTerms {
                normalisation: Normalisation::Row,
                target: Target::Softmax,
                masked: false,
                encoder: false,
                cross: false,
                ..probabilities
            })),
            ..base
        },
        Scenario {
            name: "whole maps as they are, masked, cross maps only",
            objective: objective(Some(MapTerms {
                target: Target::Probabilities,
                encoder: false,
                decoder: false,
                ..MapTerms::MASKED
            })),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "words only, temperatures, all dropouts, gelu",
            student: drops(gelu(uneven)),
            objective: tempered(None),
            layout: Layout::Packed,
            ..base
        },
        Scenario {
            name: "no teacher, pre-norm",
            student: pre(uneven),
            teacher: None,
            objective: objective(None),
            layout: Layout::Packed,
            ..base
        },
    ];
    let compared = compared_scenarios(base, small, uneven);
    others.into_iter().chain(compared).chain(text_scenarios(base)).collect()
}

/// A scenario on a backend: a student with random weights, a teacher and a batch.
struct Trial<'a, B: Train> {
    of: &'a Scenario,
    learner: Learner<B>,
    teacher: Option<Teacher<B::Tensor, LAYERS>>,
    batches: [Vec<a2d_core::batch::Batch<B::Index>>; 1],
}

impl<'a, B: Train> Trial<'a, B> {
    fn new(b: &mut B, of: &'a Scenario, seed: u64) -> Self {
        let plan = |config, taught| Plan::new(config, taught).expect("a possible model");
        let taught = of.teacher.as_ref().map(|teacher| (&of.objective.terms, teacher));
        let teach = |config| teacher_of(&random(b, plan(config, None), seed + 1, 1.5));
        let teacher = of.teacher.as_ref().map(teach);
        let count = 2 + rng::bits(seed, 0) % 3;
        let [sources, targets] =
            [(1, of.student.source_vocabulary), (2, of.student.target_vocabulary.max(7))].map(
                |(side, vocabulary)| {
                    let key = rng::derive(seed, side);
                    let length = |i| 1 + rng::bits(key, i) as usize % 7;
                    sentences(key, &(0..count).map(length).collect::<Vec<_>>(), vocabulary)
                },
            );
        let mut learner = random(b, plan(&of.student, taught), seed, 1.0);
        // The gate of a selection from a queue: half of the tokens have less, and no step changes it.
        learner.queue = vec![(of.student.target_vocabulary as f32).ln(); 40];
        Self {
            of,
            learner,
            teacher,
            batches: [vec![batch_for(b, &of.student, &sources, &targets, of.layout)]],
        }
    }

    fn lesson(&self) -> Lesson<'_, B, LAYERS> {
        let Scenario { objective, epoch, .. } = self.of;
        Lesson::new(objective, self.teacher.as_ref(), &self.batches, *epoch, 7)
    }

    fn gradients(&self, b: &mut B) -> Vec<Vec<f32>> {
        let grads = self.learner.gradients(b, &self.lesson()).sums;
        grads.iter().map(|g| read(b, g)).collect()
    }

    /// The loss with parameter `i` moved by `step` times `direction`.
    fn moved(&mut self, b: &mut B, i: usize, direction: &[f64], step: f64) -> f64 {
        let here = self.learner.params[i].clone();
        let values = read(b, &here);
        let there: Vec<_> =
            values.iter().zip(direction).map(|(x, d)| (f64::from(*x) + step * d) as f32).collect();
        let shape = b.shape(&here);
        self.learner.params[i] = b.tensor(&there, shape);
        let losses = self.learner.losses(b, &self.lesson());
        self.learner.params[i] = here;
        losses.read(b).expect("the device is there").get("loss")
    }

    /// The derivative of the loss along `direction` of parameter `i`, and its largest error by rounding.
    fn slope(&mut self, b: &mut B, i: usize, direction: &[f64]) -> (f64, f64) {
        let mut central = |step: f64| {
            let (up, down) =
                (self.moved(b, i, direction, step), self.moved(b, i, direction, -step));
            ((up - down) / (2.0 * step), up.abs())
        };
        let ((wide, loss), (narrow, _)) = (central(STEP), central(STEP / 2.0));
        ((4.0 * narrow - wide) / 3.0, ROUNDING * loss.max(1.0) / STEP)
    }

    /// As in the authors' code, the embedding of padding gets no gradient, although maps of padded rows depend on it.
    fn loses_padding(&self, name: &str) -> bool {
        let unmasked = |term: &Term| match term {
            Term::Maps(maps) => !maps.masked,
            _ => false,
        };
        let looks_at_padding = self.of.objective.terms.iter().any(unmasked);
        looks_at_padding && name.ends_with("decoder.embed_tokens.weight")
    }

    /// Compares one in `effort.every` parameters, from `first` on; `spoil` can change the gradients before.
    fn check(
        &mut self,
        b: &mut B,
        findings: &mut Findings,
        (first, effort): (usize, Effort),
        spoil: impl Fn(&str, &mut Vec<f32>),
    ) {
        let trained = self.learner.plan.trained();
        let grads = self.gradients(b).into_iter().take(trained).enumerate();
        for (i, mut grad) in grads.skip(first % effort.every).step_by(effort.every) {
            let name = self.learner.plan.params()[i].0.clone();
            spoil(&name, &mut grad);
            let norm = length(&grad);
            let along = grad.iter().map(|g| f64::from(*g)).collect();
            let random =
                (0..effort.directions).map(|n| signs(rng::derive(i as u64, n), grad.len()));
            for mut direction in std::iter::once(along).chain(random) {
                if self.loses_padding(&name) {
                    let width = self.of.student.decoder.d_model;
                    direction[PAD as usize * width..][..width].fill(0.0);
                }
                let scale = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
                if scale == 0.0 {
                    continue;
                }
                direction.iter_mut().for_each(|d| *d /= scale);
                let expected: f64 =
                    grad.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
                let (slope, rounding) = self.slope(b, i, &direction);
                let typical = norm / (grad.len() as f64).sqrt();
                let allowed = TOLERANCE * expected.abs().max(typical) + rounding;
                let described = format!(
                    "{}: {name}: the loss changes by {slope:.6e}, the gradient says {expected:.6e}",
                    self.of.name
                );
                findings.check(self.of.name, (slope - expected).abs() / allowed, described);
            }
        }
    }
}

/// Initial weights plus noise: biases are not 0, gains are not 1. Inner biases are far from 0, so that few rows are
/// near the kink of the ReLU, where finite differences fail.
fn random<B: Train>(b: &mut B, plan: Plan<LAYERS>, seed: u64, gain: f32) -> Learner<B> {
    let mut parameter = 0;
    learner(b, plan, |name, spec| {
        parameter += 1;
        let (key, noise) = (rng::derive(seed, parameter), rng::derive(!seed, parameter));
        let (n, cols) = (spec.shape.len(), spec.shape.cols());
        let value = |i| gain * spec.init.value(key, i, cols) + 0.1 * rng::normal(noise, i as u32);
        let far = if name.ends_with("fc1.bias") { 3.0 } else { 0.0 };
        signs(key, n).iter().enumerate().map(|(i, s)| value(i) + far * *s as f32).collect()
    })
}

fn length(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

fn signs(key: u64, n: usize) -> Vec<f64> {
    (0..n as u32).map(|i| if rng::bits(key, i) & 1 == 0 { 1.0 } else { -1.0 }).collect()
}

/// The seed of a scenario.
fn seed(number: usize) -> u64 {
    100 + number as u64
}

/// Compares the gradients of every scenario with finite differences. Panics with all that differ.
pub fn are_differences<B: Train>(make: impl Fn() -> B, effort: Effort) {
    let mut findings = Findings::default();
    for (number, scenario) in scenarios().iter().enumerate() {
        let mut b = make();
        let mut trial = Trial::new(&mut b, scenario, seed(number));
        trial.check(&mut b, &mut findings, (number, effort), |_, _| {});
    }
    findings.finish();
}

/// Compares the gradients of every scenario with those of another backend, except those that are 0 up to rounding.
/// Panics with all that differ.
pub fn are_equal<A: Train, B: Train>(reference: impl Fn() -> A, make: impl Fn() -> B) {
    let mut findings = Findings::default();
    for (number, scenario) in scenarios().iter().enumerate() {
        let (mut a, mut b) = (reference(), make());
        let trial = Trial::new(&mut a, scenario, seed(number));
        let wanted = trial.gradients(&mut a);
        let got = Trial::new(&mut b, scenario, seed(number)).gradients(&mut b);
        let is_noise =
            |name: &str| ["k_proj.bias", "alignment_module.bias"].iter().any(|n| name.ends_with(n));
        let params = trial.learner.plan.params().iter();
        for ((name, _), (got, wanted)) in params.zip(got.iter().zip(&wanted)) {
            if is_noise(name) {
                continue;
            }
            let place = format!("{}: {name}", scenario.name);
            let wanted = Array { shape: vec![wanted.len()], data: doubles(wanted) };
            findings.close(scenario.name, &place, &doubles(got), &wanted, ROUNDED);
        }
    }
    findings.finish();
}

/// Checks the tolerance: a gradient that is 5 % too long, or that lacks one row, must be noticed. Panics otherwise.
pub fn wrong_ones_are_noticed<B: Train>(make: impl Fn() -> B) {
    let spoils: [fn(&str, &mut Vec<f32>); 2] = [
        |name, grad| {
            if name == "encoder.layers.0.self_attn.q_proj.weight" {
                grad.iter_mut().for_each(|g| *g *= 1.05);
            }
        },
        |name, grad| {
            if name == "decoder.layers.1.fc1.weight" {
                let most = (0..grad.len()).max_by(|i, j| grad[*i].abs().total_cmp(&grad[*j].abs()));
                let row = most.unwrap_or(0) / 8 * 8;
                grad[row..row + 8].fill(0.0);
            }
        },
    ];
    for spoil in spoils {
        let (mut b, mut findings) = (make(), Findings::default());
        let scenario = &scenarios()[0];
        let mut trial = Trial::new(&mut b, scenario, seed(0));
        trial.check(&mut b, &mut findings, (0, Effort::WHOLE), spoil);
        assert!(findings.failures() > 0, "{}", findings.summary());
    }
}
