//! The conformance suite of backends: each operation is compared with plain loops in f64, each gradient with finite
//! differences of those loops. `suite!(name, with)` makes a module of tests for one backend.

use a2d_core::allow::{Allow, End, Forbidden};
use a2d_core::backend::*;
use a2d_core::batch::{Grid, IGNORE, NO_POSITION, Run, Span, Tokens};
use a2d_core::config::{Activation, NORM_EPSILON, Positions, Special};
use a2d_core::optim::Adam;
use a2d_core::rng::Mask;
use a2d_core::rows::{LEAST_PROBABILITY, TokenRow};
use a2d_core::shape::Shape;
use a2d_core::tape::Tape;
use std::sync::Mutex;

/// A module of tests for one backend. `with!(make => body)` runs the body with a `make()` that returns the backend.
#[macro_export]
macro_rules! suite {
    ($name:ident, $with:ident) => {
        $crate::suite!($name, $with, [
            moves_data, is_alone, holds_tensors, embeds, embeds_back, drops_embeddings, maps_linearly, maps_linearly_back, maps_one_input, maps_one_input_back, skips_what_no_loss_reaches, activates, activates_linear_maps,
            adds, scales, drops, normalises, normalises_back, joins_maps, joins_maps_back, attends, attends_back, attends_to_nothing, aligns, aligns_back, aligns_scores, aligns_scores_back,
            loses_tokens, loses_tokens_with_a_bias, loses_two_passes, loses_two_close_passes, loses_many_tokens, loses_maps, loses_states, loses_states_of_length_0, loses_relations, takes_adam_steps, stores_and_selects, projects, picks_the_best
        ]);
    };
    ($name:ident, $with:ident, [$($test:ident),*]) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    $with!(make => $crate::suite::$test(&mut make()));
                }
            )*
        }
    };
}

/// A norm with one vector as gain and bias.
pub fn norm<P>(of: &P) -> LayerNorm<'_, P> {
    LayerNorm { gain: of, bias: of, epsilon: NORM_EPSILON }
}

/// Pseudorandom numbers in `[-1, 1)`.
pub struct Noise(u64);

impl Noise {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1)
    }

    fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// An integer below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) / 2.0 * n as f32) as usize % n
    }

    /// `n` numbers.
    pub fn list(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// A tensor of noise, and its elements as f64.
pub fn random<B: Train>(b: &mut B, noise: &mut Noise, shape: Shape) -> (B::Tensor, Vec<f64>) {
    let data = noise.list(shape.len());
    (b.tensor(&data, shape), double(&data))
}

fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The elements of a tensor.
pub fn values<B: Backend>(b: &mut B, x: &B::Tensor) -> Vec<f32> {
    let mut out = vec![f32::NAN; b.shape(x).len()];
    b.read(x, &mut out).expect("a device");
    out
}

#[track_caller]
fn close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let scale = want.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(got) - want).abs();
        assert!(off <= tolerance * scale, "{what}[{i}]: {got}, not {want} (largest {scale})");
    }
}

#[track_caller]
fn holds<B: Backend>(
    b: &mut B,
    what: &str,
    x: &B::Tensor,
    shape: Shape,
    want: &[f64],
    tolerance: f64,
) {
    assert_eq!(b.shape(x), shape, "{what}");
    close(what, &values(b, x), want, tolerance);
}

/// The gradient of `f` at `x`, by central differences.
fn differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut moved = x.to_vec();
    let mut slope = |i: usize| {
        let mut value = |to: f64| {
            moved[i] = to;
            f(&moved)
        };
        let rise = value(x[i] + STEP) - value(x[i] - STEP);
        moved[i] = x[i];
        rise / (2.0 * STEP)
    };
    (0..x.len()).map(&mut slope).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = x.iter().map(|x| (x - most).exp()).sum();
    x.iter().map(|x| (x - most).exp() / total).collect()
}

fn log_softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = x.iter().map(|x| (x - most).exp()).sum();
    x.iter().map(|x| x - most - total.ln()).collect()
}

/// Elements that are written are read back unchanged.
pub fn moves_data<B: Train>(b: &mut B) {
    for shape in [Shape::vector(5), Shape::matrix(3, 4), Shape::matrix(0, 4), Shape::vector(1)] {
        let (x, want) = random(b, &mut Noise::new(1), shape);
        holds(b, "tensor", &x, shape, &want, 0.0);
        let zeros = b.zeros(shape);
        holds(b, "zeros", &zeros, shape, &vec![0.0; shape.len()], 0.0);
    }
}

/// A backend that is joined with no other leaves tensors as they are.
pub fn is_alone<B: Train>(b: &mut B) {
    let shape = Shape::matrix(3, 4);
    let (x, want) = random(b, &mut Noise::new(37), shape);
    let mut own = [x];
    assert!(!b.sum_over_processes(&mut own));
    holds(b, "sum_over_processes", &own[0], shape, &want, 0.0);
}

/// `read_all`, `wait`, `memory`, `advance` and `scratch`.
pub fn holds_tensors<B: Train>(b: &mut B) {
    let noise = &mut Noise::new(36);
    let shapes = [Shape::matrix(3, 4), Shape::matrix(0, 4), Shape::vector(5)];
    let made = shapes.map(|shape| random(b, noise, shape));
    b.wait().expect("a device");
    let before = b.memory();
    let mut rooms = shapes.map(|shape| vec![f32::NAN; shape.len()]);
    let [x, y, z] = &mut rooms;
    b.read_all(&[&made[0].0, &made[1].0, &made[2].0], &mut [x, y, z]).expect("a device");
    for (room, (_, want)) in rooms.iter().zip(&made) {
        close("read_all", room, want, 0.0);
    }
    let twice: Vec<f64> = made[0].1.iter().map(|x| 2.0 * x).collect();
    let moved = b.advance(made[0].0.clone(), |b, x| b.add(x.clone(), x));
    holds(b, "advance", &moved, shapes[0], &twice, 0.0);
    let elements = b.scratch(|b| {
        let sum = b.add(moved.clone(), &moved);
        b.shape(&sum).len()
    });
    assert_eq!(elements, shapes[0].len());
    holds(b, "what was there before scratch", &moved, shapes[0], &twice, 0.0);
    assert_eq!(b.memory().is_some(), before.is_some());
    let doubles = Mutex::new(vec![vec![]; 2 * b.workers() + 1]);
    b.share(2 * b.workers() + 1, &|b, number| {
        let sum = b.add(made[0].0.clone(), &made[0].0);
        let mut double = vec![f32::NAN; twice.len()];
        b.read(&sum, &mut double).expect("a device");
        doubles.lock().expect("no panic")[number] = double;
    });
    for double in doubles.into_inner().expect("no panic") {
        close("add on a shared device", &double, &twice, 0.0);
    }
}

fn tokens<B: Backend>(b: &mut B, ids: &[u32], positions: &[u32], zero: bool) -> Tokens<B::Index> {
    let (rows, ids) = (ids.len(), b.index(ids));
    Tokens { rows, ids, positions: b.index(positions), types: None, zero_padding: zero, first: 0 }
}

const IDS: [u32; 9] = [4, 2, 7, 1, 1, 4, 4, 8, 0];
const POSITIONS: [u32; 9] = [2, 3, 4, NO_POSITION, NO_POSITION, 2, 3, 700, NO_POSITION];

/// An entry of the vector at place `n` (from 0) of a sentence.
fn position(kind: Positions, n: u32, i: usize, width: usize) -> f64 {
    match kind {
        // fairseq's positions begin at 2.
        Positions::Fairseq => fairseq_position(n + 2, i, width),
        Positions::Marian => {
            let sines = width.div_ceil(2);
            let rate = |i: usize| 10_000f64.powf(-2.0 * i as f64 / width as f64);
            match i.checked_sub(sines) {
                None => (f64::from(n) * rate(i)).sin(),
                Some(i) => (f64::from(n) * rate(i)).cos(),
            }
        }
        Positions::Learned => 0.0,
    }
}

/// One entry of fairseq's position table.
fn fairseq_position(n: u32, i: usize, width: usize) -> f64 {
    let half = width / 2;
    let rate = |i: usize| (-(i as f64) * 10_000f64.ln() / (half - 1) as f64).exp();
    match i / half {
        0 => (f64::from(n) * rate(i)).sin(),
        1 => (f64::from(n) * rate(i - half)).cos(),
        _ => 0.0,
    }
}

/// The factor of an embedding.
fn embedding_scale(kind: Positions, width: usize) -> f64 {
    if kind == Positions::Learned { 1.0 } else { (width as f64).sqrt() }
}

/// `embed`, with padding that is zero, whose ids may be anything, and padding that is not.
pub fn embeds<B: Train>(b: &mut B) {
    let cases = [(8, true), (8, false), (7, true), (48, false)];
    let kinds = [Positions::Fairseq, Positions::Marian, Positions::Learned];
    for ((width, zero), kind) in cases.iter().flat_map(|case| kinds.map(|kind| (*case, kind))) {
        let (table, rows) = random(b, &mut Noise::new(2), Shape::matrix(9, width));
        let padding =
            |(id, at): (&u32, &u32)| if zero && *at == NO_POSITION { NO_POSITION } else { *id };
        let ids: Vec<u32> = IDS.iter().zip(&POSITIONS).map(padding).collect();
        let tokens = tokens(b, &ids, &POSITIONS, zero);
        let mut want = Vec::new();
        for (&id, &at) in IDS.iter().zip(&POSITIONS) {
            want.extend((0..width).map(|i| {
                let x = embedding_scale(kind, width) * rows[id as usize * width + i];
                match at {
                    NO_POSITION if zero => 0.0,
                    NO_POSITION => x,
                    at => x + position(kind, at, i, width),
                }
            }));
        }
        let y = b.embed(&table, &tokens, Embed::of(kind));
        // The sine of a large position is only as accurate as fairseq's f32 frequency.
        let error = if kind == Positions::Fairseq { 3e-5 } else { 1e-6 };
        holds(b, "embed", &y, Shape::matrix(9, width), &want, error);
    }
}

/// `embed_grad`: repeated ids add up, padding gives nothing.
pub fn embeds_back<B: Train>(b: &mut B) {
    let kinds = [Positions::Fairseq, Positions::Learned];
    let cases = [(9, 8), (300, 5)].into_iter().flat_map(|of| kinds.map(|kind| (of, kind)));
    for ((vocabulary, width), kind) in cases {
        let noise = &mut Noise::new(3);
        let shape = Shape::matrix(vocabulary, width);
        let (table, sum) = random(b, noise, shape);
        let mut want = vec![0.0; shape.len()];
        let (dy, given) = random(b, noise, Shape::matrix(9, width));
        for (n, (&id, &at)) in IDS.iter().zip(&POSITIONS).enumerate() {
            for i in 0..if at == NO_POSITION { 0 } else { width } {
                want[id as usize * width + i] +=
                    embedding_scale(kind, width) * given[n * width + i];
            }
        }
        let mut tokens = tokens(b, &IDS, &POSITIONS, true);
        let got = b.embed_grad(&dy, &tokens, Embed::of(kind), &table, None);
        holds(b, "embed_grad", &got, shape, &want, 1e-6);
        want.iter_mut().zip(&sum).for_each(|(want, sum)| *want += sum);
        let got = b.embed_grad(&dy, &tokens, Embed::of(kind), &table, Some(table.clone()));
        holds(b, "embed_grad added", &got, shape, &want, 1e-6);
        [tokens.ids, tokens.positions] = b.index_tokens(&IDS, &POSITIONS);
        let got = b.embed_grad(&dy, &tokens, Embed::of(kind), &table, Some(table.clone()));
        holds(b, "embed_grad of prepared tokens", &got, shape, &want, 1e-6);
    }
}

/// Dropout in `embed` and `embed_grad` is `mask` of the result, and of its gradient.
pub fn drops_embeddings<B: Train>(b: &mut B) {
    for kind in [Positions::Fairseq, Positions::Learned] {
        let (noise, shape) = (&mut Noise::new(5), Shape::matrix(9, 200));
        let [(table, _), (dy, _), (into, _)] = [(); 3].map(|()| random(b, noise, shape));
        let tokens = tokens(b, &IDS, &POSITIONS, true);
        let (whole, (p, key)) = (Embed::of(kind), (0.3, 8));
        let how = Embed { dropout: p, key: Some(key), ..whole };
        let want = b.embed(&table, &tokens, whole);
        let want = b.mask(want, p, key);
        let want = double(&values(b, &want));
        let got = b.embed(&table, &tokens, how);
        holds(b, "embed with dropout", &got, shape, &want, 1e-6);
        let masked = b.mask(dy.clone(), p, key);
        let want = b.embed_grad(&masked, &tokens, whole, &table, Some(into.clone()));
        let want = double(&values(b, &want));
        let got = b.embed_grad(&dy, &tokens, how, &table, Some(into));
        holds(b, "embed_grad with dropout", &got, shape, &want, 1e-6);
        let kept = b.embed(&table, &tokens, Embed { dropout: p, ..whole });
        let want = b.embed(&table, &tokens, whole);
        let want = double(&values(b, &want));
        holds(b, "embed without a key drops nothing", &kept, shape, &want, 0.0);
    }
}

/// N, I, O of linear maps: below, at and above the sizes of tiles and panels.
const LINEAR: [[usize; 3]; 8] = [
    [1, 1, 1],
    [3, 5, 7],
    [0, 5, 7],
    [13, 64, 33],
    [48, 32, 64],
    [61, 600, 70],
    [131, 20, 257],
    [2, 256, 40],
];

fn linear(x: &[f64], w: &[f64], bias: &[f64], [n, i, o]: [usize; 3]) -> Vec<f64> {
    let y = |at: usize| {
        let (row, col) = (at / o, at % o);
        bias.get(col).unwrap_or(&0.0) + dot(&x[row * i..][..i], &w[col * i..][..i])
    };
    (0..n * o).map(y).collect()
}

/// `linear`, with and without a bias.
pub fn maps_linearly<B: Train>(b: &mut B) {
    for dims @ [n, i, o] in LINEAR {
        let noise = &mut Noise::new(4);
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (w, w64) = random(b, noise, Shape::matrix(o, i));
        let (bias, bias64) = random(b, noise, Shape::vector(o));
        let y = b.linear(&x, &w, Some(&bias));
        holds(b, "linear", &y, Shape::matrix(n, o), &linear(&x64, &w64, &bias64, dims), 1e-5);
        let y = b.linear(&x, &w, None);
        holds(b, "linear", &y, Shape::matrix(n, o), &linear(&x64, &w64, &[], dims), 1e-5);
    }
}

/// The gradients of weight and bias; that of `x` is added to `dx`.
fn linear_back(
    dy: &[f64],
    x: &[f64],
    w: &[f64],
    [n, i, o]: [usize; 3],
    dx: &mut [f64],
) -> [Vec<f64>; 2] {
    let (mut dw, mut db) = (vec![0.0; o * i], vec![0.0; o]);
    for (row, col) in (0..n).flat_map(|row| (0..o).map(move |col| (row, col))) {
        let d = dy[row * o + col];
        db[col] += d;
        for k in 0..i {
            dx[row * i + k] += d * w[col * i + k];
            dw[col * i + k] += d * x[row * i + k];
        }
    }
    [dw, db]
}

/// `linear_grad`, added to a sum and alone.
pub fn maps_linearly_back<B: Train>(b: &mut B) {
    for (dims @ [n, i, o], add) in LINEAR.iter().flat_map(|d| [(*d, false), (*d, true)]) {
        let noise = &mut Noise::new(5);
        let (dy, dy64) = random(b, noise, Shape::matrix(n, o));
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (w, w64) = random(b, noise, Shape::matrix(o, i));
        let (into, mut dx) = random(b, noise, Shape::matrix(n, i));
        if !add {
            dx.fill(0.0);
        }
        let [dw, db] = linear_back(&dy64, &x64, &w64, dims, &mut dx);
        let got = b.linear_grad(&dy, &x, &w, add, add.then_some(into));
        let what = format!("linear_grad {dims:?}");
        holds(b, &what, &got.x, Shape::matrix(n, i), &dx, 1e-5);
        holds(b, &what, &got.w, Shape::matrix(o, i), &dw, 1e-5);
        assert_eq!(got.b.is_some(), add);
        if let Some(got) = got.b {
            holds(b, &what, &got, Shape::vector(o), &db, 1e-5);
        }
    }
}

/// Three linear maps, stored apart or together: `[w, b]` of each, and the same as f64.
#[allow(clippy::type_complexity)]
fn three_maps<B: Train>(
    b: &mut B,
    noise: &mut Noise,
    [_, i, o]: [usize; 3],
    together: bool,
) -> (Vec<B::Tensor>, Vec<Vec<f64>>) {
    let shapes = [Shape::matrix(o, i), Shape::vector(o)];
    let (params, doubles) = shapes.iter().cycle().take(6).map(|&s| random(b, noise, s)).unzip();
    (if together { b.together(params) } else { params }, doubles)
}

/// `linears`, of parameters stored together and apart.
pub fn maps_one_input<B: Train>(b: &mut B) {
    for (dims @ [n, i, o], together) in LINEAR.iter().flat_map(|d| [(*d, false), (*d, true)]) {
        let noise = &mut Noise::new(31);
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (params, doubles) = three_maps(b, noise, dims, together);
        let maps = [0, 1, 2].map(|m| [&params[2 * m], &params[2 * m + 1]]);
        let [k, v, q] = b.linears(&x, maps);
        let [other_k, other_v] = b.linears(&x, [maps[2], maps[0]]);
        for (y, m) in [(k, 0), (v, 1), (q, 2), (other_k, 2), (other_v, 0)] {
            let want = linear(&x64, &doubles[2 * m], &doubles[2 * m + 1], dims);
            holds(b, &format!("map {m} of {dims:?}"), &y, Shape::matrix(n, o), &want, 1e-5);
        }
    }
}

/// `linears_grad` of one to three maps, added to a sum and alone.
pub fn maps_one_input_back<B: Train>(b: &mut B) {
    let cases = LINEAR.iter().flat_map(|d| (0..6).map(|c| (*d, 1 + c / 2, c % 2 == 0)));
    for (dims @ [n, i, o], count, add) in cases {
        let noise = &mut Noise::new(32);
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (params, doubles) = three_maps(b, noise, dims, add);
        let (into, mut dx) = random(b, noise, Shape::matrix(n, i));
        if !add {
            dx.fill(0.0);
        }
        let dys = (0..count).map(|_| random(b, noise, Shape::matrix(n, o)));
        let (dys, dys64): (Vec<_>, Vec<_>) = dys.unzip();
        let ws: Vec<_> = (0..count).map(|m| &params[2 * m]).collect();
        let got = b.linears_grad(&dys, &x, &ws, add.then_some(into));
        let what = format!("{count} maps of {dims:?}");
        assert_eq!(got.maps.len(), count, "{what}");
        for (m, (dw, db)) in got.maps.iter().enumerate() {
            let want = linear_back(&dys64[m], &x64, &doubles[2 * m], dims, &mut dx);
            holds(b, &what, dw, Shape::matrix(o, i), &want[0], 1e-5);
            let db = db.as_ref().expect("the gradient of a bias");
            holds(b, &what, db, Shape::vector(o), &want[1], 1e-5);
        }
        let got = got.x.expect("the gradient of x");
        holds(b, &what, &got, Shape::matrix(n, i), &dx, 1e-5);
    }
}

/// A tape without a loss: gradients of 0.
pub fn skips_what_no_loss_reaches<B: Train>(b: &mut B) {
    let noise = &mut Noise::new(33);
    let dims = [3, 4, 5];
    let (x, _) = random(b, noise, Shape::matrix(3, 4));
    let (params, _) = three_maps(b, noise, dims, true);
    let mut tape = Tape::new(b, 1);
    let x = tape.leaf(x);
    let params: Vec<_> = params.into_iter().map(|param| tape.leaf(param)).collect();
    let _ = tape.linears(&x, [0, 1, 2].map(|m| [&params[2 * m], &params[2 * m + 1]]));
    let _ = tape.linear(&x, &params[0], Some(&params[1]));
    for gradient in tape.backward() {
        let shape = b.shape(&gradient);
        holds(b, "what no loss reaches", &gradient, shape, &vec![0.0; shape.len()], 0.0);
    }
}

fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum(); // exact to twelve digits; the series is inaccurate here
    }
    // Its Taylor series: enough terms for the range of the tests.
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn activation(x: f64, f: Activation) -> f64 {
    match f {
        Activation::Relu => x.max(0.0),
        Activation::Gelu => x * 0.5 * (1.0 + erf(x / 2f64.sqrt())),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh];

/// `activate` and `activate_grad`.
pub fn activates<B: Train>(b: &mut B) {
    for f in ACTIVATIONS {
        let noise = &mut Noise::new(6);
        let shape = Shape::matrix(7, 5);
        let wide: Vec<f32> = noise.list(35).iter().map(|x| 4.0 * x).collect();
        let (x, x64) = (b.tensor(&wide, shape), double(&wide));
        let (dy, dy64) = random(b, noise, shape);
        let want: Vec<f64> = x64.iter().map(|&x| activation(x, f)).collect();
        let slopes = differences(&x64, |x| x.iter().map(|&x| activation(x, f)).sum());
        let y = b.activate(x.clone(), f);
        holds(b, "activate", &y, shape, &want, 1e-6);
        holds(b, "activate leaves others alone", &x, shape, &x64, 0.0);
        let saved = if f.gradient_takes_input() { &x } else { &y };
        let dx = b.activate_grad(dy, saved, f);
        let want: Vec<f64> = slopes.iter().zip(&dy64).map(|(s, d)| s * d).collect();
        holds(b, "activate_grad", &dx, shape, &want, 1e-6);
        // Far from 0 the functions and their slopes are those of ReLU, or of a step.
        let ends = [-1e6, -1e3, -100.0, 100.0, 1e3, 1e6];
        let far = b.tensor(&ends, Shape::vector(6));
        let y = b.activate(far.clone(), f);
        let saved = if f.gradient_takes_input() { &far } else { &y };
        let ones = b.tensor(&[1.0; 6], Shape::vector(6));
        let slopes = b.activate_grad(ones, saved, f);
        let step = f == Activation::Tanh;
        let end = |x: &f64| if step { x.signum() } else { x.max(0.0) };
        let want: Vec<f64> = double(&ends).iter().map(end).collect();
        holds(b, "activate far from 0", &y, Shape::vector(6), &want, 1e-6);
        let want = if step { [0.0; 6] } else { [0.0, 0.0, 0.0, 1.0, 1.0, 1.0] };
        holds(b, "activate_grad far from 0", &slopes, Shape::vector(6), &want, 1e-6);
    }
}

/// `linear_activate`
pub fn activates_linear_maps<B: Train>(b: &mut B) {
    for (dims @ [n, i, o], f) in LINEAR.iter().flat_map(|d| ACTIVATIONS.map(|f| (*d, f))) {
        let noise = &mut Noise::new(26);
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (w, w64) = random(b, noise, Shape::matrix(o, i));
        let (bias, bias64) = random(b, noise, Shape::vector(o));
        let y = b.linear_activate(&x, [&w, &bias], f);
        let want = linear(&x64, &w64, &bias64, dims);
        let want: Vec<f64> = want.into_iter().map(|y| activation(y, f)).collect();
        holds(b, "linear_activate", &y, Shape::matrix(n, o), &want, 1e-5);
    }
}

/// `add`, in place only if no other tensor shares the memory.
pub fn adds<B: Train>(b: &mut B) {
    for shape in [Shape::vector(3), Shape::matrix(200, 100)] {
        let noise = &mut Noise::new(7);
        let ((x, x64), (y, y64)) = (random(b, noise, shape), random(b, noise, shape));
        let want: Vec<f64> = x64.iter().zip(&y64).map(|(x, y)| x + y).collect();
        let sum = b.add(x.clone(), &y);
        holds(b, "add", &sum, shape, &want, 1e-6);
        holds(b, "add leaves others alone", &x, shape, &x64, 0.0);
        let twice = b.add(x.clone(), &x);
        let want_twice: Vec<f64> = x64.iter().map(|x| 2.0 * x).collect();
        holds(b, "add to itself", &twice, shape, &want_twice, 0.0);
        let sum = b.add(x, &y);
        holds(b, "add in place", &sum, shape, &want, 1e-6);
    }
}

/// `scale`
pub fn scales<B: Train>(b: &mut B) {
    let (x, x64) = random(b, &mut Noise::new(8), Shape::matrix(170, 101));
    let y = b.scale(x, -2.5);
    let want: Vec<f64> = x64.iter().map(|x| -2.5 * x).collect();
    holds(b, "scale", &y, Shape::matrix(170, 101), &want, 1e-6);
}

/// `mask`
pub fn drops<B: Train>(b: &mut B) {
    for p in [0.0, 0.3] {
        let shape = Shape::matrix(170, 101);
        let (x, x64) = random(b, &mut Noise::new(9), shape);
        let mask = Mask::new(p, 77);
        let factor = |i: usize| f64::from(mask.factor(i as u32));
        let want: Vec<f64> = x64.iter().enumerate().map(|(i, x)| x * factor(i)).collect();
        let undropped = b.dropout(x.clone(), p);
        holds(b, "dropout without a tape", &undropped, shape, &x64, 0.0);
        let y = b.mask(x, p, 77);
        holds(b, "mask", &y, shape, &want, 1e-6);
        let kept = values(b, &y).iter().filter(|y| **y != 0.0).count() as f32;
        assert!((kept / shape.len() as f32 - (1.0 - p)).abs() < 0.02, "mask keeps {kept}");
    }
}

fn layer_norm(x: &[f64], gain: &[f64], bias: &[f64], epsilon: f64) -> Vec<f64> {
    let width = gain.len();
    let row = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / width as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let root = (variance + epsilon).sqrt();
        let y = x.iter().zip(gain.iter().zip(bias)).map(|(x, (g, b))| (x - mean) / root * g + b);
        y.collect::<Vec<f64>>()
    };
    x.chunks(width).flat_map(row).collect()
}

/// That of most models, and one that shows.
const EPSILONS: [f32; 2] = [NORM_EPSILON, 0.5];

const NORMS: [[usize; 2]; 4] = [[1, 1], [5, 7], [3, 33], [130, 4]];

/// `layer_norm`
pub fn normalises<B: Train>(b: &mut B) {
    for [n, width] in NORMS {
        let noise = &mut Noise::new(10);
        let shape = Shape::matrix(n, width);
        let (x, x64) = random(b, noise, shape);
        let (gain, gain64) = random(b, noise, Shape::vector(width));
        let (bias, bias64) = random(b, noise, Shape::vector(width));
        for epsilon in EPSILONS {
            let y = b.layer_norm(&x, LayerNorm { gain: &gain, bias: &bias, epsilon });
            let want = layer_norm(&x64, &gain64, &bias64, epsilon.into());
            holds(b, "layer_norm", &y, shape, &want, 1e-5);
        }
    }
}

/// `linear_join`, and `linear_join_masked` with and without a mask.
pub fn joins_maps<B: Train>(b: &mut B) {
    for (dims @ [n, i, o], key) in LINEAR.iter().flat_map(|of| [(*of, None), (*of, Some(8))]) {
        let noise = &mut Noise::new(28);
        let shape = Shape::matrix(n, o);
        let (inner, inner64) = random(b, noise, Shape::matrix(n, i));
        let (w, w64) = random(b, noise, Shape::matrix(o, i));
        let (shift, shift64) = random(b, noise, Shape::vector(o));
        let (x, x64) = random(b, noise, shape);
        let (gain, gain64) = random(b, noise, Shape::vector(o));
        let (bias, bias64) = random(b, noise, Shape::vector(o));
        let mask = key.map(|key| Mask::new(0.3, key));
        let factor = |i: usize| mask.map_or(1.0, |mask| f64::from(mask.factor(i as u32)));
        let y64 = linear(&inner64, &w64, &shift64, dims);
        let sum: Vec<f64> =
            y64.iter().zip(&x64).enumerate().map(|(i, (y, x))| x + y * factor(i)).collect();
        let want = layer_norm(&sum, &gain64, &bias64, 0.01f32.into());
        let (map, dropout) = ([&w, &shift], key.map(|key| (0.3, key)));
        let norm = LayerNorm { gain: &gain, bias: &bias, epsilon: 0.01 };
        let [got_sum, got] = b.linear_join_masked(&inner, map, &x, dropout, norm);
        holds(b, "the sum of linear_join_masked", &got_sum, shape, &sum, 1e-5);
        // A row of one or two columns can be almost constant, which makes its norm inaccurate.
        let tolerance = if o < 3 { f64::INFINITY } else { 1e-3 };
        holds(b, "linear_join_masked", &got, shape, &want, tolerance);
        if key.is_none() {
            let got = b.linear_join(&inner, map, &x, 0.3, norm);
            holds(b, "linear_join drops nothing", &got, shape, &want, tolerance);
        }
    }
}

/// Gradients of `layer_norm` for its input, gain and bias.
fn layer_norm_back(dy: &[f64], x: &[f64], gain: &[f64], epsilon: f64) -> [Vec<f64>; 3] {
    let width = gain.len();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / width as f64;
    let [mut dx, mut dgain, mut dbias] = [Vec::new(), vec![0.0; width], vec![0.0; width]];
    for (dy, x) in dy.chunks(width).zip(x.chunks(width)) {
        let middle = mean(x);
        let variance = mean(&x.iter().map(|x| (x - middle).powi(2)).collect::<Vec<_>>());
        let root = (variance + epsilon).sqrt();
        let h: Vec<f64> = x.iter().map(|x| (x - middle) / root).collect();
        let g: Vec<f64> = dy.iter().zip(gain).map(|(dy, gain)| dy * gain).collect();
        let along = mean(&g.iter().zip(&h).map(|(g, h)| g * h).collect::<Vec<_>>());
        dx.extend(g.iter().zip(&h).map(|(g_i, h)| (g_i - mean(&g) - h * along) / root));
        for i in 0..width {
            dgain[i] += dy[i] * h[i];
            dbias[i] += dy[i];
        }
    }
    [dx, dgain, dbias]
}

/// `linear_join_grad`, with and without a mask, of an input that is the result of ReLU or of nothing.
pub fn joins_maps_back<B: Train>(b: &mut B) {
    let kinds = [
        (None, None),
        (Some(8), None),
        (None, Some(Activation::Relu)),
        (Some(8), Some(Activation::Relu)),
    ];
    let wide = LINEAR.into_iter().filter(|[_, _, o]| *o > 2);
    for (dims @ [n, i, o], (key, f)) in wide.flat_map(|of| kinds.map(|kind| (of, kind))) {
        let noise = &mut Noise::new(39);
        let shape = Shape::matrix(n, o);
        let (mut x, _) = random(b, noise, Shape::matrix(n, i));
        if let Some(f) = f {
            let (w, _) = random(b, noise, Shape::matrix(i, i));
            let (bias, _) = random(b, noise, Shape::vector(i));
            x = b.linear_activate(&x, [&w, &bias], f);
        }
        let x64: Vec<f64> = values(b, &x).into_iter().map(f64::from).collect();
        let (w, w64) = random(b, noise, Shape::matrix(o, i));
        let (sum, sum64) = random(b, noise, shape);
        let (dy, dy64) = random(b, noise, shape);
        let (gain, gain64) = random(b, noise, Shape::vector(o));
        let norm = LayerNorm { gain: &gain, bias: &gain, epsilon: 0.01 };
        let mask = key.map(|key| (0.3, key));
        let got = b.linear_join_grad(&dy, [&x, &w], f, &sum, mask, norm);

        let [dsum, dgain, dbias] = layer_norm_back(&dy64, &sum64, &gain64, 0.01f32.into());
        let mask = key.map(|key| Mask::new(0.3, key));
        let factor = |i: usize| mask.map_or(1.0, |mask| f64::from(mask.factor(i as u32)));
        let branch: Vec<f64> = dsum.iter().enumerate().map(|(i, d)| d * factor(i)).collect();
        let mut dx = vec![0.0; n * i];
        let [dw, db] = linear_back(&branch, &x64, &w64, dims, &mut dx);
        if f.is_some() {
            dx.iter_mut().zip(&x64).filter(|(_, x)| **x <= 0.0).for_each(|(dx, _)| *dx = 0.0);
        }
        let what = |part| format!("{part} of {dims:?}, mask {key:?}, after {f:?}");
        holds(b, &what("sum"), &got.norm.x, shape, &dsum, 2e-5);
        holds(b, &what("gain"), &got.norm.gain, Shape::vector(o), &dgain, 2e-5);
        holds(b, &what("bias"), &got.norm.bias, Shape::vector(o), &dbias, 2e-5);
        holds(b, &what("x"), &got.linear.x, Shape::matrix(n, i), &dx, 2e-5);
        holds(b, &what("w"), &got.linear.w, Shape::matrix(o, i), &dw, 2e-5);
        let shift = got.linear.b.expect("the gradient of a bias");
        holds(b, &what("the map's bias"), &shift, Shape::vector(o), &db, 2e-5);
    }
}

/// `layer_norm_grad`
pub fn normalises_back<B: Train>(b: &mut B) {
    for [n, width] in NORMS {
        let noise = &mut Noise::new(11);
        let shape = Shape::matrix(n, width);
        let (x, x64) = random(b, noise, shape);
        let (dy, dy64) = random(b, noise, shape);
        let (gain, gain64) = random(b, noise, Shape::vector(width));
        let zero = vec![0.0; width];
        let (bias, epsilon) = (b.tensor(&vec![0.0; width], Shape::vector(width)), 0.01);
        let got = b.layer_norm_grad(&dy, &x, LayerNorm { gain: &gain, bias: &bias, epsilon });
        let norm = |x: &[f64], gain: &[f64], bias: &[f64]| {
            dot(&layer_norm(x, gain, bias, epsilon.into()), &dy64)
        };
        let dx = differences(&x64, |x| norm(x, &gain64, &zero));
        let dgain = differences(&gain64, |gain| norm(&x64, gain, &zero));
        let dbias = differences(&zero, |bias| norm(&x64, &gain64, bias));
        holds(b, "layer_norm_grad x", &got.x, shape, &dx, 2e-5);
        holds(b, "layer_norm_grad gain", &got.gain, Shape::vector(width), &dgain, 2e-5);
        holds(b, "layer_norm_grad bias", &got.bias, Shape::vector(width), &dbias, 2e-5);
    }
}

/// A grid on the host.
struct Geometry {
    name: &'static str,
    spans: Vec<Span>,
    causal: bool,
}

impl Geometry {
    /// From the `(len, valid)` of the queries and the keys of each sentence.
    fn new(name: &'static str, causal: bool, sentences: &[[(usize, usize); 2]]) -> Self {
        let mut spans: Vec<Span> = Vec::new();
        for &[(queries, asked), (keys, valid)] in sentences {
            let last = spans.last();
            let end = |run: Run| run.start + run.len;
            spans.push(Span {
                query: Run { start: last.map_or(0, |s| end(s.query)), len: queries, valid: asked },
                key: Run { start: last.map_or(0, |s| end(s.key)), len: keys, valid },
                before: last.map_or(0, |s| s.before + s.area()),
            });
        }
        Self { name, spans, causal }
    }

    fn queries(&self) -> usize {
        self.spans.iter().map(|s| s.query.len).sum()
    }

    fn keys(&self) -> usize {
        self.spans.iter().map(|s| s.key.len).sum()
    }

    fn area(&self) -> usize {
        self.spans.iter().map(Span::area).sum()
    }

    fn grid<B: Backend>(&self, b: &mut B) -> Grid<B::Index> {
        let words: Vec<u32> = self.spans.iter().flat_map(Span::encode).collect();
        Grid {
            spans: b.index(&words),
            sentences: self.spans.len(),
            queries: self.queries(),
            keys: self.keys(),
            area: self.area(),
            causal: self.causal,
            first: 0,
        }
    }

    fn seen(&self, span: &Span, query: usize) -> usize {
        if self.causal { span.key.valid.min(query + 1) } else { span.key.valid }
    }

    /// Maps `[channels, A]` as a model has them: each row is a distribution over the keys that it sees.
    fn maps(&self, noise: &mut Noise, channels: usize) -> Vec<f32> {
        let mut out = vec![0.0; channels * self.area()];
        for span in &self.spans {
            for (c, i) in (0..channels).flat_map(|c| (0..span.query.len).map(move |i| (c, i))) {
                let scores: Vec<f32> =
                    noise.list(self.seen(span, i)).iter().map(|x| 3.0 * x).collect();
                let at = channels * span.before + c * span.area() + i * span.key.len;
                for (j, p) in softmax(&double(&scores)).iter().enumerate() {
                    out[at + j] = *p as f32;
                }
            }
        }
        out
    }
}

fn geometries() -> Vec<Geometry> {
    let square = |lens: &[(usize, usize)]| lens.iter().map(|&l| [l, l]).collect::<Vec<_>>();
    vec![
        Geometry::new("packed", false, &square(&[(1, 1), (5, 5), (0, 0), (3, 3)])),
        Geometry::new("packed causal", true, &square(&[(4, 4), (1, 1), (0, 0), (6, 6)])),
        Geometry::new("padded", false, &square(&[(6, 6), (6, 2), (6, 1)])),
        Geometry::new("padded causal", true, &square(&[(5, 3), (5, 5), (5, 1)])),
        Geometry::new("cross", false, &[[(4, 4), (6, 6)], [(4, 2), (6, 3)], [(4, 1), (6, 1)]]),
        Geometry::new("one query each", false, &[[(1, 1), (7, 7)], [(1, 1), (35, 30)]]),
        Geometry::new("two queries each", true, &[[(2, 2), (2, 2)], [(2, 1), (2, 1)]]),
        Geometry::new("long", false, &[[(2, 2), (3, 3)], [(38, 38), (35, 33)]]),
    ]
}

/// The context and the map.
fn attention(
    [q, k, v]: [&[f64]; 3],
    of: &Geometry,
    heads: usize,
    mask: Option<Mask>,
) -> (Vec<f64>, Vec<f64>) {
    let width = q.len() / of.queries();
    let size = width / heads;
    let mut context = vec![0.0; q.len()];
    let mut map = vec![0.0; heads * of.area()];
    for span in &of.spans {
        for (h, i) in (0..heads).flat_map(|h| (0..span.query.len).map(move |i| (h, i))) {
            let head = |row: usize| row * width + h * size..row * width + (h + 1) * size;
            let query = head(span.query.start + i);
            let key = |j: usize| head(span.key.start + j);
            let root = (size as f64).sqrt();
            let seen = 0..of.seen(span, i);
            let scores: Vec<f64> =
                seen.map(|j| dot(&q[query.clone()], &k[key(j)]) / root).collect();
            let at = heads * span.before + h * span.area() + i * span.key.len;
            for (j, p) in softmax(&scores).into_iter().enumerate() {
                map[at + j] = p;
                let factor = mask.map_or(1.0, |mask| f64::from(mask.factor((at + j) as u32)));
                for (c, v) in query.clone().zip(&v[key(j)]) {
                    context[c] += p * factor * v;
                }
            }
        }
    }
    (context, map)
}

fn how(heads: usize, key: Option<u64>) -> Attend {
    Attend { heads, map: true, dropout: 0.4, key }
}

/// `attend` over every kind of grid, head size and dropout.
pub fn attends<B: Train>(b: &mut B) {
    for of in &geometries() {
        for (width, heads, key) in [(6, 3, None), (80, 2, None), (64, 1, None), (6, 3, Some(5))] {
            let noise = &mut Noise::new(12);
            let (q, q64) = random(b, noise, Shape::matrix(of.queries(), width));
            let (k, k64) = random(b, noise, Shape::matrix(of.keys(), width));
            let (v, v64) = random(b, noise, Shape::matrix(of.keys(), width));
            let mask = key.map(|key| Mask::new(0.4, key));
            let (context, map) = attention([&q64, &k64, &v64], of, heads, mask);
            let (kv, grid) = (Kv { k, v }, of.grid(b));
            let got = b.attend(&q, kv.as_ref(), &grid, how(heads, key));
            holds(b, of.name, &got.context, Shape::matrix(of.queries(), width), &context, 1e-5);
            let got_map = got.map.expect("a map");
            holds(b, of.name, &got_map, Shape::matrix(heads, of.area()), &map, 1e-5);
            for (got, want) in values(b, &got_map).iter().zip(&map) {
                assert!(*want != 0.0 || *got == 0.0, "{}: {got} where nothing is seen", of.name);
            }
            let bare = b.attend(&q, kv.as_ref(), &grid, Attend { map: false, ..how(heads, key) });
            assert!(bare.map.is_none());
            holds(b, of.name, &bare.context, Shape::matrix(of.queries(), width), &context, 1e-5);
        }
    }
}

/// `attend_grad`, with a gradient of the context, of the map, and of both.
pub fn attends_back<B: Train>(b: &mut B) {
    let cases =
        [(true, true, None), (true, false, None), (false, true, None), (true, true, Some(6))];
    for (of, (context, map, key)) in geometries().iter().flat_map(|g| cases.map(|c| (g, c))) {
        let (width, heads) = (6, 2);
        let noise = &mut Noise::new(13);
        let (q, q64) = random(b, noise, Shape::matrix(of.queries(), width));
        let (k, k64) = random(b, noise, Shape::matrix(of.keys(), width));
        let (v, v64) = random(b, noise, Shape::matrix(of.keys(), width));
        let (dy, dy64) = random(b, noise, Shape::matrix(of.queries(), width));
        let (dmap, dmap64) = random(b, noise, Shape::matrix(heads, of.area()));
        let mask = key.map(|key| Mask::new(0.4, key));
        let value = |qkv: [&[f64]; 3]| {
            let (y, p) = attention(qkv, of, heads, mask);
            (if context { dot(&y, &dy64) } else { 0.0 }) + if map { dot(&p, &dmap64) } else { 0.0 }
        };
        let want = [
            differences(&q64, |q| value([q, &k64, &v64])),
            differences(&k64, |k| value([&q64, k, &v64])),
            differences(&v64, |v| value([&q64, &k64, v])),
        ];
        let (kv, grid) = (Kv { k, v }, of.grid(b));
        let made = b.attend(&q, kv.as_ref(), &grid, how(heads, key)).map.expect("a map");
        let mut saved = SavedAttend { q, kv, map: Some(made) };
        let (dy, dmap) = (context.then_some(&dy), map.then_some(&dmap));
        let got = b.attend_grad(dy, dmap, &saved, &grid, how(heads, key));
        saved.map = None;
        let anew = b.attend_grad(dy, dmap, &saved, &grid, Attend { map: false, ..how(heads, key) });
        for (got, anew) in got.iter().zip(&anew) {
            let got = double(&values(b, got));
            close("without the map", &values(b, anew), &got, 0.0);
        }
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let rows = if i == 0 { of.queries() } else { of.keys() };
            let what = format!("{} {}", of.name, ["dq", "dk", "dv"][i]);
            holds(b, &what, got, Shape::matrix(rows, width), want, 2e-5);
        }
    }
}

/// A sentence without a valid key gives zeros, never NaN.
pub fn attends_to_nothing<B: Train>(b: &mut B) {
    for queries in [1, 5] {
        let of = Geometry::new("no keys", false, &[[(queries, queries), (3, 0)]]);
        let noise = &mut Noise::new(14);
        let (q, _) = random(b, noise, Shape::matrix(queries, 4));
        let (k, _) = random(b, noise, Shape::matrix(3, 4));
        let (dmap, _) = random(b, noise, Shape::matrix(2, 3 * queries));
        let (kv, grid) = (Kv { k: k.clone(), v: k }, of.grid(b));
        let got = b.attend(&q, kv.as_ref(), &grid, how(2, None));
        let map = got.map.expect("a map");
        holds(b, "map", &map, Shape::matrix(2, 3 * queries), &vec![0.0; 6 * queries], 0.0);
        holds(b, "context", &got.context, Shape::matrix(queries, 4), &vec![0.0; 4 * queries], 0.0);
        let saved = SavedAttend { q: q.clone(), kv, map: Some(map) };
        for got in b.attend_grad(Some(&q), Some(&dmap), &saved, &grid, how(2, None)) {
            let shape = b.shape(&got);
            holds(b, "gradient", &got, shape, &vec![0.0; shape.len()], 0.0);
        }
    }
}

/// The index of channel `c` of element `i` (counted without channels) in sentence-wise maps `[channels, A]`.
fn place(of: &Geometry, channels: usize, c: usize, i: usize) -> usize {
    let after = of.spans.partition_point(|s| s.before + s.area() <= i);
    let span = &of.spans[after];
    channels * span.before + c * span.area() + i - span.before
}

const STUDENT_HEADS: [usize; 3] = [2, 2, 1];
const MAPS: usize = 7;

/// Channel `c` of all layers, element `i`.
fn channel(of: &Geometry, layers: &[Vec<f64>], c: usize, i: usize) -> f64 {
    let mut c = c;
    for (layer, heads) in layers.iter().zip(STUDENT_HEADS) {
        if c < heads {
            return layer[place(of, heads, c, i)];
        }
        c -= heads;
    }
    unreachable!("channel beyond the last layer")
}

fn alignment(of: &Geometry, layers: &[Vec<f64>], w: &[f64], bias: &[f64]) -> Vec<f64> {
    let channels = w.len() / MAPS;
    let mut y = vec![0.0; MAPS * of.area()];
    for (m, i) in (0..MAPS).flat_map(|m| (0..of.area()).map(move |i| (m, i))) {
        let mix: f64 = (0..channels).map(|c| w[m * channels + c] * channel(of, layers, c, i)).sum();
        y[place(of, MAPS, m, i)] = bias[m] + mix;
    }
    y
}

/// A tensor of each layer, and values as f64.
type Layers<T> = (Vec<T>, Vec<Vec<f64>>);

/// Random maps of each layer, as tensors and as f64.
fn layers<B: Train>(b: &mut B, noise: &mut Noise, of: &Geometry) -> Layers<B::Tensor> {
    let one = |heads: usize| random(b, noise, Shape::matrix(heads, of.area()));
    STUDENT_HEADS.map(one).into_iter().unzip()
}

/// Checks `align` with random parameters.
fn aligned<B: Train>(
    b: &mut B,
    noise: &mut Noise,
    of: &Geometry,
    (maps, maps64): &Layers<B::Tensor>,
    input: MapInput,
    tolerance: f64,
) {
    let (w, w64) = random(b, noise, Shape::matrix(MAPS, 5));
    let (bias, bias64) = random(b, noise, Shape::vector(MAPS));
    let grid = of.grid(b);
    let y = b.align(maps, &w, &bias, &grid, input);
    let want = alignment(of, maps64, &w64, &bias64);
    holds(b, of.name, &y, Shape::matrix(MAPS, of.area()), &want, tolerance);
}

/// Checks `align_grad` of random parameters; returns the gradient of each layer's maps and the expected slopes.
fn aligned_back<B: Train>(
    b: &mut B,
    noise: &mut Noise,
    of: &Geometry,
    (maps, maps64): &Layers<B::Tensor>,
    input: MapInput,
) -> Layers<B::Tensor> {
    let (w, w64) = random(b, noise, Shape::matrix(MAPS, 5));
    let (dy, dy64) = random(b, noise, Shape::matrix(MAPS, of.area()));
    let zero = [0.0; MAPS];
    let grid = of.grid(b);
    let got = b.align_grad(&dy, maps, &w, &grid, input);
    let dw = differences(&w64, |w| dot(&alignment(of, maps64, w, &zero), &dy64));
    holds(b, of.name, &got.w, Shape::matrix(MAPS, 5), &dw, 1e-5);
    let db = differences(&zero, |bias| dot(&alignment(of, maps64, &w64, bias), &dy64));
    holds(b, of.name, &got.b, Shape::vector(MAPS), &db, 1e-5);
    assert_eq!(got.maps.len(), maps.len());
    let slopes = |l: usize| {
        differences(&maps64[l], |x| {
            let mut maps = maps64.clone();
            maps[l] = x.to_vec();
            dot(&alignment(of, &maps, &w64, &zero), &dy64)
        })
    };
    (got.maps, (0..maps.len()).map(slopes).collect())
}

/// `align`
pub fn aligns<B: Train>(b: &mut B) {
    for of in &geometries() {
        let noise = &mut Noise::new(15);
        let maps = layers(b, noise, of);
        aligned(b, noise, of, &maps, MapInput::Probabilities, 1e-5);
    }
}

/// `align_grad`
pub fn aligns_back<B: Train>(b: &mut B) {
    for of in geometries().iter().filter(|g| g.area() < 500) {
        let noise = &mut Noise::new(16);
        let maps = layers(b, noise, of);
        let (got, slopes) = aligned_back(b, noise, of, &maps, MapInput::Probabilities);
        for ((got, want), heads) in got.iter().zip(&slopes).zip(STUDENT_HEADS) {
            holds(b, of.name, got, Shape::matrix(heads, of.area()), want, 1e-5);
        }
    }
}

/// The attention maps of each layer, with a probability below the least whose logarithm is taken.
fn attention_maps(noise: &mut Noise, of: &Geometry) -> Vec<Vec<f32>> {
    let mut maps = STUDENT_HEADS.map(|heads| of.maps(noise, heads));
    if let Some(p) = maps[0].first_mut() {
        *p = LEAST_PROBABILITY / 10.0;
    }
    maps.into()
}

/// Maps on a backend, and their logarithms.
fn scored<B: Train>(b: &mut B, of: &Geometry, maps: &[Vec<f32>]) -> Layers<B::Tensor> {
    let least = f64::from(LEAST_PROBABILITY);
    let score = |map: &Vec<f32>| map.iter().map(|&p| f64::from(p).max(least).ln()).collect();
    let shape = |heads| Shape::matrix(heads, of.area());
    let tensors = maps.iter().zip(STUDENT_HEADS).map(|(map, heads)| b.tensor(map, shape(heads)));
    (tensors.collect(), maps.iter().map(score).collect())
}

/// `align` of the logarithms of probabilities, some of them 0.
pub fn aligns_scores<B: Train>(b: &mut B) {
    for of in &geometries() {
        let noise = &mut Noise::new(37);
        let maps = attention_maps(noise, of);
        let maps = scored(b, of, &maps);
        aligned(b, noise, of, &maps, MapInput::Scores, 1e-6);
    }
}

/// `align_grad` of the logarithms of probabilities: those that are not seen have no gradient.
pub fn aligns_scores_back<B: Train>(b: &mut B) {
    for of in geometries().iter().filter(|g| g.area() < 500) {
        let noise = &mut Noise::new(38);
        let maps = attention_maps(noise, of);
        let scores = scored(b, of, &maps);
        let (got, slopes) = aligned_back(b, noise, of, &scores, MapInput::Scores);
        for ((got, slopes), map) in got.iter().zip(&slopes).zip(&maps) {
            // Times the probability, so that the largest slopes do not hide the others.
            let got = values(b, got).into_iter().zip(map);
            let seen = |p: f32| p > LEAST_PROBABILITY;
            let times = got.map(|(d, &p)| if seen(p) { d * p } else { d }).collect::<Vec<_>>();
            let want = slopes.iter().zip(map).map(|(d, &p)| if seen(p) { *d } else { 0.0 });
            close(of.name, &times, &want.collect::<Vec<_>>(), 1e-5);
        }
    }
}

/// The logits of each row.
fn logits([hidden, table]: [&[f64]; 2], rows: usize) -> Vec<Vec<f64>> {
    let width = hidden.len() / rows;
    let row = |x: &[f64]| table.chunks(width).map(|w| dot(w, x)).collect();
    hidden.chunks(width).map(row).collect()
}

/// The five sums of `token_loss`.
fn token_losses(
    student: [&[f64]; 2],
    teacher: Option<[&[f64]; 2]>,
    targets: &[u32],
    of: TokenRow,
) -> [f64; 5] {
    let student = logits(student, targets.len());
    let teacher = teacher.map(|teacher| logits(teacher, targets.len()));
    let over = |x: &[f64], by: f32| x.iter().map(|x| x / f64::from(by)).collect::<Vec<f64>>();
    let mut sums = [0.0; 5];
    for (row, &target) in targets.iter().enumerate().filter(|(_, t)| **t != IGNORE) {
        let z = &student[row];
        let lp = log_softmax(z);
        let smoothing = f64::from(of.label_smoothing);
        let even = smoothing / (z.len() - 1) as f64;
        sums[0] -= (1.0 - smoothing - even) * lp[target as usize] + even * lp.iter().sum::<f64>();
        sums[2] -= lp[target as usize];
        if let Some(teacher) = &teacher {
            let zt = &teacher[row];
            let soft = softmax(&over(zt, of.teacher_temperature));
            let lp = log_softmax(&over(z, of.student_temperature));
            sums[1] -= dot(&soft, &lp);
            sums[3] -= log_softmax(zt)[target as usize];
            sums[4] -= soft.iter().map(|p| p * p.ln()).sum::<f64>();
        }
    }
    sums
}

fn token_loss<B: Train>(
    b: &mut B,
    [hidden, table]: [&B::Tensor; 2],
    teacher: Option<[&B::Tensor; 2]>,
    targets: &[u32],
    of: TokenRow,
    gradient: bool,
) -> TokenLosses<B::Tensor> {
    let targets = b.index(targets);
    b.token_loss(TokenLoss {
        hidden,
        table,
        bias: None,
        teacher: teacher.map(|[hidden, table]| TeacherRows { hidden, table, bias: None }),
        targets: &targets,
        row: of,
        gradient,
    })
}

const fn row(smoothing: f32, temperatures: [f32; 2], [ce_weight, kd_weight]: [f32; 2]) -> TokenRow {
    TokenRow {
        label_smoothing: smoothing,
        student_temperature: temperatures[0],
        teacher_temperature: temperatures[1],
        ce_weight,
        kd_weight,
        mutual: false,
    }
}

/// Settings of token losses.
pub const TOKEN_ROWS: [TokenRow; 4] = [
    row(0.0, [1.0, 1.0], [1.0, 0.0]),
    row(0.1, [1.0, 1.0], [0.5, 0.7]),
    row(0.1, [2.0, 1.0], [0.5, 0.5]),
    row(0.2, [1.0, 3.0], [0.0, 1.5]),
];

/// `token_loss`: all sums, both gradients, with and without a teacher, with ignored rows.
pub fn loses_tokens<B: Train>(b: &mut B) {
    let targets = [3, 0, IGNORE, 36, 5, IGNORE, IGNORE, 1];
    let (n, v, width, teacher_width) = (targets.len(), 37, 5, 3);
    for (of, taught) in TOKEN_ROWS.iter().flat_map(|of| [(*of, true), (*of, false)]) {
        let noise = &mut Noise::new(17);
        let (hidden, hidden64) = random(b, noise, Shape::matrix(n, width));
        let (table, table64) = random(b, noise, Shape::matrix(v, width));
        let (th, th64) = random(b, noise, Shape::matrix(n, teacher_width));
        let (tt, tt64) = random(b, noise, Shape::matrix(v, teacher_width));
        let teacher = taught.then_some([&th, &tt]);
        let teacher64 = taught.then_some([&th64[..], &tt64[..]]);
        let want = token_losses([&hidden64, &table64], teacher64, &targets, of);
        let got = token_loss(b, [&hidden, &table], teacher, &targets, of, true);
        holds(b, "token_loss", &got.values, Shape::vector(5), &want, 1e-5);
        let rows = (0..n).flat_map(|row| {
            let only: Vec<_> = (0..n).map(|i| if i == row { targets[i] } else { IGNORE }).collect();
            token_losses([&hidden64, &table64], teacher64, &only, of)
        });
        let rows: Vec<_> = rows.collect();
        holds(b, "token_loss rows", &got.rows, Shape::matrix(n, 5), &rows, 1e-5);

        let value = |hidden: &[f64], table: &[f64]| {
            let sums = token_losses([hidden, table], teacher64, &targets, of);
            f64::from(of.ce_weight) * sums[0] + f64::from(of.kd_weight) * sums[1]
        };
        let dhidden = differences(&hidden64, |hidden| value(hidden, &table64));
        let dtable = differences(&table64, |table| value(&hidden64, table));
        let (got_hidden, got_table) = (got.hidden.expect("asked"), got.table.expect("asked"));
        holds(b, "token_loss hidden", &got_hidden, Shape::matrix(n, width), &dhidden, 1e-5);
        holds(b, "token_loss table", &got_table, Shape::matrix(v, width), &dtable, 1e-5);

        let got = token_loss(b, [&hidden, &table], teacher, &targets, of, false);
        holds(b, "token_loss alone", &got.values, Shape::vector(5), &want, 1e-5);
        assert!(got.hidden.is_none() && got.table.is_none());
        let none = token_loss(b, [&hidden, &table], teacher, &[IGNORE; 8], of, true);
        holds(b, "no token", &none.values, Shape::vector(5), &[0.0; 5], 0.0);
        let table = none.table.expect("asked");
        holds(b, "no token", &table, Shape::matrix(v, width), &vec![0.0; v * width], 0.0);
    }
}

/// Rows of `x`, each with one more column.
fn widened(x: &[f64], width: usize, column: impl Fn(usize) -> f64) -> Vec<f64> {
    let rows = x.chunks(width).enumerate();
    rows.flat_map(|(i, row)| row.iter().copied().chain([column(i)])).collect()
}

/// `token_loss` with a bias on the logits of student and teacher, which equals one more column of hidden rows and
/// tables.
pub fn loses_tokens_with_a_bias<B: Train>(b: &mut B) {
    let targets = [3, 0, IGNORE, 36, 5, 1];
    let (n, v, width) = (targets.len(), 37, 5);
    for of in TOKEN_ROWS {
        let noise = &mut Noise::new(34);
        let mut pair = |b: &mut B, rows| random(b, noise, Shape::matrix(rows, width));
        let [(hidden, hidden64), (taught, taught64)] = [n, n].map(|rows| pair(b, rows));
        let (table, table64) = pair(b, v);
        let [(bias, bias64), (other, other64)] = [1, 2].map(|_| random(b, noise, Shape::vector(v)));
        let one = |x: &[f64]| widened(x, width, |_| 1.0);
        let biased = |bias: &[f64]| widened(&table64, width, |i| bias[i]);
        let teacher64 = [one(&taught64), biased(&other64)];
        let teacher64 = Some([&teacher64[0][..], &teacher64[1][..]]);
        let sums =
            |bias: &[f64]| token_losses([&one(&hidden64), &biased(bias)], teacher64, &targets, of);
        let targets = b.index(&targets);
        let got = b.token_loss(TokenLoss {
            hidden: &hidden,
            table: &table,
            bias: Some(&bias),
            teacher: Some(TeacherRows { hidden: &taught, table: &table, bias: Some(&other) }),
            targets: &targets,
            row: of,
            gradient: true,
        });
        holds(b, "biased token_loss", &got.values, Shape::vector(5), &sums(&bias64), 1e-5);
        let dbias = differences(&bias64, |bias| {
            let sums = sums(bias);
            f64::from(of.ce_weight) * sums[0] + f64::from(of.kd_weight) * sums[1]
        });
        let got = got.bias.expect("asked");
        holds(b, "token_loss bias", &got, Shape::vector(v), &dbias, 1e-5);
    }
}

/// The five sums of `token_loss` of two passes of a model, from the logits of their rows.
fn mutual_losses(passes: [&[Vec<f64>]; 2], targets: &[u32]) -> [f64; 5] {
    let mut sums = [0.0; 5];
    for (row, &target) in targets.iter().enumerate().filter(|(_, t)| **t != IGNORE) {
        let [p, q] = passes.map(|pass| log_softmax(&pass[row]));
        let apart = p.iter().zip(&q).map(|(p, q)| (p.exp() - q.exp()) * (p - q));
        let (nll, other) = (-p[target as usize], -q[target as usize]);
        let terms = [nll, 0.5 * apart.sum::<f64>(), nll, other, 0.0];
        sums.iter_mut().zip(terms).for_each(|(sum, x)| *sum += x);
    }
    sums
}

/// `token_loss` of two passes: smoothing, temperatures and the weight of cross-entropy have no part in it.
pub fn loses_two_passes<B: Train>(b: &mut B) {
    let targets = [3, 0, IGNORE, 36, 5, IGNORE, 1];
    let (n, v, width) = (targets.len(), 37, 5);
    for of in TOKEN_ROWS {
        let (of, noise) = (TokenRow { mutual: true, ..of }, &mut Noise::new(39));
        let mut pair = |b: &mut B, rows| random(b, noise, Shape::matrix(rows, width));
        let [(pass, pass64), (other, other64)] = [n, n].map(|rows| pair(b, rows));
        let (table, table64) = pair(b, v);
        // The other pass is a constant, and so is its table.
        let theirs = logits([&other64, &table64], n);
        let sums = |pass: &[f64], table: &[f64]| {
            mutual_losses([&logits([pass, table], n), &theirs], &targets)
        };
        let want = sums(&pass64, &table64);
        let got = token_loss(b, [&pass, &table], Some([&other, &table]), &targets, of, true);
        holds(b, "two passes", &got.values, Shape::vector(5), &want, 1e-5);
        let value = |pass: &[f64], table: &[f64]| f64::from(of.kd_weight) * sums(pass, table)[1];
        let dpass = differences(&pass64, |pass| value(pass, &table64));
        let dtable = differences(&table64, |table| value(&pass64, table));
        let (got_pass, got_table) = (got.hidden.expect("asked"), got.table.expect("asked"));
        holds(b, "two passes, hidden", &got_pass, Shape::matrix(n, width), &dpass, 1e-5);
        holds(b, "two passes, table", &got_table, Shape::matrix(v, width), &dtable, 1e-5);
        let got = token_loss(b, [&pass, &table], Some([&other, &table]), &targets, of, false);
        holds(b, "two passes alone", &got.values, Shape::vector(5), &want, 1e-5);
        let alone = token_loss(b, [&pass, &table], None, &targets, of, false);
        let want = token_losses([&pass64, &table64], None, &targets, of);
        holds(b, "one pass", &alone.values, Shape::vector(5), &want, 1e-5);
    }
}

/// The distance of passes that are close keeps its digits.
pub fn loses_two_close_passes<B: Train>(b: &mut B) {
    let (v, width, targets) = (37, 5, [3, 0, 7]);
    let noise = &mut Noise::new(40);
    let (table, table64) = random(b, noise, Shape::matrix(v, width));
    let pass = noise.list(3 * width);
    let other: Vec<f32> = pass.iter().zip(noise.list(15)).map(|(x, n)| x + 0.01 * n).collect();
    let [one, two] = [&pass, &other].map(|x| b.tensor(x, Shape::matrix(3, width)));
    let of = TokenRow { mutual: true, ..TOKEN_ROWS[1] };
    let got = token_loss(b, [&one, &table], Some([&two, &table]), &targets, of, false);
    let passes = [&pass, &other].map(|x| logits([&double(x), &table64], targets.len()));
    let want = mutual_losses([&passes[0], &passes[1]], &targets)[1];
    let got = f64::from(values(b, &got.values)[1]);
    assert!(want < 1e-3 && (got / want - 1.0).abs() < 1e-3, "{got}, not {want}");
}

/// `token_loss` of more rows than are held at once is the sum over parts.
pub fn loses_many_tokens<B: Train>(b: &mut B) {
    const PART: usize = 90;
    let (n, v, width) = (9 * PART, 70, 6);
    let noise = &mut Noise::new(18);
    let hidden = noise.list(n * width);
    let teacher = noise.list(n * width);
    let (table, _) = random(b, noise, Shape::matrix(v, width));
    let target = |_| if noise.below(4) == 0 { IGNORE } else { noise.below(v) as u32 };
    let targets: Vec<u32> = (0..n).map(target).collect();
    let of = TOKEN_ROWS[2];
    let mut part = |rows: std::ops::Range<usize>| {
        let shape = Shape::matrix(rows.len(), width);
        let at = rows.start * width..rows.end * width;
        let (h, t) = (b.tensor(&hidden[at.clone()], shape), b.tensor(&teacher[at], shape));
        let got = token_loss(b, [&h, &table], Some([&t, &table]), &targets[rows], of, true);
        let (dh, dt) = (got.hidden.expect("asked"), got.table.expect("asked"));
        [values(b, &got.values), values(b, &dh), values(b, &dt)].map(|x| double(&x))
    };
    let [mut sums, mut dhidden, mut dtable] = [vec![0.0; 5], Vec::new(), vec![0.0; v * width]];
    for start in (0..n).step_by(PART) {
        let [s, h, t] = part(start..start + PART);
        sums.iter_mut().zip(s).for_each(|(sum, s)| *sum += s);
        dtable.iter_mut().zip(t).for_each(|(sum, t)| *sum += t);
        dhidden.extend(h);
    }
    let whole = part(0..n).map(|x| x.iter().map(|&x| x as f32).collect::<Vec<f32>>());
    close("sums", &whole[0], &sums, 1e-5);
    close("hidden", &whole[1], &dhidden, 1e-5);
    close("table", &whole[2], &dtable, 1e-5);
}

/// The elements of a sentence's map that form distributions.
fn distributions(of: &Geometry, span: &Span, how: MapLoss) -> Vec<Vec<usize>> {
    let keys = span.key.len;
    let queries = if how.masked { span.query.valid } else { span.query.len };
    let row = |i: usize| {
        let seen = if how.masked { of.seen(span, i) } else { keys };
        (i * keys..i * keys + seen).collect::<Vec<usize>>()
    };
    let rows = (0..queries).map(row);
    match how.normalisation {
        Normalisation::Row => rows.collect(),
        Normalisation::Map => vec![rows.flatten().collect()],
    }
}

fn map_loss(student: &[f64], teacher: &[Vec<f64>], of: &Geometry, how: MapLoss) -> f64 {
    let mut sum = 0.0;
    for span in &of.spans {
        for (m, ranges) in (0..MAPS).map(|m| (m, distributions(of, span, how))) {
            for range in ranges.iter().filter(|r| !r.is_empty()) {
                let at = |i: &usize| span.before + i;
                let a: Vec<f64> =
                    range.iter().map(|i| student[place(of, MAPS, m, at(i))]).collect();
                let t: Vec<f64> =
                    range.iter().map(|i| teacher_map(of, teacher, m, at(i))).collect();
                let t = match how.target {
                    Target::Softmax => softmax(&t),
                    Target::Probabilities => {
                        let total: f64 = t.iter().sum();
                        t.iter().map(|t| t / total).collect()
                    }
                };
                let lp = log_softmax(&a);
                let term = |(t, lp): (&f64, &f64)| if *t > 0.0 { t * (t.ln() - lp) } else { 0.0 };
                sum += t.iter().zip(&lp).map(term).sum::<f64>();
            }
        }
    }
    sum
}

/// The teacher has layers of 4 and 3 heads.
const TEACHER_HEADS: [usize; 2] = [4, 3];

fn teacher_map(of: &Geometry, teacher: &[Vec<f64>], m: usize, i: usize) -> f64 {
    let (layer, head) = if m < TEACHER_HEADS[0] { (0, m) } else { (1, m - TEACHER_HEADS[0]) };
    teacher[layer][place(of, TEACHER_HEADS[layer], head, i)]
}

/// `map_loss` in all its forms.
pub fn loses_maps<B: Train>(b: &mut B) {
    let mut forms = Vec::new();
    for normalisation in [Normalisation::Map, Normalisation::Row] {
        for target in [Target::Softmax, Target::Probabilities] {
            for masked in [false, true] {
                forms.push(MapLoss { normalisation, target, masked, weight: 1.5 });
            }
        }
    }
    for of in &geometries() {
        let noise = &mut Noise::new(19);
        let (student, student64) = random(b, noise, Shape::matrix(MAPS, of.area()));
        let teacher = TEACHER_HEADS.map(|heads| of.maps(noise, heads));
        let teacher64 = teacher.each_ref().map(|map| double(map));
        let shape = |heads| Shape::matrix(heads, of.area());
        let teacher = [0, 1].map(|l| b.tensor(&teacher[l], shape(TEACHER_HEADS[l])));
        let grid = of.grid(b);
        for how in &forms {
            let what = format!("{} {how:?}", of.name);
            let want = map_loss(&student64, &teacher64, of, *how);
            let got = b.map_loss(&student, &teacher, &grid, *how, true);
            holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
            if of.area() < 500 {
                let slopes = differences(&student64, |s| 1.5 * map_loss(s, &teacher64, of, *how));
                let gradient = got.gradient.expect("asked");
                holds(b, &what, &gradient, shape(MAPS), &slopes, 1e-5);
            }
            let got = b.map_loss(&student, &teacher, &grid, *how, false);
            holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
            assert!(got.gradient.is_none());
        }
    }
}

/// The loss of hidden states; the weights of mixtures are those of `fixed`, if there are any.
fn state_loss(
    student: &[f64],
    teacher: &[Vec<f64>],
    of: &Geometry,
    how: StateLoss,
    fixed: Option<&[f64]>,
) -> f64 {
    let (n, mut sum) = (of.queries(), 0.0);
    let (width, wide) = (student.len() / n, teacher[0].len() / n);
    for run in of.spans.iter().map(|span| span.query).filter(|run| run.valid > 0) {
        let row =
            |x: &[f64], width: usize, i: usize| x[(run.start + i) * width..][..width].to_vec();
        let mean = |x: &[f64], width: usize| -> Vec<f64> {
            let column = |c| (0..run.valid).map(|i| row(x, width, i)[c]).sum::<f64>();
            (0..width).map(|c| column(c) / run.valid as f64).collect()
        };
        let take = |x: &[f64], width: usize, i: usize| match how.pooled {
            true => mean(x, width),
            false => row(x, width, i),
        };
        for i in 0..if how.pooled { 1 } else { run.valid } {
            let theirs: Vec<_> = teacher.iter().map(|t| take(t, wide, i)).collect();
            let weighing = take(fixed.unwrap_or(student), width, i);
            sum += row_difference(&take(student, width, i), &theirs, &weighing, how.form);
        }
    }
    sum
}

fn row_difference(s: &[f64], theirs: &[Vec<f64>], weighing: &[f64], form: StateForm) -> f64 {
    let unit = |x: &[f64]| {
        let length = dot(x, x).sqrt();
        x.iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    let (s, t) = match form {
        StateForm::Direction => (unit(s), unit(&theirs.concat())),
        StateForm::Square => (s.to_vec(), theirs.concat()),
        StateForm::Mixture { scale, .. } => {
            let scores: Vec<_> =
                theirs.iter().map(|t| f64::from(scale) * dot(weighing, t)).collect();
            let weights = softmax(&scores);
            let mixed = |c: usize| weights.iter().zip(theirs).map(|(a, t)| a * t[c]).sum();
            (s.to_vec(), (0..s.len()).map(mixed).collect())
        }
    };
    s.iter().zip(&t).map(|(s, t)| (s - t).powi(2)).sum()
}

/// `state_loss` in all its forms, of rows and of their means.
pub fn loses_states<B: Train>(b: &mut B) {
    let mixture = |scale, detached| StateForm::Mixture { scale, detached };
    let forms = [
        (StateForm::Direction, 6),
        (StateForm::Square, 6),
        (mixture(0.5, false), 2),
        (mixture(1.0, true), 2),
    ];
    for (of, (form, width)) in geometries().iter().flat_map(|of| forms.map(|form| (of, form))) {
        for pooled in [false, true] {
            let (how, noise) = (StateLoss { form, pooled, weight: 1.5 }, &mut Noise::new(31));
            let what = format!("{} {how:?}", of.name);
            let shape = Shape::matrix(of.queries(), width);
            let (student, student64) = random(b, noise, shape);
            let one = |_| random(b, noise, Shape::matrix(of.queries(), 2));
            let (teacher, teacher64): (Vec<_>, Vec<_>) = [(); 3].map(one).into_iter().unzip();
            let (teacher, grid) = (teacher.iter().collect::<Vec<_>>(), of.grid(b));
            let want = state_loss(&student64, &teacher64, of, how, None);
            let got = b.state_loss(&student, &teacher, &grid, how, true);
            holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
            let detached = matches!(form, StateForm::Mixture { detached: true, .. });
            let fixed = detached.then_some(&student64[..]);
            let slopes =
                differences(&student64, |s| 1.5 * state_loss(s, &teacher64, of, how, fixed));
            holds(b, &what, &got.gradient.expect("asked"), shape, &slopes, 2e-5);
            let got = b.state_loss(&student, &teacher, &grid, how, false);
            holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
            assert!(got.gradient.is_none());
        }
    }
}

/// A state of length 0 has the direction 0 and no gradient, never NaN.
pub fn loses_states_of_length_0<B: Train>(b: &mut B) {
    let of = Geometry::new("zeros", false, &[[(3, 3), (3, 3)]]);
    let (shape, grid) = (Shape::matrix(3, 2), of.grid(b));
    let student = b.tensor(&[0.0, 0.0, 3.0, 4.0, 0.0, 0.0], shape);
    let teacher = b.tensor(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], shape);
    let how = StateLoss { form: StateForm::Direction, pooled: false, weight: 1.0 };
    let got = b.state_loss(&student, &[&teacher], &grid, how, true);
    holds(b, "value", &got.value, Shape::vector(1), &[2.0], 1e-6);
    holds(b, "gradient", &got.gradient.expect("asked"), shape, &[0.0; 6], 1e-6);
}

/// The scaled products of query `i` of a sentence with the keys that it sees.
fn relation(
    [left, right]: [&[f64]; 2],
    of: &Geometry,
    span: &Span,
    [heads, h, i]: [usize; 3],
) -> Vec<f64> {
    let width = left.len() / of.queries();
    let size = width / heads;
    let head = |x: &[f64], row: usize| x[row * width + h * size..][..size].to_vec();
    let query = head(left, span.query.start + i);
    let score = |j| dot(&query, &head(right, span.key.start + j)) / (size as f64).sqrt();
    (0..of.seen(span, i)).map(score).collect()
}

fn relation_loss(
    student: [&[f64]; 2],
    teacher: [&[f64]; 2],
    of: &Geometry,
    how: RelationLoss,
) -> f64 {
    let [own, theirs] = how.heads;
    let (heads, mut sum) = (own.max(theirs), 0.0);
    for span in &of.spans {
        for (h, i) in (0..heads).flat_map(|h| (0..span.query.valid).map(move |i| (h, i))) {
            let z = relation(student, of, span, [own, h * own / heads, i]);
            let t = relation(teacher, of, span, [theirs, h * theirs / heads, i]);
            sum += match how.form {
                RelationForm::Scores => z.iter().zip(&t).map(|(z, t)| (z - t).powi(2)).sum(),
                RelationForm::Divergence => {
                    let (z, t) = (log_softmax(&z), log_softmax(&t));
                    let terms = z.iter().zip(&t).map(|(z, t)| t.exp() * (t - z));
                    terms.sum::<f64>() / span.query.valid as f64
                }
            };
        }
    }
    sum
}

/// `relation_loss` in both forms, with equal and with repeated heads.
pub fn loses_relations<B: Train>(b: &mut B) {
    for of in geometries().iter().filter(|of| of.area() < 500) {
        for form in [RelationForm::Divergence, RelationForm::Scores] {
            for heads in [[2, 2], [1, 3], [4, 2]] {
                let (how, noise) = (RelationLoss { form, heads, weight: 1.5 }, &mut Noise::new(32));
                let what = format!("{} {how:?}", of.name);
                let mut sides = |width| {
                    let rows = [of.queries(), of.keys()];
                    rows.map(|rows| random(b, noise, Shape::matrix(rows, width)))
                };
                let [(left, left64), (right, right64)] = sides(4);
                let [(q, q64), (k, k64)] = sides(6);
                let (student, teacher) = ([&left, &right], [&q, &k]);
                let (theirs, grid) = ([&q64[..], &k64], of.grid(b));
                let want = relation_loss([&left64, &right64], theirs, of, how);
                let got = b.relation_loss(student, teacher, &grid, how, true);
                holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
                let [dleft, dright] = got.gradients.expect("asked");
                let slopes = [
                    differences(&left64, |x| 1.5 * relation_loss([x, &right64], theirs, of, how)),
                    differences(&right64, |x| 1.5 * relation_loss([&left64, x], theirs, of, how)),
                ];
                let shapes = student.map(|side| b.shape(side));
                holds(b, &what, &dleft, shapes[0], &slopes[0], 2e-5);
                holds(b, &what, &dright, shapes[1], &slopes[1], 2e-5);
                let got = b.relation_loss(student, teacher, &grid, how, false);
                holds(b, &what, &got.value, Shape::vector(1), &[want], 1e-5);
                assert!(got.gradients.is_none());
            }
        }
    }
}

/// `adam`, with and without clipping; the norm is that before clipping.
pub fn takes_adam_steps<B: Train>(b: &mut B) {
    let shapes = [Shape::matrix(200, 90), Shape::vector(3), Shape::matrix(5, 7)];
    for clip_norm in [0.0, 0.5, 1e6] {
        let adam = Adam { clip_norm, ..Adam::default() };
        let noise = &mut Noise::new(20);
        let (mut params, mut want): (Vec<_>, Vec<_>) =
            shapes.map(|s| random(b, noise, s)).into_iter().unzip();
        let mut m: Vec<_> = shapes.iter().map(|s| b.zeros(*s)).collect();
        let mut v: Vec<_> = shapes.iter().map(|s| b.zeros(*s)).collect();
        let mut moments = shapes.map(|s| vec![[0.0; 2]; s.len()]);
        for t in 1..=3 {
            let (lr, scale) = (0.01, 0.1);
            let step = adam.step(t, lr, scale);
            let (grads, grads64): (Vec<_>, Vec<_>) =
                shapes.map(|s| random(b, noise, s)).into_iter().unzip();
            let state = AdamState { params: &mut params, grads: &grads, m: &mut m, v: &mut v };
            let norm = b.adam(state, &step);
            let squares: f64 = grads64.iter().flatten().map(|g| g * g).sum();
            let want_norm = f64::from(scale) * squares.sqrt();
            holds(b, "norm", &norm, Shape::vector(1), &[want_norm], 1e-5);
            let clip = f64::from(clip_norm);
            let clipped = clip > 0.0 && want_norm > clip;
            let factor = f64::from(scale) * if clipped { clip / (want_norm + 1e-6) } else { 1.0 };
            for (p, (g, moments)) in want.iter_mut().zip(grads64.iter().zip(&mut moments)) {
                for (p, (g, [m, v])) in p.iter_mut().zip(g.iter().zip(moments)) {
                    let g = g * factor;
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.98 * *v + 0.02 * g * g;
                    let bias =
                        (1.0 - 0.98f64.powi(t as i32)).sqrt() / (1.0 - 0.9f64.powi(t as i32));
                    *p -= lr * 1e-4 * *p + lr * bias * *m / (v.sqrt() + 1e-8);
                }
            }
        }
        for ((got, want), shape) in params.iter().zip(&want).zip(shapes) {
            holds(b, "parameters", got, shape, want, 1e-5);
        }
        let first: Vec<f64> = moments[0].iter().map(|m| m[0]).collect();
        let second: Vec<f64> = moments[0].iter().map(|m| m[1]).collect();
        holds(b, "first moments", &m[0], shapes[0], &first, 1e-6);
        holds(b, "second moments", &v[0], shapes[0], &second, 1e-6);
    }
}

/// `store` and `select`, also in a cache that is shared.
pub fn stores_and_selects<B: Train>(b: &mut B) {
    let (groups, stride, width) = (5, 4, 3);
    let noise = &mut Noise::new(21);
    let shape = Shape::matrix(groups * stride, width);
    let (mut cache, mut want) = random(b, noise, shape);
    let (before, kept) = (want.clone(), cache.clone());
    let (rows, rows64) = random(b, noise, Shape::matrix(groups, width));
    b.store(&mut cache, &rows, 2, stride);
    for (i, row) in rows64.chunks(width).enumerate() {
        want[(i * stride + 2) * width..][..width].copy_from_slice(row);
    }
    holds(b, "store", &cache, shape, &want, 0.0);
    holds(b, "store leaves others alone", &kept, shape, &before, 0.0);
    for (parents, len) in
        [([0, 1, 2, 3, 4], 3), ([1, 0, 0, 4, 3], 3), ([4, 4, 4, 4, 4], 0), ([2, 2, 1, 0, 0], 4)]
    {
        b.select(&mut cache, &parents, stride, len);
        let old = want.clone();
        for (i, parent) in parents.iter().enumerate() {
            let from = *parent as usize * stride * width;
            want[i * stride * width..][..len * width].copy_from_slice(&old[from..][..len * width]);
        }
        holds(b, "select", &cache, shape, &want, 0.0);
    }
    // Fewer rows than the cache has groups.
    let (rows, rows64) = random(b, noise, Shape::matrix(2, width));
    b.store(&mut cache, &rows, 0, stride);
    for (i, row) in rows64.chunks(width).enumerate() {
        want[i * stride * width..][..width].copy_from_slice(row);
    }
    holds(b, "store of a few", &cache, shape, &want, 0.0);
}

/// `project`, with and without a bias, of rows of several sentences.
pub fn projects<B: Train>(b: &mut B) {
    for dims @ [n, i, o] in LINEAR {
        let noise = &mut Noise::new(35);
        let (x, x64) = random(b, noise, Shape::matrix(n, i));
        let (table, table64) = random(b, noise, Shape::matrix(o, i));
        let (bias, bias64) = random(b, noise, Shape::vector(o));
        for (bias, bias64) in [(Some(&bias), &bias64), (None, &vec![0.0; o])] {
            b.rows_of((0..n).map(|row| row / 2));
            let y = b.project(&x, &table, bias);
            let want = linear(&x64, &table64, bias64, dims);
            holds(b, "project", &y, Shape::matrix(n, o), &want, 1e-5);
        }
    }
}

/// `top_k`: ties, special and forbidden tokens, and more results than tokens.
pub fn picks_the_best<B: Train>(b: &mut B) {
    let ends = [End::May, End::Not, End::Must];
    let forbidden = [
        Forbidden::NONE,
        Forbidden::new([[4, 20], [0; 2], [0; 2], [0; 2]]),
        // A range around EOS does not forbid it; a range may be empty, or end beyond the vocabulary.
        Forbidden::new([[0, 7], [30, 29], [10, 11], [40, u32::MAX]]),
    ];
    let ranges = |allow: Allow| allow.forbidden.ranges().into_iter();
    let sizes = [(3, 50, 1), (4, 50, 10), (1, 5, 5), (2, 300, 4)];
    let specials = [Special::FAIRSEQ, Special::MARIAN];
    for (special, (n, v, k)) in specials.into_iter().flat_map(|s| sizes.map(|size| (s, size))) {
        let allow = |end| forbidden.map(|forbidden| Allow { special, end, forbidden });
        for allow in ends.into_iter().flat_map(allow) {
            // Few different values, so that there are ties; special and forbidden tokens are among the best.
            let noise = &mut Noise::new(22);
            let mut logits: Vec<f32> = (0..n * v).map(|_| noise.below(40) as f32 / 10.0).collect();
            logits
                .chunks_mut(v)
                .for_each(|row| row[..5].copy_from_slice(&[9.5, 9.0, 8.0, 1.0, 8.5]));
            let x = b.tensor(&logits, Shape::matrix(n, v));
            let (mut ids, mut lps) = (vec![0; n * k], vec![0.0; n * k]);
            b.top_k(&x, allow, &mut ids, &mut lps).expect("a device");
            let rows = ids.chunks(k).zip(lps.chunks(k)).zip(logits.chunks(v));
            for ((ids, lps), logits) in rows {
                let lp = log_softmax(&double(logits));
                let banned = |id: usize| {
                    let start = id == 0 && special == Special::MARIAN;
                    let never = id == 1 || start;
                    never || id != 2 && ranges(allow).any(|[a, z]| (a..z).contains(&(id as u32)))
                };
                let refused = |id: usize| match allow.end {
                    End::May => banned(id),
                    End::Not => banned(id) || id == 2,
                    End::Must => id != 2,
                };
                let mut order: Vec<usize> = (0..v).filter(|&id| !refused(id)).collect();
                order.sort_by(|&x, &y| logits[y].total_cmp(&logits[x]).then(x.cmp(&y)));
                for i in 0..k {
                    match order.get(i) {
                        Some(&id) => {
                            assert_eq!(ids[i] as usize, id, "rank {i} of {v}");
                            assert!((f64::from(lps[i]) - lp[id]).abs() < 1e-5);
                        }
                        None => assert_eq!(lps[i], f32::NEG_INFINITY, "rank {i} of {v}"),
                    }
                }
            }
        }
    }
}
