//! Interrupted runs, and `--resume`.

use crate::desk::Desk;
use a2d_host::run::checkpoint::Saved;
use a2d_host::run::run_dir::RunDir;
use a2d_host::train::Progress;
use serde_json::Value;

/// A training run of two epochs with many small updates.
const MANY: &str = "train tiny.toml --set train.max_tokens=60 --set train.max_update=260 \
                    --set train.valid_bleu_sentences=4";

pub fn progress(desk: &Desk, run: &str) -> Progress {
    let saved = Saved::load(&desk.path(&format!("{run}/last.safetensors"))).unwrap();
    saved.get("progress").unwrap()
}

/// Asserts that two runs left byte-identical files, and equal logs except for times.
#[track_caller]
pub fn same(desk: &Desk, a: &str, b: &str) {
    let bytes = |run: &str, file: &str| std::fs::read(desk.path(run).join(file)).unwrap();
    for file in ["last.safetensors", "best.safetensors", "config.toml"] {
        assert!(bytes(a, file) == bytes(b, file), "{file} of {a} and {b}");
    }
    assert_eq!(timeless(desk, a), timeless(desk, b), "logs of {a} and {b}");
    let kept = |run: &str| RunDir::at(&desk.path(run)).kept_updates();
    assert_eq!(kept(a), kept(b));
    for update in kept(a) {
        let file = format!("checkpoints/{update:09}.safetensors");
        assert!(bytes(a, &file) == bytes(b, &file), "{file} of {a} and {b}");
    }
}

/// Asserts that two runs trained alike: a run cut by `train.max_update` has one more validation than a whole one.
#[track_caller]
pub fn trained_alike(desk: &Desk, a: &str, b: &str) {
    let state = |run: &str| desk.tensors(&format!("{run}/last.safetensors"));
    assert!(state(a) == state(b), "parameters and moments of {a} and {b}");
    assert_eq!(trained(desk, a), trained(desk, b), "training lines of {a} and {b}");
}

/// The training lines of a run's log, without times.
pub fn trained(desk: &Desk, run: &str) -> Vec<Value> {
    let mut lines = timeless(desk, run);
    lines.retain(|line| line.get("ce").is_some());
    lines
}

/// The log of a run without times, speeds and event lines.
fn timeless(desk: &Desk, run: &str) -> Vec<Value> {
    let mut lines = desk.log(run);
    lines.retain(|line| line.get("event").is_none());
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        line.retain(|key, _| key != "seconds" && key != "tokens_per_second");
    }
    lines
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_as_if_it_had_not_been() {
    let desk = Desk::new();
    desk.host(&format!("{MANY} --out whole")).well();
    let done = desk.interrupted(&format!("{MANY} --out cut"), "model 3/260", "-INT");
    assert_eq!(done.code, Some(130), "{done:#?}");
    let at = progress(&desk, "cut");
    assert!(at.position > 0 && at.epoch == 0 && !at.finished, "in the midst of an epoch: {at:?}");
    let [.., saved, error] = &done.err.lines().collect::<Vec<_>>()[..] else { panic!() };
    let told = format!("model: saved at update {}; go on with --resume", at.update);
    assert!(saved.ends_with(&format!("] {told}")), "{saved}");
    assert_eq!(*error, "error: interrupted");
    desk.host(&format!("{MANY} --out cut --resume")).well();
    same(&desk, "whole", "cut");
}

#[test]
fn a_moved_limit_ends_as_if_it_had_always_been_there() {
    let desk = Desk::new();
    desk.host(&format!("{MANY} --out whole --quiet")).well();
    // The last limit is at the end of an epoch.
    let epoch =
        desk.log("whole").iter().find(|line| line.get("bleu").is_some()).unwrap()["update"].clone();
    for limit in
        ["max_update=7".to_owned(), "max_epoch=1".to_owned(), format!("max_update={epoch}")]
    {
        let out = format!("{MANY} --quiet --out {limit}");
        desk.host(&format!("{out} --set train.{limit}")).well();
        assert!(progress(&desk, &limit).finished);
        desk.host(&format!("{out} --resume")).well();
        let [one, two] =
            ["whole", &limit].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
        assert!(one == two, "{limit}");
        let (whole, moved) = (desk.log("whole"), desk.log(&limit));
        let more = usize::from(limit == "max_update=7");
        assert_eq!(moved.len(), whole.len() + more, "validations of {limit}");
    }
}

#[test]
fn bf16_on_the_cpu_is_told_and_goes_on_exactly() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --teacher full/teacher";
    let told = desk.host(&format!("{line} --out whole --precision bf16 --threads 1"));
    assert!(told.err.contains("student by A2D: the CPU only rounds as a GPU does"), "{told:#?}");
    told.well();
    let cut = format!("{line} --out cut --precision bf16 --threads 2 --quiet");
    assert_eq!(desk.host(&format!("{cut} --set train.max_update=9")).err, "");
    desk.host(&format!("{cut} --resume")).well();
    desk.host(&format!("{line} --out single --quiet")).well();
    let [whole, cut, single] =
        ["whole", "cut", "single"].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
    assert!(whole == cut && whole != single);
    let [short, single] = ["whole", "single"].map(|run| desk.log(run)[0]["loss"].as_f64().unwrap());
    assert!(short != single && (short - single).abs() < 0.01 * single, "{short}, {single}");
}

#[cfg(unix)]
#[test]
fn a_distillation_goes_on_from_its_teacher() {
    let desk = Desk::new();
    let line = "distill tiny.toml --out run --set distill.baseline=true --set teacher.train.max_update=150";
    let done = desk.interrupted(line, "teacher 3/150", "-TERM");
    assert_eq!(done.code, Some(143), "{done:#?}");
    assert!(done.err.ends_with("error: stopped by signal 15\n"), "{}", done.err);
    assert!(desk.path("run/teacher/last.safetensors").is_file());
    desk.refused(line, 2, &["run/teacher holds a run", "--resume"]);
    let done = desk.host(&format!("{line} --resume"));
    assert!(
        done.err.contains("student by A2D: ends after 24 updates (max_update)"),
        "{}",
        done.err
    );
    done.well();
    let again = desk.host(&format!("{line} --resume"));
    assert!(!again.err.contains("loss"), "nothing is trained again: {}", again.err);
}

#[test]
fn a_finished_run_tells_its_results_again() {
    let desk = Desk::with_run();
    let (log, last) = (desk.read("full/log.jsonl"), desk.tensors("full/last.safetensors"));
    let line = "distill tiny.toml --data data --out full --set distill.baseline=true --resume";
    let done = desk.host(line);
    let told = "student by A2D: full is finished (max_update), taken as it is";
    assert!(done.err.ends_with(&format!("] {told}\n")), "{}", done.err);
    let table = done.well();
    let scores = |table: &str| -> Vec<String> {
        let rows = table.lines().take(4);
        rows.map(|row| row.rsplit_once("  ").unwrap().0.trim_end().to_owned()).collect()
    };
    assert_eq!(scores(&table), scores(&Desk::shared().read("table.txt")), "all but the speed");
    assert_eq!(desk.read("full/log.jsonl"), log);
    assert!(desk.tensors("full/last.safetensors") == last);
}

#[test]
fn a_teacher_there_is_taken_only_if_it_is_the_one_asked_for() {
    let desk = Desk::with_run();
    for file in ["last.safetensors", "best.safetensors", "log.jsonl", "config.toml"] {
        std::fs::remove_file(desk.path("full").join(file)).unwrap();
    }
    let line = "distill tiny.toml --data data --out full";
    let key = "`train.lr` = 0.005";
    desk.refused(
        &format!("{line} --set teacher.train.lr=1e-3"),
        2,
        &["full/teacher/last.safetensors", key],
    );
    let done = desk.host(line);
    assert!(done.err.contains("teacher: full/teacher is finished, taken as it is"), "{}", done.err);
    done.well();
    let [one, two] = [&desk, Desk::shared()].map(|desk| desk.tensors("full/last.safetensors"));
    assert!(one == two, "the baseline draws from its own numbers");
}

#[test]
fn another_run_does_not_go_on() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    for (set, key) in [
        ("model.d_model=32", "`model.d_model` = 16, now it is 32"),
        ("model.encoder_layers=2", "`model.encoder_layers` = 1, now it is 2"),
        ("model.dropout=0.3", "`model.dropout`"),
        ("distill.preset=masked", "`distill.preset`"),
        ("distill.method=word-kd", "`distill.method`"),
        ("distill.alpha=0.1", "`distill.alpha`"),
        ("data.vocab_size=200", "`data.vocab_size` = 300, now it is 200"),
        ("train.seed=5", "`train.seed`"),
        ("train.max_tokens=700", "`train.max_tokens`"),
        ("train.update_freq=2", "`train.update_freq`"),
    ] {
        desk.refused(&format!("{line} --set {set}"), 2, &["full/last.safetensors", key, "--out"]);
    }
    let other = Desk::shared().path("other");
    let line = line.replace("--data data", &format!("--data {}", other.display()));
    desk.refused(&line, 2, &["last.safetensors", "another vocabulary"]);
    // The same vocabulary, but another order of sentences.
    for lang in ["de", "en"] {
        let text = desk.read(&format!("train.{lang}"));
        let turned: Vec<_> = text.lines().rev().map(|line| format!("{line}\n")).collect();
        desk.write(&format!("turned.{lang}"), turned.concat());
    }
    let prepare = "prepare --source-lang de --target-lang en --train turned --valid valid";
    desk.host(&format!("{prepare} --vocab-size 300 --max-length 40 --out turned")).well();
    let line = "distill tiny.toml --data turned --out full --resume --set train.max_update=30";
    desk.refused(line, 2, &["last.safetensors was trained on other sentences", "turned/train.bin"]);
    // The same vocabulary and shape, but other weights.
    let line = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    let teacher = "train tiny.toml --data data --out teacher2 --seed 7 --quiet --set train.max_update=3 \
                   --set model.encoder_layers=2 --set model.decoder_layers=2 \
                   --set model.encoder_attention_heads=4 --set model.decoder_attention_heads=4";
    desk.host(teacher).well();
    desk.refused(&format!("{line} --teacher teacher2"), 2, &["another teacher", "--teacher"]);
    for set in ["train.max_epoch=9", "train.lr=1e-3", "train.patience=3", "distill.baseline=true"] {
        desk.host(&format!("{line} --quiet --set {set}")).well();
    }
    assert_eq!(progress(&desk, "full").update, 30);
}

#[test]
fn without_resume_a_run_is_left_alone() {
    let desk = Desk::with_run();
    for line in [
        "distill tiny.toml --data data --out full",
        "train tiny.toml --data data --out full",
        "train full/config.toml",
        // The data is not prepared again either.
        "train tiny.toml --out full --set data.vocab_size=200",
    ] {
        desk.refused(line, 2, &["full holds a run", "--resume", "--out"]);
    }
    desk.refused("train tiny.toml --data data --out data/../full", 2, &["holds a run"]);
    std::fs::create_dir(desk.path("mine")).unwrap();
    std::fs::copy(desk.path("tiny.toml"), desk.path("mine/config.toml")).unwrap();
    desk.refused("train mine/config.toml --data data --out mine", 2, &["mine/config.toml exists"]);
    std::fs::remove_file(desk.path("full/last.safetensors")).unwrap();
    let line = "distill tiny.toml --data data --out full --resume";
    desk.refused(line, 2, &["full/last.safetensors is missing", "full/best.safetensors"]);
}
