//! The cache of what a teacher says: the same bits as without, whatever the batches, and nothing that is out of date.

use a2d_core::kd::Step;
use a2d_core::optim::Adam;
use a2d_core::rng;
use a2d_host::backend::cpu::{Cpu, Tensor};
use a2d_host::config::{CacheKind, CachePrecision, Method, ModelConfig, Preset, RunConfig};
use a2d_host::data::vocab::Sizes;
use a2d_host::run::config::Task;
use a2d_host::run::model::{Learner, core_config, plan};
use a2d_host::train::cache::{Choice, Source};
use a2d_host::train::ranks::Ranks;
use a2d_host::train::{At, Pairs, TeacherModel, objective, update};
use a2d_tests::helpers::model::sentences;
use std::path::Path;
use tempfile::TempDir;

const VOCABULARY: usize = 40;
const PAIRS: usize = 24;
const EPOCHS: u64 = 3;

fn model(d_model: usize, layers: usize) -> ModelConfig {
    ModelConfig {
        d_model,
        ffn_dim: 2 * d_model,
        encoder_layers: layers,
        decoder_layers: layers,
        encoder_attention_heads: 2,
        decoder_attention_heads: 2,
        dropout: 0.1,
        ..ModelConfig::default()
    }
}

fn run(method: Method, preset: Preset) -> RunConfig {
    let mut run = RunConfig { model: model(8, 2), ..RunConfig::default() };
    (run.distill.method, run.distill.preset) = (method.into(), preset);
    run
}

/// All methods, with padding and without.
fn runs() -> Vec<RunConfig> {
    let methods = [
        Method::A2d,
        Method::WordKd,
        Method::Pkd,
        Method::Ckd,
        Method::RailKd,
        Method::AlpKd,
        Method::Tinybert,
        Method::Minilm,
    ];
    let all = methods.map(|method| run(method, Preset::Rows));
    all.into_iter().chain([run(Method::A2d, Preset::Official), mixed()]).collect()
}

/// A method with a choice of the teacher's maps.
fn mixed() -> RunConfig {
    let mut run = run(Method::A2d, Preset::Official);
    run.distill.mapping = a2d_host::config::Mapping::Reversed;
    run
}

/// A corpus of sentences of many lengths.
fn corpus() -> Pairs {
    let lengths = |side: u64| -> Vec<usize> {
        let length = |i| 1 + rng::bits(rng::derive(9, side), i as u32) as usize % 11;
        (0..PAIRS).map(length).collect()
    };
    (sentences(1, &lengths(1), VOCABULARY), sentences(2, &lengths(2), VOCABULARY))
}

/// The numbers of the pairs in the batches of an epoch, which are others in each.
fn batches(epoch: u64) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..PAIRS as u32).collect();
    order.sort_by_key(|i| rng::derive(epoch, u64::from(*i)));
    order.chunks(7).map(<[u32]>::to_vec).collect()
}

/// A place for a cache.
fn choice(kind: CacheKind, most: u64, path: &Path) -> Choice<'_> {
    Choice { kind, precision: CachePrecision::F32, most, path }
}

/// The parameters after [`EPOCHS`], taught by a teacher drawn from `teacher`, in parts of at most `room` padded tokens.
fn taught(run: &RunConfig, choice: &Choice<'_>, teacher: u64, room: usize) -> Vec<f32> {
    let b = &mut Cpu::new(2);
    let [student, wide] = [&run.model, &model(16, 3)]
        .map(|model| core_config(model, Task::Translate, Sizes::joint(VOCABULARY)));
    let objective = objective(run);
    let mut model: TeacherModel<Tensor> = TeacherModel::untrained(b, &wide, teacher).unwrap();
    let plan = plan(&student, Some((&objective.terms, &model.maps_config()))).unwrap();
    model.fix(b, &objective, &student, 5);
    let corpus = corpus();
    let length = |sentence: &Vec<u32>| sentence.len() as u32;
    let lengths: Vec<_> =
        corpus.0.iter().zip(&corpus.1).map(|(s, t)| (length(s), length(t))).collect();
    let source = Source {
        lengths: &lengths,
        needs: objective.needs(),
        layout: objective.layout(),
        key: format!("{teacher}"),
    };
    model.remember(b, choice, &source).unwrap();
    let mut learner = Learner::random(b, plan, 4);
    let mut number = 0;
    for epoch in 1..=EPOCHS {
        for numbers in batches(epoch) {
            number += 1;
            let of =
                |side: &[Vec<u32>]| numbers.iter().map(|i| side[*i as usize].clone()).collect();
            let pairs = (of(&corpus.0), of(&corpus.1));
            let step = Step { adam: Adam::default(), number, lr: 1e-3, ema_decay: 0.0 };
            let (numbers, ranks) = (std::slice::from_ref(&numbers), &Ranks::alone());
            let at = At { step, epoch, key: number, numbers, room, ranks };
            update(b, &mut learner, &[pairs], Some(&model), &objective, &at).unwrap();
        }
    }
    learner.params.iter().flat_map(|x| x.data().to_vec()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_cache_changes_no_bit() {
    let folder = TempDir::new().unwrap();
    let none = choice(CacheKind::Off, 0, Path::new(""));
    for (i, run) in runs().iter().enumerate() {
        let path = folder.path().join(format!("{i}"));
        let (method, preset) = (&run.distill.method, run.distill.preset);
        for room in [usize::MAX, 20] {
            let plain = bits(&taught(run, &none, 3, room));
            // Half of the sentences fit.
            for (kind, most) in [
                (CacheKind::Memory, u64::MAX),
                (CacheKind::Memory, 30_000),
                (CacheKind::Disk, u64::MAX),
                (CacheKind::Disk, 30_000),
                (CacheKind::Memory, 0),
            ] {
                let found = bits(&taught(run, &choice(kind, most, &path), 3, room));
                assert!(found == plain, "{method} {preset} {kind:?} {most} {room}");
            }
        }
    }
}

#[test]
fn a_file_serves_again_and_damage_is_seen() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("teacher.cache");
    let run = run(Method::A2d, Preset::Rows);
    let disk = choice(CacheKind::Disk, u64::MAX, &path);
    let plain = bits(&taught(&run, &disk, 3, usize::MAX));
    let whole = std::fs::read(&path).unwrap();
    assert!(bits(&taught(&run, &disk, 3, usize::MAX)) == plain);
    assert!(std::fs::read(&path).unwrap() == whole, "it is written once");
    for bad in [
        whole[..whole.len() / 2].to_vec(),
        whole.iter().enumerate().map(|(i, x)| x ^ u8::from(i > 16 && i % 999 == 0)).collect(),
        whole.iter().enumerate().map(|(i, x)| if i > 16 { 0 } else { *x }).collect(),
        b"something else".to_vec(),
        Vec::new(),
    ] {
        std::fs::write(&path, &bad).unwrap();
        assert!(bits(&taught(&run, &disk, 3, usize::MAX)) == plain);
        assert!(std::fs::read(&path).unwrap() == whole, "it is mended");
    }
}

#[test]
fn another_teacher_or_method_has_another_cache() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("teacher.cache");
    let (none, disk) =
        (choice(CacheKind::Off, 0, Path::new("")), choice(CacheKind::Disk, u64::MAX, &path));
    let (a2d, pkd) = (run(Method::A2d, Preset::Rows), run(Method::Pkd, Preset::Rows));
    for (run, teacher) in [(&a2d, 3), (&a2d, 4), (&pkd, 4), (&a2d, 3)] {
        let plain = bits(&taught(run, &none, teacher, usize::MAX));
        assert!(bits(&taught(run, &disk, teacher, usize::MAX)) == plain);
    }
}

#[test]
fn bf16_is_near_and_half_as_large() {
    let folder = TempDir::new().unwrap();
    let [long, short] = ["f32", "bf16"].map(|name| folder.path().join(name));
    let run = run(Method::A2d, Preset::Rows);
    let whole = taught(&run, &choice(CacheKind::Disk, u64::MAX, &long), 3, usize::MAX);
    let rounded = |kind, most| {
        let choice = Choice { precision: CachePrecision::Bf16, ..choice(kind, most, &short) };
        taught(&run, &choice, 3, usize::MAX)
    };
    let disk = rounded(CacheKind::Disk, u64::MAX);
    let far = whole.iter().zip(&disk).fold(0.0f32, |far, (a, b)| far.max((a - b).abs()));
    assert!((1e-7..5e-3).contains(&far), "{far}");
    // What is not kept is rounded too, so the numbers do not depend on the room.
    for (kind, most) in
        [(CacheKind::Memory, u64::MAX), (CacheKind::Memory, 9000), (CacheKind::Disk, 0)]
    {
        assert!(bits(&rounded(kind, most)) == bits(&disk), "{kind:?} {most}");
    }
    rounded(CacheKind::Disk, u64::MAX);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len() - 16 - 8 * PAIRS as u64;
    assert_eq!(size(&long), 2 * size(&short));
}

#[test]
fn a_disk_that_is_too_small_is_told_before() {
    let run = run(Method::A2d, Preset::Rows);
    let b = &mut Cpu::new(1);
    let config = core_config(&run.model, run.task, Sizes::joint(VOCABULARY));
    let mut model: TeacherModel<Tensor> = TeacherModel::untrained(b, &config, 3).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("teacher.cache");
    // More than any disk has.
    let lengths = vec![(1 << 20, 1 << 20); 1 << 10];
    let (needs, layout) = (objective(&run).needs(), objective(&run).layout());
    let source = Source { lengths: &lengths, needs, layout, key: String::new() };
    let mut keep = |most| model.remember(b, &choice(CacheKind::Disk, most, &path), &source);
    let told = |outcome: a2d_host::system::error::Result<()>| {
        let error = outcome.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{text}");
        for part in ["teacher.cache takes ", " free", "`distill.cache_gib`"] {
            assert!(text.contains(part) && text.lines().count() == 1, "{text}");
        }
    };
    told(keep(u64::MAX));
    // Nor may a file that serves already grow too much.
    keep(0).unwrap();
    told(keep(u64::MAX));
}
