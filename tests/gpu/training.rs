//! Training on a device: it follows the CPU, its memory does not grow, and checkpoints move between devices.

use a2d_core::backend::Train;
use a2d_core::batch::Layout;
use a2d_core::config::{Config, Stack};
use a2d_core::kd::{KdLoss, Learner, Lesson, LossNorm, MapTerms, Objective, Plan, Step};
use a2d_core::optim::{Adam, InverseSqrt};
use a2d_core::rng;
use a2d_host::backend::cpu::Cpu;
use a2d_host::backend::device::Device;
use a2d_host::config::{Method, Preset, RunConfig};
use a2d_host::run::checkpoint::Saved;
use a2d_host::run::prepared::Prepared;
use a2d_host::run::run_dir::RunDir;
use a2d_host::system::display::Display;
use a2d_host::train::ranks::Ranks;
use a2d_host::train::{Job, train};
use a2d_tests::helpers::model::{LAYERS, batch, plain, sentences, teacher};
use a2d_tests::helpers::text;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Prepared real text, a run that trains on it, and its teacher.
pub struct Desk {
    folder: TempDir,
    data: Prepared,
    run: RunConfig,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let data = text::prepared(&folder.path().join("data"));
        let mut run = text::run(16);
        run.distill.method = Method::A2d.into();
        run.model.dropout = 0.1;
        run.train.max_tokens = 256;
        run.train.max_update = 50;
        run.train.log_interval = 1;
        run.train.lr = 3e-3;
        run.train.warmup_updates = 20;
        let desk = Self { folder, data, run };
        let mut teacher = desk.run.clone();
        teacher.distill.method = Method::None.into();
        teacher.model.encoder_layers = 2;
        teacher.model.decoder_layers = 2;
        desk.train(&mut Cpu::new(2), &teacher, "teacher", false);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn train<B: Train>(&self, b: &mut B, run: &RunConfig, name: &str, resume: bool) {
        let folder = self.path(name);
        let dir = if resume { RunDir::resume(&folder) } else { RunDir::create(&folder) }.unwrap();
        let teacher = (!run.distill.method.has(Method::None)).then(|| self.path("teacher"));
        let (data, device, room) = (&self.data, Device::Cpu, usize::MAX);
        let ranks = &Ranks::alone();
        let start = None;
        let job =
            Job { label: name, dir: &dir, run, data, teacher, start, resume, device, room, ranks };
        train(b, &job, &mut Display::new(true)).unwrap();
    }

    /// The loss of each update, and all its terms.
    fn losses(&self, name: &str) -> Vec<[f64; 6]> {
        let text = std::fs::read_to_string(self.path(name).join("log.jsonl")).unwrap();
        let lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let terms = ["loss", "ce", "kd", "kl_encoder", "kl_decoder", "kl_cross"];
        lines
            .filter(|line| line.get("ce").is_some())
            .map(|line| terms.map(|term| line[term].as_f64().unwrap()))
            .collect()
    }

    /// The largest difference of the losses of two runs, relative to the loss.
    fn distance(&self, one: &str, other: &str) -> f64 {
        self.distances(one, other).into_iter().fold(0.0, f64::max)
    }

    /// The same for each update.
    fn distances(&self, one: &str, other: &str) -> Vec<f64> {
        let (one, other) = (self.losses(one), self.losses(other));
        assert_eq!(one.len(), other.len());
        let off = |(a, b): (&[f64; 6], &[f64; 6])| {
            a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / a[0]
        };
        one.iter().zip(&other).map(off).collect()
    }
}

fn parameters(folder: &Path) -> Vec<(String, Vec<f32>)> {
    let tensors = Saved::load(&folder.join("last.safetensors")).unwrap().tensors;
    tensors.into_iter().map(|(name, (_, data))| (name, data)).collect()
}

/// Distillation with each preset and dropout; the largest distance was 5e-7 when this was written.
pub fn follows_the_cpu<B: Train>(make: impl Fn() -> B) {
    let desk = Desk::new();
    for (preset, updates) in [(Preset::Rows, 50), (Preset::Official, 10), (Preset::Masked, 10)] {
        let mut run = desk.run.clone();
        (run.distill.preset, run.train.max_update) = (preset, updates);
        let [cpu, gpu] = ["cpu", "gpu"].map(|device| format!("{device} {preset:?}"));
        desk.train(&mut Cpu::new(2), &run, &cpu, false);
        desk.train(&mut make(), &run, &gpu, false);
        let distance = desk.distance(&cpu, &gpu);
        println!("{preset:?}: {distance:.1e}");
        assert_eq!(desk.losses(&gpu).len() as u64, updates);
        assert!(distance < 2e-5, "{preset:?}: {distance:.1e}");
    }
}

/// A run that changes its device twice ends near one that stays on the CPU.
pub fn goes_on_on_another_device<B: Train>(make: impl Fn() -> B) {
    let desk = Desk::new();
    let run = |updates| {
        let mut run = desk.run.clone();
        run.train.max_update = updates;
        run.train.ema_decay = 0.5;
        run
    };
    desk.train(&mut Cpu::new(2), &run(12), "stays", false);
    desk.train(&mut Cpu::new(2), &run(4), "moves", false);
    desk.train(&mut make(), &run(8), "moves", true);
    desk.train(&mut Cpu::new(2), &run(12), "moves", true);
    assert!(desk.distance("stays", "moves") < 1e-5);
    let (stays, moves) = (parameters(&desk.path("stays")), parameters(&desk.path("moves")));
    assert_eq!(stays.len(), moves.len());
    for ((name, x), (other, y)) in stays.iter().zip(&moves) {
        assert!(name == other && x.len() == y.len(), "{name} {other}");
        // Their exact gradient is zero: Adam turns rounding errors into steps of any sign.
        if name.ends_with("k_proj.bias") || name.ends_with("alignment_module.bias") {
            continue;
        }
        let off = x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(off < 2e-4, "{name}: {off}");
    }
}

/// Training in a short precision follows f32, at a distance of at most `most`.
pub fn short_precision_follows<B: Train>(
    single: impl Fn() -> B,
    short: impl Fn() -> B,
    most: f64,
) -> Desk {
    let mut desk = Desk::new();
    desk.run.train.max_update = 20;
    let run = desk.run.clone();
    desk.train(&mut single(), &run, "single", false);
    desk.train(&mut short(), &run, "short", false);
    let distance = desk.distance("single", "short");
    println!("{distance:.1e}, {most:.1e} at most");
    assert!(distance > 0.0 && distance < most, "{distance:.1e}");
    desk
}

/// bf16 on the CPU follows bf16 on the device: 7.4e-7 apart over the first two updates when this was written, where f32 is
/// 1.2e-4 apart. Then a few numbers are rounded to the other side.
pub fn bf16_is_that_of_the_cpu(desk: &Desk) {
    const FIRST: usize = 2;
    desk.train(&mut Cpu::bf16(2), &desk.run, "cpu", false);
    let [short, single] = ["short", "single"].map(|other| desk.distances("cpu", other));
    let most = |distances: &[f64]| distances.iter().copied().fold(0.0, f64::max);
    let [one, other] = [&short, &single].map(|distances| most(&distances[..FIRST]));
    let all = most(&short);
    println!("from the CPU in bf16 {one:.1e}, f32 {other:.1e}; over all {all:.1e}");
    assert!(one < 2e-6 && other > 5e-5 && all < other, "{one:.1e}, {other:.1e}, {all:.1e}");
}

/// Memory does not grow from step to step, for batches of any lengths.
pub fn takes_no_more_memory<B: Train>(make: impl Fn() -> B) {
    let stack = Stack { d_model: 16, ffn_dim: 16, attention_heads: 2, layers: 1 };
    let config = Config { share_embeddings: true, dropout: 0.1, ..plain(40, stack, stack) };
    let objective = Objective {
        label_smoothing: 0.1,
        alpha: 0.5,
        student_temperature: 1.0,
        teacher_temperature: 1.0,
        kd_loss: KdLoss::CrossEntropy,
        norm: LossNorm::Mean,
        terms: Some(MapTerms::ROWS).into(),
    };
    let b = &mut make();
    let plan = |aligned| Plan::<LAYERS>::new(&config, aligned).expect("a possible model");
    let teacher = teacher(&Learner::random(b, plan(None), 1));
    let mut learner = Learner::random(b, plan(Some((&objective.terms, &config))), 2);
    let schedule = InverseSqrt { lr: 1e-3, warmup_updates: 10, warmup_init_lr: 0.0 };
    let mut halfway = None;
    for update in 0..300 {
        let length = |i| 1 + rng::bits(update, i) as usize % (1 + update as usize % 30);
        let lengths: Vec<_> = (0..1 + update as u32 % 5).map(length).collect();
        let [sources, targets] =
            [1, 2].map(|side| sentences(rng::derive(update, side), &lengths, 40));
        let batches = [vec![batch(b, &sources, &targets, Layout::Packed)]];
        let lesson = Lesson::new(&objective, Some(&teacher), &batches, 1, update);
        let (adam, lr) = (Adam::default(), schedule.rate(update));
        learner.update_alone(b, &lesson, &Step { adam, number: update + 1, lr, ema_decay: 0.0 });
        if update == 149 {
            halfway = b.memory();
        }
    }
    let (halfway, end) = (halfway.expect("a device of its own"), b.memory().expect("as before"));
    println!("{halfway} bytes after 150 updates, {end} after 300");
    assert!(end <= halfway, "{halfway} bytes after 150 updates, {end} after 300");
}
