//! Text models, from the command line: from labelled texts to labels.

use crate::desk::{Desk, copy};
use crate::resume::trained_alike;
use a2d_tests::helpers::interop;
use serde_json::Value;
use std::ops::Range;

/// The text of a line `LABEL<TAB>TEXT`.
fn text(line: &str) -> String {
    let (_, text) = line.split_once('\t').unwrap();
    format!("{text}\n")
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
    let desk = Desk::of_intents();
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
    let mut valid = logged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let valid = valid.rfind(|line| line["accuracy"].is_number()).unwrap();
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
    desk.write("plain.txt", desk.read("test.tsv").lines().map(text).collect::<String>());
    for run in ["run", "run/alone"] {
        let out = run.replace('/', "-");
        desk.host(&format!("predict {run} --input plain.txt --output {out}.tsv --quiet")).well();
    }
    let line = "score --metrics accuracy --reference test.tsv --hypothesis run.tsv --json";
    let told: Value = serde_json::from_str(&desk.host(line).well()).unwrap();
    assert_eq!(told[0]["score"].as_f64(), Some(score(&desk, "run", "accuracy")));
    let line =
        "compare --metrics accuracy --reference test.tsv --hypothesis run-alone.tsv run.tsv --json";
    let told: Value = serde_json::from_str(&desk.host(line).well()).unwrap();
    let saved: Value = serde_json::from_str(&desk.read("run/scores.json")).unwrap();
    assert_eq!(told[1]["scores"][0]["mcnemar_p_value"], saved["against"]["p_value"]);
    let told = desk.host("evaluate run --source test.tsv --json --quiet").well();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["accuracy"].as_f64(), Some(score(&desk, "run", "accuracy")));
    let pairs = told["confusion"].as_array().unwrap();
    let of = |right: bool| {
        let pairs = pairs.iter().filter(move |pair| (pair[0] == pair[1]) == right);
        pairs.map(|pair| pair[2].as_f64().unwrap()).sum::<f64>()
    };
    let [right, wrong] = [true, false].map(of);
    assert_eq!(Some(right + wrong), told["texts"].as_f64());
    assert_eq!(Some(100.0 * right / (right + wrong)), told["accuracy"].as_f64());
}

/// Texts of these labels, `copies` of each.
fn labelled(labels: Range<usize>, copies: usize) -> String {
    const WORDS: [&str; 10] =
        ["bar", "cel", "dim", "fog", "gul", "hat", "jem", "kip", "lor", "mus"];
    let line = |label: usize| {
        let words = [label / 1000, label / 100, label / 10, label].map(|digit| WORDS[digit % 10]);
        format!("label {label:04}\t{}\n", words.join(" "))
    };
    labels.map(|label| line(label).repeat(copies)).collect()
}

#[test]
fn two_thousand_labels_are_learned_and_told_in_bounds() {
    let desk = Desk::of_intents();
    // The last 200 are seen once.
    desk.write("train.tsv", labelled(0..2000, 2) + &labelled(2000..2200, 1));
    desk.write("valid.tsv", labelled(0..300, 1));
    desk.write("test.tsv", labelled(0..2000, 1));
    let line = "train intents.toml --out run --set train.max_update=400";
    let told = desk.host(line);
    assert!(
        told.err.contains("of 2,200 labels") && told.err.contains("time at most"),
        "{}",
        told.err
    );
    assert!(told.well().lines().count() < 40);
    let told = desk.host("evaluate run --source test.tsv --quiet").well();
    assert!(told.contains("the 30 of 2,200 labels with the most errors"), "{told}");
    assert!(told.lines().count() == 35, "{told}");
    let told = desk.host("evaluate run --source test.tsv --quiet --json").well();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["confusion"].as_array().unwrap().len() <= 2000);
    desk.host("report run --out page.html").well();
    assert!(desk.read("page.html").len() < 400_000);
    let top = desk.pipe("predict run --top 2200 --quiet", b"bar cel dim fog\n").well();
    assert_eq!(top.lines().count(), 2200);
    let told = desk.host("export run --out labels.a2d").well();
    let after = told.split_once(" before, ").unwrap().1.split_once(" after").unwrap().0;
    let image = desk.host("evaluate labels.a2d --source valid.tsv --quiet").well();
    assert!(image.starts_with(&format!("accuracy {after}\n")), "{told}{image}");
    let image = desk.pipe("predict labels.a2d --top 2200 --quiet", b"bar cel dim fog\n").well();
    let names = |text: &str| {
        let mut names: Vec<_> =
            text.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(&image), names(&top));
}

#[test]
fn cosines_are_ranked_against_given_similarities() {
    let (desk, bert) = (Desk::new(), interop::fixtures().join("bert/model"));
    desk.host(&format!("import {} --out run", bert.display())).well();
    let texts = ["the dog runs", "a man plays", "two women eat", "it is a green ball", "he stands"];
    desk.write("texts.txt", texts.map(|text| format!("{text}\n")).concat());
    let told = desk.host("embed run --input texts.txt --quiet").well();
    let vectors: Vec<Vec<f64>> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cosine = |i: usize| vectors[0].iter().zip(&vectors[i]).map(|(a, b)| a * b).sum::<f64>();
    let spearman = |sign: f64| {
        let line = |i| format!("{}\t{}\t{}\n", texts[0], texts[i], sign * cosine(i).powi(3));
        desk.write("pairs.tsv", (1..5).map(line).collect::<String>());
        let told = desk.host("evaluate run --pairs pairs.tsv --quiet").well();
        told.strip_prefix("Spearman with the pairs ").unwrap().trim_end().to_owned()
    };
    assert_eq!([spearman(1.0), spearman(-1.0)], ["1.0000", "-1.0000"]);
    // An image in f32 has the run's vectors.
    desk.host("export run --quantize f32 --out image.a2d").well();
    let line = "evaluate image.a2d --source texts.txt --teacher run --pairs pairs.tsv --isa portable --json";
    let told: Value = serde_json::from_str(&desk.host(line).well()).unwrap();
    let scores = told.as_array().unwrap().iter().map(|of| of["score"].as_f64().unwrap());
    let scores: Vec<_> = scores.map(|score| (score * 1e4).round() / 1e4).collect();
    assert_eq!(scores, [1.0, 1.0, -1.0]);
    desk.refused("evaluate run --pairs pairs.tsv --int8-cache", 2, &["--int8-cache", "images"]);
    for (text, says) in [
        ("one\ttwo\n", "line 1: expected TEXT<TAB>TEXT<TAB>NUMBER"),
        ("one\ttwo\t0.5\none\ttwo\tNaN\n", "line 2: expected TEXT<TAB>TEXT<TAB>NUMBER"),
        ("one\ttwo\t0.5\tthree\n", "line 1: expected"),
        ("one\ttwo\t0.5\na\tb\t0.5\n", "fewer than two different similarities"),
    ] {
        desk.write("pairs.tsv", text);
        desk.refused("evaluate run --pairs pairs.tsv", 2, &["pairs.tsv", says]);
    }
}

/// The time of a training is measured with random texts; their label is one that two labels have, too.
#[test]
fn a_long_training_on_two_labels_begins() {
    let desk = Desk::of_intents();
    for split in ["train", "valid", "test"] {
        let lines = desk.read(&format!("{split}.tsv"));
        let label = |line: &str| format!("{}\t{}", line.starts_with('P'), text(line));
        desk.write(&format!("{split}.tsv"), lines.lines().map(label).collect::<String>());
    }
    let done = desk.host("train intents.toml --out run --set train.max_update=300");
    assert!(done.err.contains("time at most"), "{}", done.err);
    done.well();
}

#[test]
fn a_teacher_below_the_student_alone_is_told() {
    let desk = Desk::of_intents();
    let weak = "--set teacher.train.max_update=2 --set distill.alpha=1";
    let table = desk.host(&format!("distill intents.toml {weak} --out run --quiet")).well();
    let warnings: Vec<_> = table.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [teacher, student] = warnings[..] else { panic!("{table}") };
    assert!(teacher.contains(" accuracy) is no better than the student alone ("), "{teacher}");
    assert!(student.contains(" accuracy behind the one trained alone: "), "{student}");
}

#[test]
fn a_classifier_goes_on_exactly_with_any_number_of_threads() {
    let desk = Desk::of_intents();
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
fn prepared_texts_and_a_teacher_that_learned_from_them_are_named_together() {
    let desk = Desk::of_intents();
    let short = "--quiet --set train.max_update=3 --set distill.baseline=false";
    desk.host(&format!("train intents.toml --out teacher {short}")).well();
    let line = "distill intents.toml --data teacher/data --teacher teacher --out run";
    desk.host(&format!("{line} {short}")).well();
}

#[test]
fn what_has_no_meaning_for_texts_is_refused() {
    let desk = Desk::of_intents();
    let refused = |line: &str, texts: &[&str]| desk.refused(line, 2, texts);
    refused("train intents.toml --set task=embed", &["teacher's vectors", "distill"]);
    refused("distill intents.toml --set task=embed", &["`teacher.run`"]);
    let embeds = "distill intents.toml --set task=embed --set";
    refused(&format!("{embeds} teacher.run=full --set distill.baseline=true"), &["baseline"]);
    let embeds = format!("{embeds} distill.method");
    refused(&format!("{embeds}=none"), &["`distill.method`"]);
    refused("distill intents.toml --set distill.method=seq-kd", &["seq-kd"]);
    refused("train intents.toml --set model.vector_width=9", &["vector_width"]);
    let line = "train intents.toml --out run --quiet --set train.max_update=2";
    desk.host(line).well();
    copy(&Desk::shared().path("full"), &desk.path("full"));
    refused("translate run --input test.tsv", &["predict"]);
    refused("embed run --input test.tsv", &["predict"]);
    refused("evaluate run --source test.tsv --reference test.tsv", &["--reference"]);
    refused("init --task classify --train train.tsv", &["--task", "translation alone", "[data]"]);
    refused("report run full --out page.html", &["run", "classify", "full", "translate"]);
    desk.write("other.tsv", "PlayMusic\tplay\nSleep\tgood night\n");
    refused("evaluate run --source other.tsv", &["other.tsv", "line 2", "Sleep"]);
    desk.write("other.tsv", "PlayMusic\tplay\nno tab\n");
    refused("evaluate run --source other.tsv", &["other.tsv", "line 2", "no tab"]);
    let shared = Desk::shared();
    shared.refused("predict full --input test.de", 2, &["full", "translate"]);
}
