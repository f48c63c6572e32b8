//! `host bench`, run in process with the smallest sizes.

use a2d_host::bench::Timing;
use a2d_host::cli::{Cli, Verb};
use a2d_host::commands::bench;
use a2d_host::system::error::Result;
use clap::Parser;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn run(line: &str) -> Result<String> {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let Verb::Bench(args) = cli.verb else { panic!("{line}") };
    let mut out = Vec::new();
    bench::run(args, &cli.globals, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn measured(line: &str) -> Vec<Value> {
    let out = run(&format!("host bench {line} --shape tiny --repeats 1 --json")).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or_else(|| panic!("{key} of {line}"))
}

/// Checks the numbers that every measurement has.
fn check(line: &Value, unit: &str) {
    for key in ["seconds_median", "seconds_min", "seconds_max", "peak_gflops", "gflops"] {
        assert!(number(line, key) > 0.0, "{key} of {line}");
    }
    let rate = number(line, unit) / number(line, "seconds_median");
    let told = number(line, &format!("{unit}_per_second"));
    assert!((told / rate - 1.0).abs() < 1e-3, "{line}");
    let fraction = number(line, "gflops") / number(line, "peak_gflops");
    assert!((number(line, "fraction_of_peak") - fraction).abs() < 2e-3, "{line}");
    if cfg!(target_os = "linux") {
        assert!(number(line, "peak_memory_bytes") > 1e6, "{line}");
    }
}

/// Checks the times of single sentences: 15 steps, of which the first comes with the encoder.
fn check_latency(line: &Value, sentences: f64) {
    assert_eq!(number(line, "latency_sentences"), sentences);
    let of = |what: &str, p: &str| number(line, &format!("{what}_seconds_{p}"));
    let [first, whole] = ["first_token", "sentence"].map(|what| [of(what, "p50"), of(what, "p95")]);
    assert!(0.0 < first[0] && first[0] <= first[1] && whole[0] <= whole[1], "{line}");
    assert!(first[0] < whole[0] && first[1] < whole[1], "{line}");
}

#[test]
fn single_sentences_are_measured_with_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids.txt");
    std::fs::write(&path, "17 4 2\n5 6 7 8 2\n".repeat(60)).unwrap();
    let sources = format!("--sources {}", path.display());
    for image in ["f32", "int8", "int4"] {
        let lines = measured(&format!("translate --image {image} --threads 1 {sources}"));
        let beams: Vec<f64> = lines.iter().map(|line| number(line, "beam")).collect();
        assert_eq!(beams, [1.0, 5.0]);
        lines.iter().for_each(|line| check_latency(line, 100.0));
        assert!(lines.iter().all(|line| line["image"] == image), "{lines:?}");
    }
    let line =
        format!("host bench translate --image int8 --shape tiny --repeats 1 --beam 1 {sources}");
    let told = run(&line).unwrap();
    assert!(!told.contains("inf"), "{told}");
    assert!(told.contains("\n  one sentence: ") && told.contains("; first token: "), "{told}");
    let steps = measured("train --max-tokens 256");
    assert_eq!(steps[0].get("latency_sentences"), None);
}

#[test]
fn steps_are_measured_with_every_preset() {
    for preset in ["official", "masked", "rows", "word-kd"] {
        let lines = measured(&format!("distill --max-tokens 256 --preset {preset} --threads 1"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        check(line, "tokens");
        assert_eq!(line["what"], "distill");
        assert_eq!(line["preset"], preset);
        assert_eq!((number(line, "max_tokens"), number(line, "threads")), (256.0, 1.0));
    }
    for model in ["teacher", "student"] {
        let lines = measured(&format!("train --max-tokens 256 --model {model}"));
        check(&lines[0], "tokens");
        assert_eq!((&lines[0]["what"], &lines[0]["model"]), (&"train".into(), &model.into()));
    }
}

#[test]
fn one_process_measures_all_that_is_listed() {
    let lists = "distill,train --model teacher,student --preset official,rows --precision f32,bf16";
    let lines = measured(&format!("{lists} --max-tokens 64 --threads 1"));
    let tasks = ["distill official", "distill rows", "train teacher", "train student"];
    let all = ["f32", "bf16"].map(|precision| tasks.map(|task| format!("{task} {precision}")));
    let of = |line: &Value| {
        let part = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let task = [part("what"), part("preset") + &part("model"), part("precision")];
        task.join(" ")
    };
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), all.concat());
    for lines in lines.chunks(4) {
        assert!(lines.iter().all(|line| line["peak_gflops"] == lines[0]["peak_gflops"]));
    }
}

#[test]
fn products_of_a_step_are_measured() {
    let lines = measured("products,train --max-tokens 64 --threads 1");
    let (train, products) = lines.split_last().unwrap();
    assert_eq!(train["what"], "train");
    let names = ["kvq", "out", "fc1", "fc2", "logits", "fc1 gradients"];
    let sizes = [(16, 48), (16, 16), (16, 32), (32, 16), (16, 8000), (16, 32)];
    assert_eq!(products.len(), names.len());
    for (line, (name, (inputs, outputs))) in products.iter().zip(names.into_iter().zip(sizes)) {
        check(line, "products");
        assert_eq!((&line["what"], &line["product"]), (&"products".into(), &name.into()));
        assert_eq!(["rows", "inputs", "outputs"].map(|of| &line[of]), [64, inputs, outputs]);
        let flop = number(line, "products") * f64::from(2 * 64 * inputs * outputs);
        let rate = flop / number(line, "seconds_median") / 1e9;
        assert!((number(line, "gflops") - rate).abs() < 1e-3, "{line}");
    }
}

#[test]
fn rounds_are_waited_for_together() {
    let mut waits = Vec::new();
    let run = |rounds| {
        waits.push(rounds);
        Ok(())
    };
    let timing = Timing::of_rounds(2, 5, None, run).unwrap();
    assert_eq!((timing.seconds.len(), timing.rounds), (2, 5));
    assert_eq!(waits, [1, 5, 5], "one round warms up");
}

#[test]
fn a_profile_accounts_for_the_whole_time() {
    let lines = measured("distill --max-tokens 256 --profile");
    let rows = lines[0]["profile"].as_array().unwrap();
    let total: f64 = rows.iter().map(|row| number(row, "milliseconds")).sum();
    assert!((total / 1e3 / number(&lines[0], "seconds_median") - 1.0).abs() < 1e-3, "{rows:?}");
    let named = |name: &str| rows.iter().find(|row| row["operation"] == name).unwrap();
    assert!(number(named("linear_grad"), "gflops") > 0.0);
    assert_eq!(number(named("adam"), "calls"), 1.0);
    assert_eq!(rows.last(), Some(named("rest")));
}

#[test]
fn translation_is_measured_greedily_and_with_a_beam() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids.txt");
    std::fs::write(&path, "17 4 2\n2\n5 6 7 8 2\n").unwrap();
    let lines = measured(&format!("translate --sources {}", path.display()));
    let beams: Vec<f64> = lines.iter().map(|line| number(line, "beam")).collect();
    assert_eq!(beams, [1.0, 5.0]);
    for line in &lines {
        check(line, "sentences");
        assert_eq!((number(line, "sentences"), number(line, "length")), (3.0, 15.0));
        check_latency(line, 3.0);
    }
    for (text, told) in [
        ("2\n9 1 2\n", ":2: 1 is no token"),
        ("9 8000 2\n", ":1: 8000 is no token"),
        ("9\n", ":1: does not end with 2"),
        ("", "is empty"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = run(&format!("host bench translate --sources {}", path.display())).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(told), "{error}");
    }
}

/// Name, dtype and one row of ids of each tensor.
type Tensors = Vec<(String, Dtype, Vec<i32>)>;

/// Writes three batches of one row, after `change`, and returns the path of the file.
fn batches(folder: &Path, change: impl Fn(&mut Tensors)) -> PathBuf {
    let mut tensors = Tensors::new();
    for number in 0..3 {
        let rows = [("src", [5, 6, 2, 1]), ("prev", [2, 7, 8, 1]), ("tgt", [7, 8, 2, 1])];
        tensors.extend(
            rows.map(|(kind, ids)| (format!("64.{number}.{kind}"), Dtype::I32, ids.to_vec())),
        );
    }
    change(&mut tensors);
    let bytes = |ids: &[i32]| -> Vec<u8> { ids.iter().flat_map(|id| id.to_le_bytes()).collect() };
    let data: Vec<_> = tensors.iter().map(|(_, _, ids)| bytes(ids)).collect();
    let views = tensors.iter().zip(&data).map(|((name, dtype, ids), data)| {
        (name, TensorView::new(*dtype, vec![1, ids.len()], data).unwrap())
    });
    let path = folder.join("batches.safetensors");
    serialize_to_file(views, None, &path).unwrap();
    path
}

#[test]
fn batches_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = batches(folder.path(), |_| {});
    let lines = measured(&format!("train --max-tokens 64 --batches {}", path.display()));
    check(&lines[0], "tokens");
    assert_eq!(number(&lines[0], "tokens"), 9.0);
}

#[test]
fn a_foreign_file_of_batches_is_misuse() {
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut Tensors);
    let cases: [(&str, Change); 8] = [
        ("no tensor `64.2.tgt` (--max-tokens may be: 64)", |t| drop(t.pop())),
        ("no tensor `64.0.src` (--max-tokens may be: 32, 64)", |t| t[0].0 = "32.0.src".into()),
        ("`64.0.src` as F32", |t| t[0].1 = Dtype::F32),
        ("`64.0.src`, row 0: 8000 is no token", |t| t[0].2[1] = 8000),
        ("`64.0.src`, row 0: -1 is no token", |t| t[0].2[1] = -1),
        ("`64.0.src`, row 0: 1 is no token", |t| t[0].2[1] = 1),
        ("`64.0.src`, row 0 is empty", |t| t[0].2.fill(1)),
        ("`64.0.prev` is not `64.0.tgt` after a first 2", |t| t[1].2[1] = 9),
    ];
    for (told, change) in cases {
        let path = batches(folder.path(), change);
        let line = format!("host bench train --max-tokens 64 --batches {}", path.display());
        let error = run(&line).unwrap_err();
        let text = error.to_string();
        assert!(error.exit_code() == 2 && text.contains(told), "{text}");
        assert!(text.starts_with(&path.display().to_string()), "{text}");
    }
    let path = folder.path().join("text.safetensors");
    for text in ["", "not a file of tensors"] {
        std::fs::write(&path, text).unwrap();
        let line = format!("host bench train --batches {}", path.display());
        let text = run(&line).unwrap_err().to_string();
        assert!(text.contains("is not a safetensors file"), "{text}");
    }
    let missing = run("host bench distill --batches nowhere.safetensors").unwrap_err();
    assert_eq!(missing.to_string(), "cannot read nowhere.safetensors: no such file or directory");
}
