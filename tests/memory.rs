//! Batches too large for the memory of a device: the memory of a step is bounded, and the parts of a batch add up to
//! the whole.

use a2d_core::config::token::EOS;
use a2d_core::kd::Step;
use a2d_core::optim::Adam;
use a2d_core::rng;
use a2d_host::backend::cpu::{Cpu, Tensor};
use a2d_host::config::{Method, ModelConfig, Precision, Preset, RunConfig};
use a2d_host::data::vocab::Sizes;
use a2d_host::run::config::Task;
use a2d_host::run::model::{Learner, core_config, plan};
use a2d_host::train::memory::Need;
use a2d_host::train::ranks::Ranks;
use a2d_host::train::{At, Pairs, TeacherModel, Unread, Update, objective, update};

const VOCABULARY: usize = 50;
const SIZES: Sizes = Sizes::joint(VOCABULARY);

fn model(d_model: usize, layers: usize, heads: usize) -> ModelConfig {
    ModelConfig {
        d_model,
        ffn_dim: 2 * d_model,
        encoder_layers: layers,
        decoder_layers: layers,
        encoder_attention_heads: heads,
        decoder_attention_heads: heads,
        dropout: 0.0,
        ..ModelConfig::default()
    }
}

/// The configurations of a student and its teacher.
fn run(method: Method, preset: Preset, d_model: usize) -> (RunConfig, RunConfig) {
    let mut run = RunConfig { model: model(d_model, 2, 2), ..RunConfig::default() };
    (run.distill.method, run.distill.preset) = (method.into(), preset);
    let teacher = RunConfig { model: model(2 * d_model, 3, 4), ..RunConfig::default() };
    (run, teacher)
}

/// Random pairs of sentences of `shortest..=longest` tokens.
fn pairs(key: u64, rows: usize, shortest: usize, longest: usize) -> Pairs {
    let sentence = |row: usize, side: u64| {
        let key = rng::derive(rng::derive(key, side), row as u64);
        let length = shortest + rng::bits(key, 0) as usize % (longest - shortest + 1);
        let token = |i| 4 + rng::bits(key, 1 + i) % (VOCABULARY as u32 - 4);
        (1..length as u32).map(token).chain([EOS]).collect::<Vec<u32>>()
    };
    let side = |side| (0..rows).map(|row| sentence(row, side)).collect();
    (side(1), side(2))
}

/// Makes one update with `room` for a part; returns its report and the change of each parameter.
fn updated(
    b: &mut Cpu,
    of: &(RunConfig, RunConfig),
    batches: &[Pairs],
    room: usize,
) -> (Update, Vec<f32>) {
    let (run, teacher) = of;
    let config = core_config(&teacher.model, Task::Translate, SIZES);
    let needs = run.distill.method.needs();
    let teacher: Option<TeacherModel<Tensor>> =
        needs.teacher().then(|| TeacherModel::untrained(b, &config, 3).unwrap());
    let terms = objective(run).terms;
    let maps = teacher.as_ref().map(TeacherModel::maps_config);
    let taught = maps.as_ref().map(|maps| (&terms, maps));
    let plan = plan(&core_config(&run.model, run.task, SIZES), taught).unwrap();
    let mut learner = Learner::random(b, plan, 4);
    let all = |learner: &Learner<Tensor>| -> Vec<f32> {
        learner.params.iter().flat_map(|x| x.data().to_vec()).collect()
    };
    let before = all(&learner);
    // So large an epsilon makes a step proportional to the gradient.
    let adam = Adam { eps: 1e3, weight_decay: 0.0, ..Adam::default() };
    let ranks = &Ranks::alone();
    let step = Step { adam, number: 1, lr: 1e4, ema_decay: 0.0 };
    let at = At { step, epoch: 1, key: 5, numbers: &[], room, ranks };
    let unread = update(b, &mut learner, batches, teacher.as_ref(), &objective(run), &at).unwrap();
    let update = Unread::read(b, [&unread]).unwrap().remove(0);
    let after = all(&learner);
    (update, before.iter().zip(after).map(|(before, after)| after - before).collect())
}

#[test]
fn the_parts_of_a_batch_add_up_to_it() {
    let batches = [pairs(1, 13, 2, 9), pairs(2, 6, 4, 17)];
    for (method, preset, dropout) in [
        (Method::A2d, Preset::Official, 0.0),
        (Method::A2d, Preset::Official, 0.2),
        (Method::A2d, Preset::Masked, 0.0),
        (Method::A2d, Preset::Rows, 0.2),
        (Method::WordKd, Preset::Official, 0.0),
        (Method::WordKd, Preset::Rows, 0.2),
        (Method::Pkd, Preset::Rows, 0.2),
        (Method::Ckd, Preset::Rows, 0.0),
        (Method::RailKd, Preset::Rows, 0.0),
        (Method::AlpKd, Preset::Rows, 0.0),
        (Method::Tinybert, Preset::Rows, 0.0),
        (Method::Minilm, Preset::Rows, 0.2),
        (Method::RDrop, Preset::Rows, 0.2),
        (Method::Selective, Preset::Rows, 0.2),
        (Method::Selective, Preset::Official, 0.0),
        (Method::None, Preset::Official, 0.0),
    ] {
        let mut of = run(method, preset, 8);
        let model = &mut of.0.model;
        // Every part draws its own rows of the dropout masks.
        (model.dropout, model.attention_dropout, model.activation_dropout) =
            (dropout, dropout, dropout);
        let b = &mut Cpu::new(1);
        let (whole, moved) = updated(b, &of, &batches, usize::MAX);
        let most = moved.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        assert!(most > 1e-4, "{most}");
        for room in [40, 1] {
            let (parts, other) = updated(b, &of, &batches, room);
            let what = format!("{method:?} {preset:?}, dropout {dropout}, in {room}");
            assert_eq!(parts.counts, whole.counts);
            let close = |a: f64, b: f64| (a - b).abs() <= 2e-5 * a.abs().max(1e-3);
            for ((name, one), (_, two)) in whole.losses.named().zip(parts.losses.named()) {
                assert!(close(one, two), "{what}: {name} {one} {two}");
            }
            assert!(close(whole.gradient_norm, parts.gradient_norm), "{what}");
            let far = moved.iter().zip(&other).fold(0.0, |far: f32, (a, b)| far.max((a - b).abs()));
            assert!(far <= 1e-4 * most, "{what}: {far} of {most}");
        }
    }
}

#[test]
fn what_fits_is_not_cut() {
    let of = run(Method::A2d, Preset::Official, 8);
    let batches = [pairs(1, 13, 2, 9)];
    let b = &mut Cpu::new(1);
    let bits = |(_, moved): (Update, Vec<f32>)| moved.iter().map(|x| x.to_bits()).collect();
    let one: Vec<u32> = bits(updated(b, &of, &batches, 13 * 9));
    assert!(one == bits(updated(b, &of, &batches, usize::MAX)));
}

#[test]
fn a_step_takes_no_more_than_its_bound() {
    for (method, preset, d_model, rows, longest, dropout) in [
        (Method::A2d, Preset::Official, 32, 20, 60, 0.0),
        (Method::A2d, Preset::Official, 32, 20, 60, 0.1),
        (Method::A2d, Preset::Rows, 64, 60, 20, 0.0),
        (Method::WordKd, Preset::Rows, 128, 16, 30, 0.0),
        (Method::Pkd, Preset::Rows, 64, 60, 20, 0.0),
        (Method::Ckd, Preset::Rows, 64, 60, 20, 0.0),
        (Method::RailKd, Preset::Rows, 64, 60, 20, 0.0),
        (Method::AlpKd, Preset::Rows, 64, 60, 20, 0.0),
        (Method::Tinybert, Preset::Rows, 64, 60, 20, 0.0),
        (Method::Minilm, Preset::Rows, 64, 60, 20, 0.0),
        (Method::RDrop, Preset::Rows, 64, 40, 40, 0.1),
        (Method::Selective, Preset::Rows, 128, 16, 30, 0.1),
        (Method::None, Preset::Official, 64, 40, 40, 0.0),
        (Method::None, Preset::Official, 64, 40, 40, 0.1),
    ] {
        let mut of = run(method, preset, d_model);
        of.0.model.dropout = dropout;
        of.0.model.attention_dropout = dropout;
        of.0.model.activation_dropout = dropout;
        let mut b = Cpu::new(1);
        updated(&mut b, &of, &[pairs(1, rows, longest, longest)], usize::MAX);
        let (_, peak) = b.memory();
        let teacher = of.0.distill.method.needs().teacher().then_some(&of.1);
        let need = Need::new(&of.0, teacher, SIZES, longest).unwrap();
        let bound = need.bytes(rows * longest);
        let ratio = peak as f64 / bound as f64;
        println!("{method:?} {preset:?}: {ratio:.2}");
        assert!((0.3..1.0).contains(&ratio), "{method:?} {preset:?}: {peak} of {bound}");
    }
}

#[test]
fn the_most_tokens_fill_the_memory() {
    let of = run(Method::A2d, Preset::Official, 64);
    let need = Need::new(&of.0, Some(&of.1), SIZES, 100).unwrap();
    let free = 4 << 30;
    let most = need.most_tokens(free).unwrap();
    let usable = (free as f64 * 0.85) as u64;
    assert!(most > 1000 && need.bytes(most) <= usable && need.bytes(most + 1) > usable, "{most}");
    assert!(need.most_tokens(8 << 30).unwrap() > most);
    assert_eq!(need.most_tokens(1 << 20), None, "the parameters alone take more");
    let mut short = of.clone();
    short.0.train.precision = Precision::Bf16;
    let short = Need::new(&short.0, Some(&short.1), SIZES, 100).unwrap();
    assert!(short.most_tokens(free).unwrap() < most, "what is rounded takes memory too");
}
