//! Properties that hold for any weights and any tokens.

use std::convert::Infallible;
use std::slice::from_ref;

use a2d_core::backend::{Decode, Device, Train};
use a2d_core::batch::{Batch, Grid, Layout, Run, Span, Tokens};
use a2d_core::config::token::{BOS, EOS, PAD};
use a2d_core::config::{Activation, Config, Positions, Special, Stack};
use a2d_core::kd::{
    self, Alp, Ckd, Draw, Grouping, KdLoss, Lesson, LossNorm, MapTerms, MiniLm, Objective, Pkd,
    Plan, Rail, RailForm, Side, Step, Teacher, Term, Terms, TinyBert, Version,
};
use a2d_core::needs::Needs;
use a2d_core::nn::{Encoder, Trace};
use a2d_core::optim::{Adam, InverseSqrt};
use a2d_core::params::Path;
use a2d_core::rng;
use a2d_core::rows;
use a2d_core::search::Search;
use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::compare::{Array, Findings, Limit, doubles};
use a2d_tests::helpers::model::{
    LAYERS, Learner, Model, batch, batch_of, gradients as gradients_of, learner as learner_of,
    plain, read, runs, search, sentences, teacher as teacher_of,
};

/// The tolerance of rounding: the order of summation may differ.
const ROUNDING: Limit = Limit::relative(1e-5);

const SOURCES: [usize; 5] = [6, 1, 9, 4, 3];
const TARGETS: [usize; 5] = [3, 8, 5, 1, 6];

fn config(normalize_before: bool) -> Config {
    let encoder = Stack { d_model: 24, ffn_dim: 20, attention_heads: 3, layers: 2 };
    let decoder = Stack { d_model: 16, ffn_dim: 36, attention_heads: 4, layers: 2 };
    Config { target_vocabulary: 17, normalize_before, ..plain(19, encoder, decoder) }
}

/// [`config`] in the architecture of Marian.
fn marian() -> Config {
    Config {
        activation: Activation::Silu,
        special: Special::MARIAN,
        positions: Positions::Marian,
        logits_bias: true,
        ..config(false)
    }
}

fn objective(terms: impl Into<Terms>) -> Objective {
    Objective {
        label_smoothing: 0.1,
        alpha: 0.5,
        student_temperature: 1.0,
        teacher_temperature: 1.0,
        kd_loss: KdLoss::CrossEntropy,
        norm: LossNorm::Mean,
        terms: terms.into(),
    }
}

fn maps(maps: MapTerms) -> Terms {
    Some(maps).into()
}

/// The terms of all methods that compare hidden states and relations.
fn compared() -> Terms {
    let (encoder, decoder, cross, weight) = (true, true, true, 1.0);
    let groups = Grouping::Regular;
    let side = |side| {
        let (form, draw) = (RailForm::Concatenated, Draw::Seed(1));
        [
            Term::Pkd(Pkd { side, inner: false, weight }),
            Term::Ckd(Ckd { side, groups, weight, attention: weight }),
            Term::Rail(Rail { side, form, width: 6, draw, weight }),
            Term::Alp(Alp { side, groups, scaled: true, detached: false, weight }),
        ]
    };
    let (states, scores) = (true, true);
    let relations = [
        Term::TinyBert(TinyBert { encoder, decoder, cross, states, scores, weight }),
        Term::MiniLm(MiniLm {
            version: Version::Two(4),
            layer: 0,
            encoder,
            decoder,
            cross,
            weight,
        }),
    ];
    Side::BOTH.into_iter().flat_map(side).chain(relations).collect()
}

/// Random weights, larger than initial ones, so that distributions are sharp and searches end.
fn learner<B: Train>(
    b: &mut B,
    config: &Config,
    taught: Option<(&Terms, &Config)>,
    seed: u64,
) -> Learner<B> {
    let plan = Plan::new(config, taught).expect("a possible model");
    let mut parameter = 0;
    learner_of(b, plan, |name, spec| {
        parameter += 1;
        let key = rng::derive(seed, parameter);
        let gain = if name.contains("embed") { 1.0 } else { 2.0 };
        let value = |i| gain * spec.init.value(key, i, spec.shape.cols());
        let values = (0..spec.shape.len()).map(|i| value(i) + 0.1 * rng::normal(!key, i as u32));
        let mut values: Vec<f32> = values.collect();
        if name.ends_with("output_projection.bias") {
            // What is never written would be the most probable.
            (values[BOS as usize], values[PAD as usize]) = (9.0, 8.0);
        }
        values
    })
}

fn model<B: Train>(b: &mut B, normalize_before: bool, seed: u64) -> Model<B::Tensor> {
    model_of(b, &config(normalize_before), seed)
}

fn model_of<B: Train>(b: &mut B, config: &Config, seed: u64) -> Model<B::Tensor> {
    learner(b, config, None, seed).student().model
}

fn pairs() -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    (sentences(1, &SOURCES, 19), sentences(2, &TARGETS, 17))
}

/// The logits of each sentence's tokens, without padding.
fn logits<B: Train>(
    b: &mut B,
    model: &Model<B::Tensor>,
    sources: &[Vec<u32>],
    targets: &[Vec<u32>],
    layout: Layout,
) -> Vec<Vec<f32>> {
    let batch = batch_of(b, &model.config.special, sources, targets, layout);
    let hidden = kd::forward(model, b, &batch, &mut ());
    let logits = model.logits(b, &hidden);
    let all = read(b, &logits);
    let width = model.config.target_vocabulary;
    runs(targets.iter().map(Vec::len), layout)
        .iter()
        .map(|run| all[run.start * width..][..run.valid * width].to_vec())
        .collect()
}

fn expected(values: &[f32]) -> Array {
    Array { shape: vec![values.len()], data: doubles(values) }
}

fn compare(findings: &mut Findings, place: &str, got: &[Vec<f32>], wanted: &[Vec<f32>]) {
    assert_eq!(got.len(), wanted.len(), "{place}");
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        findings.close(
            "values",
            &format!("{place} {i}"),
            &doubles(got),
            &expected(wanted),
            ROUNDING,
        );
    }
}

/// All gradients and losses of an objective.
fn gradients<B: Train>(b: &mut B, objective: &Objective, batch: Batch<B::Index>) -> Vec<Vec<f32>> {
    let teacher_config = config(true);
    let student = Config { activation: Activation::Gelu, ..config(false) };
    let teacher = teacher_of(&learner(b, &teacher_config, None, 5));
    let learner = learner(b, &student, Some((&objective.terms, &teacher_config)), 6);
    let batches = [vec![batch]];
    let lesson = Lesson::new(objective, Some(&teacher), &batches, 1, 0);
    let (losses, grads) = gradients_of(b, &learner, &lesson);
    let mut all: Vec<_> = grads.iter().map(|g| read(b, g)).collect();
    all.push(losses.named().map(|(_, value)| value as f32).collect());
    all
}

/// Angles up to a turn are rounded to f32 once.
#[test]
fn positions_of_marian_are_exact() {
    for width in [1, 2, 7, 16, 128, 512] {
        for at in (0..40).chain([100, 511, 4096, 100_000]) {
            let mut found = vec![f32::NAN; width];
            rows::position(Positions::Marian, at, &mut found);
            let half = width.div_ceil(2);
            for (i, found) in found.iter().enumerate() {
                let exponent = 2.0 * (i % half) as f64 / width as f64;
                let angle = f64::from(at) / 10_000f64.powf(exponent);
                let wanted = if i < half { angle.sin() } else { angle.cos() };
                let off = (f64::from(*found) - wanted).abs();
                assert!(off < 4e-7, "{at}, column {i} of {width}: {found}, not {wanted}");
            }
        }
    }
}

#[test]
fn an_encoder_alone_is_a_model() {
    let b = &mut Cpu::new(1);
    for pre in [false, true] {
        let whole = model(b, pre, 3);
        let spec = Encoder::<_, LAYERS>::new(&whole.config.encoder_config()).expect("an encoder");
        let mut weights = Vec::new();
        let Ok(_) = whole.encoder.try_map::<(), Infallible>(Path::ROOT, &mut |path, weight| {
            weights.push((path.to_string(), weight.clone()));
            Ok(())
        });
        let mut weights = weights.into_iter();
        let Ok(alone) = spec.try_map::<_, Infallible>(Path::ROOT, &mut |path, spec| {
            let (name, weight) = weights.next().expect("as many parameters");
            assert_eq!((name, b.shape(&weight)), (path.to_string(), spec.shape));
            Ok(weight)
        });
        let (sources, targets) = pairs();
        let batch = batch(b, &sources, &targets, Layout::Packed);
        let [one, other] = [&whole.encoder, &alone]
            .map(|encoder| encoder.forward(b, &batch.source, &batch.encoder_grid, &mut ()));
        assert_eq!(read(b, &one), read(b, &other));
    }
}

#[test]
fn taps_see_what_they_need_and_change_nothing() {
    let b = &mut Cpu::new(1);
    let (sources, targets) = pairs();
    let batch = batch(b, &sources, &targets, Layout::Packed);
    let model = model(b, false, 3);
    let hidden = kd::forward(&model, b, &batch, &mut ());
    let wanted = read(b, &hidden);
    let counts = |trace: &Trace<_>| {
        let maps = [&trace.encoder, &trace.decoder, &trace.cross].map(Vec::len);
        let hidden = [&trace.encoder_hidden, &trace.decoder_hidden].map(Vec::len);
        (maps, hidden, trace.projections.len())
    };
    let (maps, hidden, projections) = (true, true, true);
    for (needs, seen) in [
        (Needs::NONE, ([0; 3], [0; 2], 0)),
        (Needs { maps, ..Needs::NONE }, ([2; 3], [0; 2], 0)),
        (Needs { hidden, ..Needs::NONE }, ([0; 3], [3; 2], 0)),
        (Needs { projections, ..Needs::NONE }, ([0; 3], [0; 2], 6)),
    ] {
        let mut trace = Trace::of(needs);
        let found = kd::forward(&model, b, &batch, &mut trace);
        assert_eq!(read(b, &found), wanted, "{needs:?}");
        assert_eq!(counts(&trace), seen, "{needs:?}");
        if needs.hidden {
            assert_eq!(read(b, &trace.decoder_hidden[2]), wanted, "the last is the result");
        }
    }
}

#[test]
fn padding_changes_nothing() {
    let (mut b, mut findings) = (Cpu::new(1), Findings::default());
    let (sources, targets) = pairs();
    for pre in [false, true] {
        let model = model(&mut b, pre, 3);
        let padded = logits(&mut b, &model, &sources, &targets, Layout::Padded);
        let packed = logits(&mut b, &model, &sources, &targets, Layout::Packed);
        compare(&mut findings, "padded and packed logits of sentence", &packed, &padded);
    }
    let all = [Terms::default(), maps(MapTerms::MASKED), maps(MapTerms::ROWS), compared()];
    for terms in all {
        let objective = objective(terms);
        assert_eq!(objective.layout(), Layout::Packed);
        let [padded, packed] = [Layout::Padded, Layout::Packed].map(|layout| {
            let batch = batch(&mut b, &sources, &targets, layout);
            gradients(&mut b, &objective, batch)
        });
        compare(&mut findings, &format!("{terms:?}: gradient"), &packed, &padded);
    }
    findings.finish();
}

#[test]
fn the_future_changes_nothing() {
    let mut b = Cpu::new(1);
    let (sources, targets) = pairs();
    let mut changed = targets.clone();
    for (target, other) in changed.iter_mut().zip(sentences(8, &TARGETS, 17)) {
        let half = target.len() / 2;
        target[half..].copy_from_slice(&other[half..]);
    }
    assert_ne!(changed, targets);
    let model = model(&mut b, false, 3);
    for layout in [Layout::Padded, Layout::Packed] {
        let before = logits(&mut b, &model, &sources, &targets, layout);
        let after = logits(&mut b, &model, &sources, &changed, layout);
        assert_ne!(before, after);
        for ((before, after), target) in before.iter().zip(&after).zip(&targets) {
            let seen = (target.len() / 2 + 1).min(target.len()) * 17;
            assert_eq!(before[..seen], after[..seen], "{layout:?}");
        }
    }
}

#[test]
fn the_order_of_sentences_changes_nothing() {
    let (mut b, mut findings) = (Cpu::new(1), Findings::default());
    let (sources, targets) = pairs();
    let order = [3, 0, 4, 2, 1];
    let permuted = |of: &[Vec<u32>]| order.map(|i| of[i].clone()).to_vec();
    let (other_sources, other_targets) = (permuted(&sources), permuted(&targets));
    let model = model(&mut b, true, 3);
    for (layout, maps) in [
        (Layout::Padded, MapTerms::OFFICIAL),
        (Layout::Packed, MapTerms::MASKED),
        (Layout::Packed, MapTerms::ROWS),
    ] {
        let one = logits(&mut b, &model, &sources, &targets, layout);
        let other = logits(&mut b, &model, &other_sources, &other_targets, layout);
        let one = order.map(|i| one[i].clone());
        compare(&mut findings, "permuted logits of sentence", &other, &one);
        let objective = objective(Some(maps));
        let batches = [
            batch(&mut b, &sources, &targets, layout),
            batch(&mut b, &other_sources, &other_targets, layout),
        ];
        let [one, other] = batches.map(|batch| gradients(&mut b, &objective, batch));
        compare(&mut findings, "gradient of a permuted batch", &other, &one);
    }
    findings.finish();
}

/// A grid of one query for each of `keys`.
fn steps<B: Decode>(b: &mut B, keys: &[Run]) -> Grid<B::Index> {
    let (mut words, mut area) = (Vec::new(), 0);
    for (start, key) in keys.iter().enumerate() {
        let span = Span { query: Run { start, len: 1, valid: 1 }, key: *key, before: area };
        words.extend(span.encode());
        area += span.area();
    }
    Grid {
        spans: b.index(&words),
        sentences: keys.len(),
        queries: keys.len(),
        keys: keys.iter().map(|k| k.start + k.len).max().unwrap_or(0),
        area,
        causal: false,
        first: 0,
    }
}

#[test]
fn cached_steps_are_whole_prefixes() {
    let (mut b, mut findings) = (Cpu::new(1), Findings::default());
    let sources = sentences(1, &SOURCES, 19);
    let length = 7;
    let targets = sentences(2, &[length; SOURCES.len()], 17);
    let rows = sources.len();
    let capacity = length + 2;
    for (config, layout) in [
        (config(false), Layout::Packed),
        (config(true), Layout::Padded),
        (marian(), Layout::Packed),
    ] {
        let start = config.special.start;
        let model = model_of(&mut b, &config, 4);
        let whole = logits(&mut b, &model, &sources, &targets, layout);
        let batch = batch(&mut b, &sources, &targets, layout);
        let memory = model.encode(&mut b, &batch.source, &batch.encoder_grid, &mut ());
        let mut cache = model.cache(&mut b, &memory, rows, capacity);
        let cross = steps(&mut b, &runs(sources.iter().map(Vec::len), layout));
        for at in 0..length {
            let before = |target: &Vec<u32>| if at == 0 { start } else { target[at - 1] };
            let ids: Vec<_> = targets.iter().map(before).collect();
            let tokens = Tokens {
                ids: b.index(&ids),
                positions: b.index(&vec![at as u32; rows]),
                rows,
                types: None,
                zero_padding: false,
                first: 0,
            };
            let own: Vec<_> = (0..rows)
                .map(|row| Run { start: row * capacity, len: at + 1, valid: at + 1 })
                .collect();
            let own = steps(&mut b, &own);
            let hidden = model.step(&mut b, &tokens, &mut cache, &own, &cross, at);
            let logits = model.logits(&mut b, &hidden);
            let step: Vec<_> = read(&mut b, &logits).chunks(17).map(<[f32]>::to_vec).collect();
            let wanted: Vec<_> = whole.iter().map(|w| w[at * 17..][..17].to_vec()).collect();
            compare(&mut findings, &format!("{layout:?} step {at} of sentence"), &step, &wanted);
        }
    }
    findings.finish();
}

/// Log-probabilities of a row of logits.
fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|z| f64::from(z - most).exp()).sum();
    logits.iter().map(|z| f64::from(z - most) - total.ln()).collect()
}

/// Greedy search by decoding the whole prefix at each step.
fn greedy<B: Train>(b: &mut B, model: &Model<B::Tensor>, source: &[u32], most: usize) -> Vec<u32> {
    let mut out = Vec::new();
    loop {
        let prefix = [out.as_slice(), &[EOS]].concat();
        let logits = logits(b, model, &[source.to_vec()], &[prefix], Layout::Packed);
        let lp = log_probabilities(&logits[0][out.len() * 17..]);
        let allowed = |id: u32| match id {
            PAD => false,
            EOS => !out.is_empty(),
            _ => out.len() < most,
        };
        let best = (0..17)
            .filter(|id| allowed(*id))
            .max_by(|i, j| lp[*i as usize].total_cmp(&lp[*j as usize]).then(j.cmp(i)));
        out.push(best.expect("some token is allowed"));
        if out.last() == Some(&EOS) {
            return out;
        }
    }
}

#[test]
fn a_beam_of_one_is_greedy() {
    let mut b = Cpu::new(1);
    let sources = sentences(9, &[6, 1, 9, 4, 3, 5, 2, 7], 19);
    let how = Search::GREEDY;
    let most = |length: usize| 2 + length;
    let mut ended = 0;
    for seed in 0..4 {
        let model = model(&mut b, seed % 2 == 1, 10 + seed);
        let found = search(&mut b, &model, how, &sources, Layout::Packed, most);
        for (source, found) in sources.iter().zip(&found) {
            let wanted = greedy(&mut b, &model, source, most(source.len()));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].0, wanted, "of {source:?}");
            ended += usize::from(wanted.len() <= most(source.len()));
        }
    }
    assert!(ended > 3, "only {ended} hypotheses end before they must");
}

#[test]
fn searches_do_not_depend_on_company() {
    let mut b = Cpu::new(1);
    let sources = sentences(9, &[6, 1, 9, 4, 3, 5, 2, 7], 19);
    let most = |length: usize| 2 + length;
    for beam in [1, 3, 5] {
        let how = Search { beam, length_penalty: 0.8, ..Search::GREEDY };
        let model = model(&mut b, false, 20 + beam as u64);
        let together = search(&mut b, &model, how, &sources, Layout::Packed, most);
        let padded = search(&mut b, &model, how, &sources, Layout::Padded, most);
        for (i, source) in sources.iter().enumerate() {
            let alone = search(&mut b, &model, how, from_ref(source), Layout::Packed, most);
            for other in [&together[i], &padded[i]] {
                assert_eq!(other.len(), alone[0].len());
                for (one, other) in alone[0].iter().zip(other) {
                    assert_eq!(one.0, other.0, "beam {beam}, sentence {i}");
                    assert!((one.1 - other.1).abs() <= 1e-5 * one.1.abs(), "{} {}", one.1, other.1);
                }
            }
        }
    }
}

#[test]
fn hypotheses_are_sorted_distinct_and_scored_as_they_would_be_read() {
    let mut b = Cpu::new(1);
    let sources = sentences(9, &[6, 1, 9, 4, 3, 5, 2, 7], 19);
    for (beam, length_penalty, config) in [
        (2, 1.0, config(false)),
        (4, 0.6, config(true)),
        (6, 0.0, config(false)),
        (1, 1.0, marian()),
        (5, 0.8, marian()),
    ] {
        let model = model_of(&mut b, &config, 30 + beam as u64);
        let special = |token: &&u32| **token == EOS || config.special.never().contains(token);
        let how = Search { beam, length_penalty, ..Search::GREEDY };
        let found = search(&mut b, &model, how, &sources, Layout::Packed, |n| 2 + n);
        for (source, found) in sources.iter().zip(&found) {
            assert_eq!(found.len(), beam);
            assert!(found.is_sorted_by(|x, y| x.1 >= y.1), "{found:?}");
            for (rank, (tokens, score)) in found.iter().enumerate() {
                assert!(found[..rank].iter().all(|(other, _)| other != tokens), "{found:?}");
                let specials = tokens.iter().filter(special).count();
                assert!(specials == 1 && tokens.last() == Some(&EOS), "{tokens:?}");
                assert!(tokens.len() > 1 && tokens.len() <= source.len() + 3, "{tokens:?}");
                let pair = (from_ref(source), from_ref(tokens));
                let logits = logits(&mut b, &model, pair.0, pair.1, Layout::Packed);
                let read: f64 = tokens
                    .iter()
                    .zip(logits[0].chunks(17))
                    .map(|(token, row)| log_probabilities(row)[*token as usize])
                    .sum();
                let wanted = read / (tokens.len() as f64).powf(length_penalty.into());
                let off = (wanted - f64::from(*score)).abs();
                assert!(off <= 1e-5 * wanted.abs().max(1.0), "{tokens:?}: {score}, read {wanted}");
            }
        }
    }
}

#[test]
fn no_hypothesis_is_shorter_than_the_search_is_told() {
    let mut b = Cpu::new(1);
    let sources = sentences(9, &[6, 1, 9, 4], 19);
    let model = model(&mut b, false, 40);
    let mut lengths = |beam, min_length| -> Vec<usize> {
        let how = Search { beam, min_length, ..Search::GREEDY };
        let found = search(&mut b, &model, how, &sources, Layout::Packed, |_| 4);
        found.iter().flatten().map(|(tokens, _)| tokens.len() - 1).collect()
    };
    for beam in [1, 3] {
        for least in 1..=4 {
            let found = lengths(beam, least);
            assert!(found.iter().all(|n| (least..=4).contains(n)), "{least}: {found:?}");
        }
        // A minimum length beyond the maximum length gives hypotheses of the maximum length.
        assert_eq!(lengths(beam, 9), vec![4; beam * sources.len()]);
    }
}

/// A distillation with dropout: the bits of gradients, losses, and parameters after two updates.
fn trained(mut b: Cpu, terms: Terms) -> Vec<u32> {
    let (student, teacher) = (config(false), config(true));
    let student =
        Config { dropout: 0.1, attention_dropout: 0.1, activation_dropout: 0.1, ..student };
    let teacher: Teacher<_, LAYERS> = teacher_of(&learner(&mut b, &teacher, None, 5));
    let mut learner = learner(&mut b, &student, Some((&terms, &teacher.model.config)), 6);
    let objective = objective(terms);
    // Large enough that work is split between threads.
    let lengths: Vec<_> = (0..40).map(|i| 5 + i % 13).collect();
    let sources = sentences(1, &lengths, 19);
    let targets =
        sentences(2, &lengths[3..].iter().chain(&lengths[..3]).copied().collect::<Vec<_>>(), 17);
    let batches = [vec![batch(&mut b, &sources, &targets, objective.layout())]];
    let schedule = InverseSqrt { lr: 0.01, warmup_updates: 1, warmup_init_lr: 0.01 };
    let mut bits = Vec::new();
    for key in 0..2 {
        let lesson = Lesson::new(&objective, Some(&teacher), &batches, 1, key);
        let (losses, grads) = gradients_of(&mut b, &learner, &lesson);
        bits.extend(losses.named().map(|(_, value)| (value as f32).to_bits()));
        for grad in &grads {
            bits.extend(read(&mut b, grad).iter().map(|x| x.to_bits()));
        }
        let adam = Adam { clip_norm: 1.0, ..Adam::default() };
        let lr = schedule.rate(key);
        learner.update_alone(&mut b, &lesson, &Step { adam, number: key + 1, lr, ema_decay: 0.0 });
    }
    for param in &learner.params {
        bits.extend(read(&mut b, param).iter().map(|x| x.to_bits()));
    }
    bits
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    type Make = fn(usize) -> Cpu;
    let (single, short): (Make, Make) = (Cpu::new, Cpu::bf16);
    for (make, terms) in [
        (single, maps(MapTerms::OFFICIAL)),
        (single, maps(MapTerms::MASKED)),
        (single, maps(MapTerms::ROWS)),
        (short, maps(MapTerms::ROWS)),
        (single, compared()),
        (short, compared()),
    ] {
        let one = trained(make(1), terms);
        assert!(one.iter().all(|bits| f32::from_bits(*bits).is_finite()));
        for threads in [1, 2, 3] {
            let other = trained(make(threads), terms);
            let differ = one.iter().zip(&other).filter(|(x, y)| x != y).count();
            assert_eq!((one.len(), differ), (other.len(), 0), "{threads} threads");
        }
    }
}
