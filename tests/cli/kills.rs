//! Runs that are killed by SIGKILL, many times.
//!
//! `A2D_SOAK_SECONDS=7200 cargo test --release -p a2d-tests --test cli soak -- --ignored --nocapture` runs for two
//! hours.

use crate::desk::Desk;
use crate::resume::same;
use a2d_core::rng;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// A training run that saves often, so that many kills interrupt a save.
const OFTEN: &str = "train tiny.toml --data data --quiet --set train.max_tokens=120 --set train.max_update=150 \
                     --set train.save_interval_updates=4 --set train.validate_interval_updates=25 \
                     --set train.valid_bleu_sentences=3 --set train.log_interval=3 --set train.ema_decay=0.9 \
                     --set train.keep_last=2 --set train.clip_norm=0.5 --set train.update_freq=2";
/// The same for a student.
const TAUGHT: &str = "distill tiny.toml --data data --quiet --teacher full/teacher --set train.max_tokens=120 \
                      --set train.max_update=100 --set train.save_interval_updates=3 --set train.patience=4 \
                      --set train.validate_interval_updates=20 --set train.valid_bleu_sentences=3 \
                      --set distill.cache=disk";

/// A run whose only checkpoints are those of its validations.
const SELDOM: &str = "train tiny.toml --data data --quiet --set train.max_epoch=2 --set train.valid_bleu_sentences=3";

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After this time.
    After(Duration),
    /// While it writes its file of this number.
    Saving(usize),
}

/// How a process ended.
#[derive(Debug, PartialEq)]
enum End {
    Killed,
    /// By itself, before the moment to kill it.
    Well,
}

/// Starts a line and kills it at `moment`.
fn end(desk: &Desk, run: &str, line: &str, moment: Moment) -> End {
    let mut files = unfinished(desk, run);
    let before = files.len();
    let (start, mut child) = (Instant::now(), desk.command(line).spawn().unwrap());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let told = child.wait_with_output().unwrap().stderr;
            assert!(status.success(), "{}", String::from_utf8_lossy(&told));
            return End::Well;
        }
        let due = match moment {
            Moment::After(time) => start.elapsed() >= time,
            Moment::Saving(number) => {
                files.extend(unfinished(desk, run));
                files.len() >= before + number
            }
        };
        if due {
            child.kill().unwrap();
            child.wait().unwrap();
            return End::Killed;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The unfinished files of a run.
fn unfinished(desk: &Desk, run: &str) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(desk.path(run)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with(".writing-")).collect()
}

/// Runs `line` to its end, killed and resumed up to `most` times; returns the number of kills.
fn killed(desk: &Desk, line: &str, run: &str, most: usize, seed: u64, longest: Duration) -> usize {
    for kills in 0.. {
        let resume = if desk.path(run).exists() { "--resume" } else { "" };
        let threads = 1 + kills / 3 % 3;
        let drawn = rng::uniform(seed, kills as u32);
        let moment = match kills % 3 {
            _ if kills >= most => Moment::After(Duration::MAX),
            0 => Moment::Saving(1 + (8.0 * drawn) as usize),
            _ => Moment::After(longest.mul_f32(drawn)),
        };
        if end(desk, run, &format!("{line} --out {run} --threads {threads} {resume}"), moment)
            == End::Well
        {
            return kills;
        }
    }
    unreachable!("the loop has no end")
}

/// Kills runs of `line` until there are `most` kills, with a new run after each that ends, and compares each with the
/// uninterrupted run.
fn killed_often(desk: &Desk, line: &str, most: usize, seed: u64, longest: Duration) {
    let mut kills = 0;
    for run in 0..most as u64 {
        kills += killed(desk, line, "cut", most - kills, seed + run, longest);
        same(desk, "whole", "cut");
        if kills == most {
            return;
        }
        std::fs::remove_dir_all(desk.path("cut")).unwrap();
    }
    panic!("{kills} kills in {most} runs");
}

/// Runs a line without interruption; returns the time that it takes.
fn whole(desk: &Desk, line: &str, run: &str) -> Duration {
    let start = Instant::now();
    desk.host(&format!("{line} --out {run}")).well();
    start.elapsed()
}

#[test]
fn a_run_killed_at_any_moment_ends_as_if_it_had_not_been() {
    let desk = Desk::with_run();
    let time = whole(&desk, OFTEN, "whole");
    killed_often(&desk, OFTEN, 20, 7, time / 12);
}

#[test]
fn so_does_a_student() {
    let desk = Desk::with_run();
    let time = whole(&desk, TAUGHT, "whole");
    killed_often(&desk, TAUGHT, 8, 11, time / 6);
    let [whole, cut] = ["whole", "cut"].map(|run| desk.read(&format!("{run}/alignment.jsonl")));
    assert_eq!(whole, cut);
    let begun = desk.read("cut/provenance.jsonl").lines().count();
    assert!((1..=9).contains(&begun), "{begun} beginnings are recorded");
    assert!(!desk.path("cut/teacher.cache").exists(), "a finished run has no cache");
}

#[test]
fn a_finished_run_has_no_cache() {
    let desk = Desk::with_run();
    let caches = || {
        let names = std::fs::read_dir(desk.path("run")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("teacher.cache")).collect::<Vec<_>>()
    };
    let until = |updates: usize, more: &str| {
        let line = format!("{TAUGHT} --out run {more}");
        desk.host(&format!("{line} --set train.max_update={updates}")).well();
        assert_eq!(caches(), [""; 0], "{updates} {more}");
    };
    until(2, "");
    // Of a process that took part earlier.
    desk.write("run/teacher.cache.1", "");
    until(4, "--resume");
    // Nothing is left to train.
    until(4, "--resume");
}

#[test]
fn so_does_a_selection_from_a_queue() {
    let desk = Desk::with_run();
    let line = format!(
        "{TAUGHT} --method selective --set distill.selective.mode=global \
         --set distill.selective.queue=700 --set train.update_freq=2"
    );
    let time = whole(&desk, &line, "whole");
    killed_often(&desk, &line, 4, 13, time / 3);
}

/// A run is killed at each file that it writes, the first, the second and so on.
#[test]
fn no_file_is_written_too_early() {
    let desk = Desk::with_run();
    whole(&desk, SELDOM, "whole");
    for number in 1.. {
        let line = format!("{SELDOM} --out cut");
        if end(&desk, "cut", &line, Moment::Saving(number)) == End::Well {
            assert!(number > 3, "{number} files were seen");
            return;
        }
        desk.host(&format!("{line} --resume")).well();
        same(&desk, "whole", "cut");
        std::fs::remove_dir_all(desk.path("cut")).unwrap();
    }
}

/// Kills and resumes runs for `A2D_SOAK_SECONDS`.
#[test]
#[ignore = "A2D_SOAK_SECONDS=7200 cargo test --release -p a2d-tests --test cli soak -- --ignored"]
fn soak() {
    let seconds = std::env::var("A2D_SOAK_SECONDS").expect("A2D_SOAK_SECONDS says how long");
    let seconds = seconds.parse().expect("A2D_SOAK_SECONDS is a number");
    let desk = Desk::with_run();
    // Enough updates for hundreds of checkpoints.
    let long = |line: &str| format!("{line} --set train.max_update=2000 --set train.patience=0");
    let times = [(OFTEN, "a"), (TAUGHT, "b")].map(|(line, run)| {
        let line = long(line);
        let time = whole(&desk, &line, run);
        (line, run, time)
    });
    let (start, mut runs, mut kills) = (Instant::now(), 0u64, 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        let (line, whole, time) = &times[runs as usize % 2];
        kills += killed(&desk, line, "cut", 40, 1000 + runs, *time / 16);
        same(&desk, whole, "cut");
        std::fs::remove_dir_all(desk.path("cut")).unwrap();
        runs += 1;
        println!("{:.0} s: {runs} runs, {kills} kills, all equal", start.elapsed().as_secs_f64());
    }
}
