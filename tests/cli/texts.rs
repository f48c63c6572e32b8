//! Text models, from the command line: from labelled texts to labels.

use crate::desk::Desk;
use crate::resume::trained_alike;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A classifier small enough to train quickly.
const INTENTS: &str = r#"
task = "classify"
[data]
train = "train.tsv"
valid = "valid.tsv"
test = "test.tsv"
vocab_size = 300
[model]
d_model = 16
ffn_dim = 32
encoder_layers = 1
encoder_attention_heads = 2
dropout = 0.1
[train]
max_tokens = 600
lr = 1e-2
warmup_updates = 20
max_epoch = 0
max_update = 90
log_interval = 1
[distill]
preset = "rows"
baseline = true
[teacher.model]
d_model = 24
ffn_dim = 48
encoder_layers = 2
encoder_attention_heads = 4
pooling = "first"
pooler = true
[teacher.train]
max_update = 300
"#;

/// A folder with `intents.toml` and texts of the committed intents.
fn desk() -> Desk {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/intents");
    for (split, step) in [("train", 12), ("valid", 10), ("test", 5)] {
        let text = fs::read_to_string(folder.join(format!("{split}.tsv"))).unwrap();
        let lines: String = text.lines().step_by(step).map(|line| format!("{line}\n")).collect();
        desk.write(&format!("{split}.tsv"), lines);
    }
    desk.write("intents.toml", INTENTS);
    desk
}

/// The score called `name` of a run's `scores.json`.
fn score(desk: &Desk, run: &str, name: &str) -> f64 {
    let scores: Value = serde_json::from_str(&desk.read(&format!("{run}/scores.json"))).unwrap();
    let scores = scores["scores"].as_array().unwrap();
    let found = scores.iter().find(|score| score["name"] == name).unwrap();
    found["score"].as_f64().unwrap()
}

#[test]
fn intents_are_learned_from_a_teacher_and_told() {
    let desk = desk();
    let table = desk.host("distill intents.toml --out run --quiet").well();
    for text in ["accuracy", "macro F1", "teacher", "student alone", "student by", "McNemar"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    // A guess is right in one of seven.
    for run in ["run/teacher", "run/alone", "run"] {
        let accuracy = score(&desk, run, "accuracy");
        assert!((60.0..=100.0).contains(&accuracy), "{run}: {accuracy}");
    }
    let logged = desk.read("run/log.jsonl");
    let valid = logged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let valid = valid.filter(|line| line["accuracy"].is_number()).next_back().unwrap();
    assert!(valid["macro_f1"].is_number() && valid["kl_encoder"].is_null(), "{valid}");

    desk.write("texts.txt", "play some jazz\n\nwill it rain tomorrow in Paris\n");
    let labels = desk.host("predict run --input texts.txt --quiet").well();
    let labels: Vec<_> = labels.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect();
    assert_eq!(labels.len(), 3);
    assert_eq!([labels[0][0], labels[2][0]], ["PlayMusic", "GetWeather"]);
    let top = desk.host("predict run --input texts.txt --top 2 --quiet").well();
    assert_eq!(top.lines().count(), 6);
    assert!(top.lines().nth(5).unwrap().starts_with("3\t"), "{top}");
    desk.host("predict run --input texts.txt --json --top 7 --output told.jsonl --quiet").well();
    for (line, labels) in desk.read("told.jsonl").lines().zip(&labels) {
        let told: Value = serde_json::from_str(line).unwrap();
        assert_eq!(told["label"], labels[0]);
        let all = told["labels"].as_array().unwrap();
        let sum: f64 = all.iter().map(|one| one["probability"].as_f64().unwrap()).sum();
        assert!(all.len() == 7 && (sum - 1.0).abs() < 1e-5, "{told}");
    }
    let told = desk.host("evaluate run --source test.tsv --json --quiet").well();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["accuracy"].as_f64(), Some(score(&desk, "run", "accuracy")));
    let rows = told["confusion"].as_array().unwrap();
    assert!(rows.len() == 7 && rows.iter().all(|row| row.as_array().unwrap().len() == 7));
}

#[test]
fn a_classifier_goes_on_exactly_with_any_number_of_threads() {
    let desk = desk();
    let line = "distill intents.toml --quiet --set distill.baseline=false";
    desk.host(&format!("{line} --out whole --threads 2")).well();
    let cut = format!("{line} --out cut --threads 1");
    desk.host(&format!("{cut} --set train.max_update=31")).well();
    desk.host(&format!("{cut} --resume")).well();
    trained_alike(&desk, "whole", "cut");
    // Kept results of the teacher change no bit.
    desk.host(&format!("{line} --out kept --set distill.cache=memory")).well();
    trained_alike(&desk, "whole", "kept");
}

#[test]
fn what_has_no_meaning_for_texts_is_refused() {
    let desk = desk();
    let refused = |line: &str, texts: &[&str]| desk.refused(line, 2, texts);
    refused("train intents.toml --set task=embed", &["teacher's vectors", "distill"]);
    refused("distill intents.toml --set task=embed", &["`teacher.run`"]);
    let embeds = "distill intents.toml --set task=embed --set distill.method";
    refused(&format!("{embeds}=none"), &["`distill.method`"]);
    refused("distill intents.toml --set distill.method=seq-kd", &["seq-kd"]);
    refused("train intents.toml --set model.vector_width=9", &["vector_width"]);
    let line = "train intents.toml --out run --quiet --set train.max_update=2";
    desk.host(line).well();
    refused("translate run --input test.tsv", &["predict"]);
    refused("embed run --input test.tsv", &["predict"]);
    refused("evaluate run --source test.tsv --reference test.tsv", &["--reference"]);
    desk.write("other.tsv", "PlayMusic\tplay\nSleep\tgood night\n");
    refused("evaluate run --source other.tsv", &["other.tsv", "line 2", "Sleep"]);
    desk.write("other.tsv", "PlayMusic\tplay\nno tab\n");
    refused("evaluate run --source other.tsv", &["other.tsv", "line 2", "no tab"]);
    let shared = Desk::shared();
    shared.refused("predict full --input test.de", 2, &["full", "translate"]);
}
