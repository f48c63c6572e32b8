//! Training on a backend where reads must wait: numbers are read seldom, and none is lost.

use a2d_core::backend::Device as _;
use a2d_host::backend::cpu::Cpu;
use a2d_host::backend::device::Device;
use a2d_host::bench::{Clock, Timed};
use a2d_host::config::RunConfig;
use a2d_host::run::prepared::Prepared;
use a2d_host::run::run_dir::RunDir;
use a2d_host::system::display::Display;
use a2d_host::system::error::{Error, Result};
use a2d_host::train::ranks::Ranks;
use a2d_host::train::{Job, Progress, train};
use a2d_tests::helpers::text;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// The quickstart's validation text, prepared, and a small model to train on it.
fn desk() -> (TempDir, Prepared, RunConfig) {
    let folder = TempDir::new().unwrap();
    let data = text::prepared(&folder.path().join("data"));
    let mut run = text::run(8);
    run.train.max_tokens = 300;
    run.train.max_update = 25;
    run.train.log_interval = 10;
    run.train.keep_last = 0;
    (folder, data, run)
}

/// Trains, with operations `counted` or not; returns the number of reads.
fn trained(
    run: &RunConfig,
    data: &Prepared,
    folder: &Path,
    counted: bool,
) -> Result<(Progress, u64)> {
    let dir = RunDir::create(folder)?;
    let job = Job {
        label: "model",
        dir: &dir,
        run,
        data,
        teacher: None,
        start: None,
        resume: false,
        device: Device::Cpu,
        room: usize::MAX,
        ranks: &Ranks::alone(),
    };
    let (mut b, clock) = (Cpu::new(1), Clock::default());
    let mut display = Display::new(true);
    let progress = if counted {
        train(&mut Timed::new(&mut b, clock.clone()), &job, &mut display)?
    } else {
        train(&mut b, &job, &mut display)?
    };
    let rows = clock.rows(1.0);
    let reads = rows.iter().find(|row| row.operation == "read").map_or(0, |row| row.calls);
    Ok((progress, reads))
}

/// The lines of a log without times and speeds.
fn log(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["tokens_per_second", "seconds"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    };
    text.lines().map(line).collect()
}

#[test]
fn only_the_processor_is_read_at_every_step() {
    const { assert!(Cpu::READS_ARE_FREE && !Timed::<Cpu>::READS_ARE_FREE) }
    let (folder, data, run) = desk();
    let [often, seldom] = ["often", "seldom"].map(|name| folder.path().join(name));
    let (one, _) = trained(&run, &data, &often, false).unwrap();
    let (other, reads) = trained(&run, &data, &seldom, true).unwrap();
    assert_eq!(one, other);
    assert_eq!(log(&often), log(&seldom), "every update is in the log");
    let last =
        |folder: &Path| a2d_host::run::checkpoint::Saved::load(&folder.join("last.safetensors"));
    let (one, other) = (last(&often).unwrap().tensors, last(&seldom).unwrap().tensors);
    assert!(one == other);
    // Reads for checkpoints: parameters and moments of the last one, before and after the validation, and parameters of
    // the best. The other reads are of losses.
    let stored = 2 * one.len() + one.keys().filter(|name| !name.starts_with("adam.")).count();
    let looks = reads - stored as u64;
    assert!(looks <= 8, "{looks} looks at 25 updates and a validation");
}

#[test]
fn a_spoilt_update_is_named_and_not_saved() {
    let (folder, data, mut run) = desk();
    run.train.warmup_updates = 0;
    run.train.lr = 1e30;
    for (name, save_interval) in [("at the log", 0), ("before a checkpoint", 5)] {
        run.train.save_interval_updates = save_interval;
        let folder = folder.path().join(name);
        let error = trained(&run, &data, &folder, true).unwrap_err();
        assert!(matches!(error, Error::Failed(_)));
        let text = error.to_string();
        assert!(text.contains("the loss of update 2 is NaN (lr 1.00e30)"), "{text}");
        for file in ["last.safetensors", "best.safetensors"] {
            assert!(!folder.join(file).exists(), "{file}");
        }
    }
}
