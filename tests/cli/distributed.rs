//! Training in several processes through MPI: it learns what one process learns, and a run can be resumed after any
//! rank fails.

use crate::desk::{Desk, Done, copy, disturbed, done, send_to};
use crate::resume::progress;
use a2d_host::run::checkpoint::Saved;
use std::process::{Child, Command, Stdio};

/// The tolerance of logged numbers and parameters, relative to their size or 1: the f32 sums differ in order.
const CLOSE: f64 = 5e-5;

const SHORT: &str =
    "--data data --set train.max_update=30 --set train.valid_bleu_sentences=4 --quiet";
/// A training run that saves often and does not end by itself.
const LONG: &str = "train tiny.toml --data data --set train.max_update=100000 --set train.patience=0 \
                    --set train.valid_bleu_sentences=2 --set train.save_interval_updates=7";

/// `mpirun` with the options that this machine needs.
fn mpirun(desk: &Desk, options: &str) -> Command {
    let mut command = Command::new("mpirun");
    // -q suppresses Open MPI's own report of a failed job.
    command.args(["-q", "--oversubscribe", "--bind-to", "none"]);
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        command.arg("--allow-run-as-root");
    }
    command.args(options.split_whitespace()).current_dir(desk.path(""));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The command that runs a line in `ranks` processes.
fn command(desk: &Desk, ranks: usize, line: &str) -> Command {
    let (host, mut command) = (desk.command(line), mpirun(desk, &format!("-n {ranks}")));
    command.arg(host.get_program()).args(host.get_args());
    command
}

fn together(desk: &Desk, ranks: usize, line: &str) -> Done {
    done(command(desk, ranks, line).output().unwrap())
}

#[track_caller]
fn near(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() <= CLOSE * a.abs().max(1.0), "{what}: {a} and {b}");
}

/// Asserts that two runs have learned the same, by their logs and last checkpoints.
#[track_caller]
fn alike(desk: &Desk, a: &str, b: &str) {
    let (one, other) = (desk.log(a), desk.log(b));
    assert_eq!(one.len(), other.len(), "lines of {a} and {b}");
    for (one, other) in one.iter().zip(&other) {
        for (key, value) in one.as_object().unwrap() {
            if ["seconds", "tokens_per_second", "bleu", "best"].contains(&&key[..]) {
                continue;
            }
            let [x, y] = [value, &other[key]].map(|x| x.as_f64().unwrap());
            near(x, y, &format!("{key} at {} of {a} and {b}", one["update"]));
        }
    }
    close(desk, a, b);
}

/// Asserts that the last checkpoints of two runs are close.
#[track_caller]
fn close(desk: &Desk, a: &str, b: &str) {
    let [one, other] = [a, b].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
    assert!(one.keys().eq(other.keys()));
    for ((name, (_, one)), (_, other)) in one.iter().zip(other.values()) {
        // A constant added to all keys, or to a whole map, changes no softmax: the gradient of these biases is rounding
        // error, which Adam turns into steps.
        if name.ends_with("k_proj.bias") || name.ends_with("alignment_module.bias") {
            continue;
        }
        for (&x, &y) in one.iter().zip(other) {
            near(f64::from(x), f64::from(y), &format!("{name} of {a} and {b}"));
        }
    }
}

#[test]
fn ranks_learn_what_one_process_learns() {
    let desk = Desk::with_run();
    // Dropout masks are drawn by position in the whole batch.
    let dropout = "--set model.attention_dropout=0.1 --set model.activation_dropout=0.1";
    for (name, ranks, line) in [
        ("plain", 2, "train tiny.toml"),
        (
            "averaged",
            2,
            "train tiny.toml --set train.update_freq=2 --set train.ema_decay=0.9 --set train.clip_norm=0.5",
        ),
        // Some batches have a single sentence, which goes to one of the three ranks.
        ("single", 3, "train tiny.toml --set train.max_tokens=40"),
        ("a2d", 2, "distill tiny.toml --teacher full/teacher"),
        (
            "official",
            3,
            "distill tiny.toml --teacher full/teacher --set distill.preset=official --set train.update_freq=2",
        ),
        // The gate is that of the whole batch, whose pairs are on two ranks.
        (
            "selective",
            2,
            "distill tiny.toml --teacher full/teacher --method selective --set distill.selective.mode=global \
             --set distill.selective.queue=300 --set distill.cache=disk",
        ),
    ] {
        let line = format!("{line} {SHORT} {dropout}");
        desk.host(&format!("{line} --out {name}-1 --threads 1")).well();
        let done = together(&desk, ranks, &format!("{line} --out {name}-n"));
        assert_eq!(done.err, "", "{name}");
        let one = format!("{name}-1");
        assert!(done.well().starts_with("model"), "the first alone tells the results");
        alike(&desk, &one, &format!("{name}-n"));
    }
}

/// `tests/gpu/groups.rs` tests this on each change, without MPI.
#[test]
#[ignore = "takes a build with MPI and GPUs, minutes: CONTRIBUTING.md has the command"]
fn ranks_sum_on_their_gpus() {
    let desk = Desk::with_run();
    let gpus = "train tiny.toml --data data --set train.max_update=8 --set train.valid_bleu_sentences=2 --backend gpu";
    let line = |what: &str, out: &str, more: &str, variable: &str| {
        let mut job = command(&desk, 2, &format!("{gpus} {more} --out {out}"));
        let done = done(job.env(variable, "0").output().unwrap());
        assert_eq!(done.code, Some(0), "{done:#?}");
        let line = done.err.lines().find(|line| line.contains(what));
        line.unwrap_or_default().split_once("model: ").unwrap().1.to_owned()
    };
    let told =
        |out: &str, more: &str, variable: &str| line("gradients are summed", out, more, variable);
    let on_gpus = told("nccl", "", "A2D_TEST_NOTHING");
    assert!(on_gpus.starts_with("gradients are summed on the GPUs by NCCL 2."), "{on_gpus}");
    let off = told("off", "", "A2D_NCCL");
    assert_eq!(off, "gradients are summed in host memory: A2D_NCCL=0");
    let shared = told("shared", "--device cuda:0", "A2D_TEST_NOTHING");
    assert!(shared.contains("in host memory: several ranks share a GPU"), "{shared}");
    let [nccl, others @ ..] =
        ["nccl", "off", "shared"].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
    assert!(others.iter().all(|other| *other == nccl), "another order of sums");
    let auto = "--max-tokens auto --set train.max_update=1";
    let filled = line("max_tokens", "filled", auto, "A2D_TEST_NOTHING");
    assert!(filled.ends_with(" fills cuda:0 (78.5 GiB free)"), "80 without NCCL: {filled}");

    // The second rank's device is lost in the middle.
    let mut job = command(&desk, 1, &format!("{gpus} --out lost --quiet"));
    let program: Vec<_> =
        job.get_args().skip_while(|of| *of != "-n").map(ToOwned::to_owned).collect();
    job.args([":", "-n", "1", "env", "A2D_CUDA_FAIL=300"]).args(&program[2..]);
    let done = done(job.output().unwrap());
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert_eq!(done.err.matches("error: ").count(), 1, "{}", done.err);
    assert!(done.err.contains("error: the GPU (cuda:1, stand-in) failed: "), "{}", done.err);
}

#[test]
fn a_run_goes_on_in_any_number_of_processes() {
    let desk = Desk::with_run();
    let line = format!("train tiny.toml {SHORT}");
    desk.host(&format!("{line} --out whole")).well();
    together(&desk, 3, &format!("{line} --out part --set train.max_update=11")).well();
    desk.host(&format!("{line} --out part --set train.max_update=20 --resume")).well();
    together(&desk, 2, &format!("{line} --out part --resume")).well();
    assert_eq!(progress(&desk, "part").update, 30);
    close(&desk, "whole", "part");
    let recorded = desk.read("part/provenance.jsonl");
    let ranks =
        recorded.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(ranks.map(|line| line["ranks"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 1, 2]);
}

#[test]
fn the_time_is_up_for_all() {
    let desk = Desk::with_run();
    let line = format!("{LONG} --set train.time_limit_seconds=0.2 --out run");
    let done = together(&desk, 3, &line);
    assert!(done.err.contains("(time_limit_seconds)"), "{}", done.err);
    done.well();
    let done = together(&desk, 2, &format!("{line} --resume"));
    assert!(done.err.contains("run is finished (time_limit_seconds)"), "{}", done.err);
}

/// The process ids of the ranks of a job, in the order of their start: the children of `mpirun`.
fn processes(job: &Child) -> Vec<u32> {
    let parent = |process: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut own: Vec<u32> = numbers.filter(|&process| parent(process) == Some(job.id())).collect();
    own.sort_unstable();
    own
}

/// Asserts that `run` resumes and ends with the checkpoints of an uninterrupted run.
#[track_caller]
fn goes_on(desk: &Desk, run: &str) {
    let at = progress(desk, run);
    assert!(at.update > 0 && !at.finished, "{at:?}");
    let until = format!("--set train.max_update={} --quiet", at.update + 5);
    together(desk, 2, &format!("{LONG} {until} --out {run} --resume")).well();
    together(desk, 2, &format!("{LONG} {until} --out whole")).well();
    for file in ["last", "best"] {
        let [one, other] =
            ["whole", run].map(|run| desk.tensors(&format!("{run}/{file}.safetensors")));
        assert!(one == other, "{file} of {run}");
    }
    std::fs::remove_dir_all(desk.path("whole")).unwrap();
}

#[test]
fn the_death_of_one_or_of_the_launcher_ends_all_and_leaves_a_checkpoint() {
    let desk = Desk::with_run();
    for (run, signal, rank) in
        [("first", "-KILL", Some(0)), ("last", "-KILL", Some(1)), ("job", "-INT", None)]
    {
        let line = format!("{LONG} --out {run}");
        let done = disturbed(command(&desk, 2, &line), "model 12/", |job| match rank {
            Some(rank) => send_to(signal, processes(job)[rank]),
            // As Ctrl-C does. Open MPI then reads nothing from the ranks, which wait for that once they have written 64 KiB,
            // and kills them after two seconds: whether they save is a matter of time.
            None => send_to(signal, job.id()),
        });
        assert_ne!(done.code, Some(0), "{done:#?}");
        Saved::load(&desk.path(&format!("{run}/last.safetensors"))).unwrap();
        goes_on(&desk, run);
    }
}

#[test]
fn a_signal_to_one_ends_all_after_saving() {
    let desk = Desk::with_run();
    for (rank, signal, code) in [(0, "-INT", 130), (1, "-TERM", 143)] {
        let run = format!("run-{rank}");
        let line = format!("{LONG} --out {run}");
        let done = disturbed(command(&desk, 2, &line), "model 12/", |job| {
            send_to(signal, processes(job)[rank]);
        });
        assert_eq!(done.code, Some(code), "{done:#?}");
        let at = progress(&desk, &run);
        let saved = format!("model: saved at update {}; go on with --resume\n", at.update);
        assert_eq!(done.err.matches(&saved).count(), 1, "{}", done.err);
        assert_eq!(done.err.matches("error: ").count(), 1, "{}", done.err);
        goes_on(&desk, &run);
    }
}

#[track_caller]
fn refused(done: &Done, code: i32, parts: &[&str]) {
    let one = done.err.starts_with("error: ") && done.err.lines().count() == 1;
    assert!(one && done.code == Some(code), "{done:#?}");
    assert!(parts.iter().all(|part| done.err.contains(part)), "{}", done.err);
}

#[test]
fn what_is_wrong_for_all_is_told_once() {
    let desk = Desk::with_run();
    for (line, code, parts) in [
        ("train missing.toml", 2, &["missing.toml"][..]),
        ("train tiny.toml --fly", 2, &["'--fly'"]),
        ("train tiny.toml --data data --out full", 2, &["full holds a run"]),
        ("distill tiny.toml --data data --out new --teacher data", 2, &["data is no run"]),
        ("train tiny.toml --data data --out new --set train.max_tokens=1", 2, &["max_tokens"]),
        ("translate full --input test.de", 2, &["only `host train`"]),
        (
            "train tiny.toml --data data --out nan --set train.warmup_updates=0 --set train.lr=1e30",
            1,
            &["the loss of update 2 is NaN"],
        ),
    ] {
        refused(&together(&desk, 2, &format!("{line} --quiet")), code, parts);
    }
    let line = "train tiny.toml --data data --set train.warmup_updates=0 --set train.lr=1e6 --on-nan retry";
    let done = together(&desk, 2, &format!("{line} --out run --set train.save_interval_updates=2"));
    assert!(done.err.contains("goes on from update 2 with 0.5 of the rate"), "{}", done.err);
    done.well();
}

#[test]
fn what_one_meets_ends_all() {
    let desk = Desk::with_run();
    let line = format!("{LONG} --out run");
    let done = disturbed(command(&desk, 2, &line), "model 3/", |_| {
        // A folder in place of the checkpoint makes saving fail.
        std::fs::create_dir(desk.path("run/last.safetensors")).unwrap();
    });
    assert_eq!(done.code, Some(1), "{done:#?}");
    let told = "error: cannot write run/last.safetensors: is a directory\n";
    assert_eq!(done.err.matches(told).count(), 1, "{}", done.err);
}

#[test]
fn ranks_that_differ_do_not_train_together() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --quiet --set train.max_update=10 --set model.attention_dropout=0.1";
    let pair = |one: &str, other: &str| {
        let mut job = mpirun(&desk, "");
        for (i, line) in [one, other].into_iter().enumerate() {
            let host = desk.command(line);
            job.args([":"].iter().take(i)).args(["-n", "1"]);
            job.arg(host.get_program()).args(host.get_args());
        }
        done(job.output().unwrap())
    };
    let done = pair(&format!("{line} --out new"), &format!("{line} --out new --seed 7"));
    refused(&done, 2, &["the ranks have different configurations"]);

    // As if each rank had a folder of its own: the checkpoints differ slightly.
    desk.host(&format!("{line} --out a")).well();
    together(&desk, 2, &format!("{line} --out b")).well();
    copy(&desk.path("a"), &desk.path("c"));
    let last = std::fs::read(desk.path("a/last.safetensors")).unwrap();
    let more = format!("{line} --resume --set train.max_update=12");
    let done = pair(&format!("{more} --out a"), &format!("{more} --out b"));
    refused(
        &done,
        1,
        &["the ranks have different parameters after update 10", "a/last.safetensors"],
    );
    assert!(std::fs::read(desk.path("a/last.safetensors")).unwrap() == last);
    let done = pair(&format!("{more} --out a"), &format!("{more} --out c"));
    assert_eq!((done.code, progress(&desk, "a").update), (Some(0), 12), "{done:#?}");
}
