//! Studies: grids of small trainings, killed and resumed, and what is refused.

use crate::desk::{Desk, Done};
use a2d_core::rng;
use a2d_host::study::stats::{deviation, holm, mean};
use a2d_host::study::tuning::{Axis, Point, points};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A study of seconds. `broken` fails by design: its loss is NaN.
const STUDY: &str = r#"
[study]
seeds = [1, 2]
updates = 12
baseline = "word-kd"
jobs = 2
resamples = 100

[model]
d_model = 16
ffn_dim = 32
encoder_layers = 1
decoder_layers = 1
encoder_attention_heads = 2
decoder_attention_heads = 2

[train]
max_tokens = 600
lr = 5e-3
warmup_updates = 20
beam = 1
log_interval = 1
save_interval_updates = 3

[data.tiny]
source_lang = "de"
target_lang = "en"
train = "train"
valid = "valid"
test = { first = "test" }
vocab_size = 300
max_length = 40

[teacher.big.model]
d_model = 16
ffn_dim = 32
encoder_layers = 2
decoder_layers = 2
encoder_attention_heads = 4
decoder_attention_heads = 4

[teacher.big.train]
max_update = 24

[student.small]

[student.large.model]
d_model = 32

[method.none]

[method.word-kd]

[method.seq-kd]
seq_kd_beam = 1

[method.a2d]
preset = "rows"

[method.a2d.search]
beta = [0.5, 1.0, 2.0]
decay = [0.9, 1.0]

[method.broken]
method = "word-kd"
train.lr = 1e30

[tuning]
trials = 2
student = "small"
updates = 5
"#;

/// A desk with a study's file.
fn desk(text: &str) -> Desk {
    let desk = Desk::new();
    desk.write("study.toml", text);
    desk
}

/// The study with one line replaced.
fn with(from: &str, to: &str) -> String {
    assert!(STUDY.contains(from), "{from}");
    STUDY.replacen(from, to, 1)
}

fn json(desk: &Desk, out: &str) -> Value {
    serde_json::from_str(&desk.read(&format!("{out}/study.json"))).unwrap()
}

/// The results without times and memory.
fn timeless(mut study: Value) -> Value {
    for kind in ["cells", "teachers"] {
        for model in study[kind].as_array_mut().unwrap() {
            assert!(model.as_object_mut().unwrap().remove("usage").is_some());
        }
    }
    study
}

/// Asserts that two studies have the same results, and names the first part that differs.
#[track_caller]
fn same(desk: &Desk, one: &str, other: &str) {
    let [one, other] = [one, other].map(|out| timeless(json(desk, out)));
    for (key, value) in one.as_object().unwrap() {
        match (value.as_array(), other[key].as_array()) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                a.iter().zip(b).for_each(|(a, b)| assert_eq!(a, b, "{key}"));
            }
            _ => assert_eq!(*value, other[key], "{key}"),
        }
    }
}

fn list<'a>(study: &'a Value, key: &str) -> &'a [Value] {
    study[key].as_array().unwrap()
}

/// The results of a student and a method by BLEU.
fn result<'a>(study: &'a Value, student: &str, method: &str, metric: &str) -> &'a Value {
    let is =
        |of: &&Value| of["student"] == student && of["method"] == method && of["metric"] == metric;
    list(study, "results").iter().find(is).unwrap()
}

#[test]
fn a_study_runs_scores_and_compares_all_that_does_not_fail() {
    let desk = desk(STUDY);
    let done = desk.host("study study.toml --out s --quiet");
    assert_eq!(done.code, Some(1), "{done:#?}");
    let one = done.err.lines().collect::<Vec<_>>();
    assert!(one.len() == 1 && one[0].contains("4 tasks of the study failed"), "{}", done.err);
    assert!(done.out.contains("failed: cells/tiny/small/broken/big/1: "), "{}", done.out);
    let study = json(&desk, "s");
    let failures = list(&study, "failures");
    let why = |of: &Value| of["why"].as_str().unwrap().to_owned();
    assert!(
        failures.len() == 4 && failures.iter().all(|of| why(of).contains("NaN")),
        "{failures:#?}"
    );
    let cells = list(&study, "cells");
    assert_eq!(cells.len(), 2 * 5 * 2);
    for cell in cells {
        let fails = cell["method"] == "broken";
        assert_eq!(cell["finished"], !fails, "{cell}");
        let updates = (!fails).then_some(12);
        assert_eq!(cell["updates"].as_u64(), updates, "the same budget: {cell}");
        assert_eq!(cell["scores"]["first"]["BLEU"].is_null(), fails, "{cell}");
        let memory = &cell["usage"]["peak_memory_bytes"];
        assert!(
            fails || !cfg!(target_os = "linux") || memory.as_u64().unwrap() > 1 << 20,
            "{cell}"
        );
    }
    checks_results(&study);
    checks_files(&desk, &study);
}

/// The numbers of a study against what they are computed from.
/// Stages of a method are trained in each cell, beside the budget that all methods have.
#[test]
fn a_method_with_stages_has_the_budget_of_the_others() {
    let stages = r#"
[method.takd]
method = "word-kd"
stages = [{ name = "middle", model = { encoder_layers = 2 }, train = { max_update = 20 } }]

[method.ekd]
method = "word-kd"
staging = "curriculum"
stages = [{ name = "junior", model = { encoder_layers = 2 } }]

[tuning]"#;
    let text = sound().replace("seeds = [1, 2]", "seeds = [1]").replace("[tuning]", stages);
    let desk = desk(&text);
    let plan = desk.host("study study.toml --out out --dry-run").well();
    let notes = [
        "note: method \"takd\" first trains stages, beside its budget: \"middle\" (20 updates)",
        "note: method \"ekd\" first trains stages, beside its budget: \"junior\" (its teacher and 12 updates)",
    ];
    for note in notes {
        assert_eq!(plan.lines().filter(|line| *line == note).count(), 1, "{plan}");
    }
    desk.host("study study.toml --out out --quiet").well();
    let study = json(&desk, "out");
    for cell in list(&study, "cells") {
        assert_eq!(cell["updates"], 12, "{cell}");
        let stage = &cell["stages"][0];
        match cell["method"].as_str().unwrap() {
            "takd" => {
                assert_eq!((&stage["name"], &stage["updates"]), (&"middle".into(), &20.into()));
                let [own, student] = [stage, cell].map(|model| model["parameters"].as_u64());
                assert!(own > student && stage["validation"]["BLEU"].is_number(), "{cell}");
            }
            "ekd" => {
                assert_eq!((&stage["name"], &stage["updates"]), (&"junior".into(), &12.into()));
                assert_eq!(stage["parameters"], cell["parameters"], "the same student");
            }
            _ => assert_eq!(cell["stages"], Value::Null),
        }
    }
    desk.host("study study.toml --out out --resume --quiet").well();
    let other = text.replace("max_update = 20", "max_update = 21");
    desk.write("study.toml", other);
    desk.refused("study study.toml --out out --resume", 2, &["another study", "`distill.stages`"]);
}

fn checks_results(study: &Value) {
    for one in list(study, "results").iter().filter(|of| of["method"] != "broken") {
        let scores: Vec<f64> = list(one, "scores").iter().map(|x| x.as_f64().unwrap()).collect();
        assert_eq!(one["mean"].as_f64(), mean(&scores));
        assert_eq!(one["deviation"].as_f64(), deviation(&scores));
        let name = |key: &str| one[key].as_str().unwrap();
        let [student, metric] = ["student", "metric"].map(name);
        let of = |method| result(study, student, method, metric)["mean"].as_f64().unwrap();
        let own = mean(&scores).unwrap();
        match one["difference"].as_f64() {
            Some(difference) => assert!((difference - own + of("word-kd")).abs() < 1e-9, "{one}"),
            None => assert_eq!(one["method"], "word-kd"),
        }
        let teacher = study["teachers"][0]["scores"]["first"][metric].as_f64().unwrap();
        if let Some(share) = one["gap_closed"].as_f64() {
            let gap = teacher - of("none");
            assert!(gap > 0.0 && (share * gap - own + of("none")).abs() < 1e-9, "{one}");
        }
    }
    let p_values = |key: &str| -> Vec<f64> {
        list(study, "results").iter().filter_map(|one| one[key].as_f64()).collect()
    };
    let raw = p_values("p_value");
    assert_eq!(p_values("p_holm"), holm(&raw));
    assert_eq!(study["significance"]["comparisons"], raw.len());
    let tuning = list(study, "tuning");
    let chosen: Vec<_> = tuning.iter().filter(|of| of["method"] == "a2d").collect();
    assert_eq!(chosen.len(), 2, "{tuning:#?}");
    assert_eq!(list(chosen[0], "trials").len(), 2);
    assert!(chosen[1]["as"] == "small" && chosen[1]["settings"] == chosen[0]["settings"]);
    let best = chosen[0]["chosen"].as_u64().unwrap() as usize;
    assert_eq!(chosen[0]["trials"][best - 1]["settings"], chosen[0]["settings"]);
    let notes = list(study, "notes");
    let larger = |note: &Value| note.as_str().unwrap().contains("more than its teacher \"big\"");
    assert!(notes.iter().any(larger), "{notes:?}");
}

fn checks_files(desk: &Desk, study: &Value) {
    let sources: Vec<_> = desk.read("test.de").lines().map(str::to_owned).collect();
    let name = "s/triples/tiny.small.a2d.big.2.first.jsonl";
    let triples: Vec<Value> =
        desk.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = triples.iter().map(|of| of["src"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, sources);
    let translated = desk.read("s/cells/tiny/small/a2d/big/2.first.txt");
    assert!(translated.lines().eq(triples.iter().map(|of| of["mt"].as_str().unwrap())));
    // The significance is that of `compare` for one seed's translations, here pooled over two.
    let table = desk.read("s/study.md");
    let mean = result(study, "small", "none", "BLEU")["mean"].as_f64().unwrap();
    let row = table.lines().find(|line| line.starts_with("| small | none |")).unwrap();
    assert!(row.contains(&format!("| {mean:.2} ± ")), "{row}");
    assert!(desk.read("s/study.html").contains("Quality against size"));
    // Both students and seeds learn from translations that were made once.
    let targets = |cell: &str| desk.path(&format!("s/cells/tiny/{cell}/seq-kd/targets.jsonl"));
    let bytes = |cell| std::fs::read(targets(cell)).unwrap();
    assert!(bytes("small/seq-kd/big/1") == bytes("large/seq-kd/big/2"));
    let logs =
        ["small/seq-kd/big/1", "small/seq-kd/big/2", "large/seq-kd/big/1", "large/seq-kd/big/2"];
    let logs = logs.map(|cell| desk.read(&format!("s/cells/tiny/{cell}.log")));
    assert_eq!(logs.iter().filter(|log| log.contains("teacher: translated")).count(), 1);
}

/// Starts a study and kills it after a time; returns whether it ended by itself before, with this exit code.
fn killed_after(desk: &Desk, line: &str, time: Duration) -> Option<i32> {
    let (start, mut child) = (Instant::now(), desk.command(line).spawn().unwrap());
    while start.elapsed() < time {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Runs the desk's study into `whole`, and into `cut`, where it is killed again and again. Asserts that both have the same
/// results and the exit code `code`.
fn killed_at_any_moment(desk: &Desk, code: i32) {
    let start = Instant::now();
    assert_eq!(desk.host("study study.toml --out whole --quiet").code, Some(code));
    let time = start.elapsed();
    let mut kills = 0;
    for attempt in 0.. {
        let resume = if desk.path("cut/study.toml").exists() { " --resume" } else { "" };
        let longest = if attempt < 10 { time / 6 } else { Duration::MAX / 4 };
        let moment = longest.mul_f32(rng::uniform(5, attempt).max(0.01));
        let line = format!("study study.toml --out cut --quiet{resume} --jobs {}", 1 + attempt % 3);
        if let Some(ended) = killed_after(desk, &line, moment) {
            assert_eq!(ended, code, "after {kills} kills");
            break;
        }
        kills += 1;
    }
    // A machine whose load has ended is a few times as fast as it was.
    assert!(kills >= 3, "{kills} kills");
    same(desk, "whole", "cut");
    let again = desk.host("study study.toml --out cut --quiet --resume");
    assert_eq!(again.code, Some(code), "{again:#?}");
    same(desk, "whole", "cut");
}

#[test]
fn a_study_killed_at_any_moment_ends_as_if_it_had_not_been() {
    killed_at_any_moment(&desk(STUDY), 1);
}

/// A study of labels, of seconds.
const LABELS: &str = r#"
task = "classify"

[study]
seeds = [1, 2]
updates = 40
baseline = "none"
jobs = 2
resamples = 100

[model]
d_model = 16
ffn_dim = 32
encoder_layers = 1
encoder_attention_heads = 2

[train]
max_tokens = 600
lr = 1e-2
warmup_updates = 20
log_interval = 1
save_interval_updates = 10

[data.snips]
train = "train.tsv"
valid = "valid.tsv"
test = { held = "test.tsv" }
vocab_size = 300

[teacher.big.model]
d_model = 24
ffn_dim = 48
encoder_layers = 2
encoder_attention_heads = 4

[teacher.big.train]
max_update = 100

[student.small]

[method.none]

[method.word-kd]

[method.a2d]
preset = "rows"

[method.a2d.search]
beta = [0.5, 1.0, 2.0]

[tuning]
trials = 2
updates = 20
"#;

/// A desk with texts, their labels and the study of labels.
fn labels() -> Desk {
    let desk = Desk::of_intents();
    desk.write("study.toml", LABELS);
    desk
}

#[test]
fn a_study_of_labels_scores_and_compares_them() {
    let desk = labels();
    killed_at_any_moment(&desk, 0);
    let study = json(&desk, "whole");
    assert_eq!(study["task"], "classify");
    let metrics = list(&study["data"][0], "metrics");
    let named =
        |of: &Value| [&of["name"], &of["unit"]].map(|text| text.as_str().unwrap().to_owned());
    assert_eq!(
        metrics.iter().map(named).collect::<Vec<_>>(),
        [["accuracy", "%"], ["macro F1", "%"]]
    );
    let of_a2d = |of: &&Value| of["method"] == "a2d" && of["seed"] == 2;
    let cell = list(&study, "cells").iter().find(of_a2d).unwrap();
    let run = format!("whole/{}", cell["run"].as_str().unwrap());
    let told = desk.host(&format!("evaluate {run} --source test.tsv --json --quiet")).well();
    let told: Value = serde_json::from_str(&told).unwrap();
    for (metric, key) in [("accuracy", "accuracy"), ("macro F1", "macro_f1")] {
        let [own, told] =
            [&cell["scores"]["held"][metric], &told[key]].map(|of| of.as_f64().unwrap());
        assert!((own - told).abs() < 1e-9, "{metric}: {own}, {told}");
    }
    assert!(cell["validation"]["accuracy"].as_f64().unwrap() > 20.0, "{cell}");
    let sized = desk.read(&format!("{run}/scores.json"));
    let sized: Value = serde_json::from_str(&sized).unwrap();
    assert_eq!(cell["parameters"], sized["parameters"]);
    let trials = list(&list(&study, "tuning")[0], "trials");
    assert!(trials.len() == 2 && trials.iter().all(|of| of["validation"]["accuracy"].is_number()));
    let compared = list(&study, "results").iter().filter(|of| of["method"] != "none");
    assert_eq!(compared.filter(|of| of["difference"].is_number()).count(), 4);
    let table = desk.read("whole/study.md");
    assert!(table.contains("| accuracy, % | Δ | macro F1, % | Δ | gap closed |"), "{table}");
    let page = desk.read("whole/study.html");
    assert!(page.contains("Quality against size") && page.contains("\"key\":\"accuracy\""));
    assert!(!desk.path("whole/triples").exists());
    let plan = desk.host("study study.toml --out whole --dry-run").well();
    assert!(plan.contains("labels of test sets: 7 of 7 done"), "{plan}");
}

/// The significance of a study of labels with one seed is that of `compare`.
#[test]
fn labels_of_one_seed_are_compared_as_compare_does() {
    let desk = labels();
    let text =
        LABELS.replace("seeds = [1, 2]", "seeds = [1]").replace("updates = 40", "updates = 90");
    desk.write("study.toml", text);
    desk.host("study study.toml --out s --quiet").well();
    let [baseline, own] =
        ["none/alone", "word-kd/big"].map(|of| format!("s/cells/snips/small/{of}/1.held.txt"));
    let told = desk.host(&format!(
        "compare --hypothesis {baseline} {own} --reference test.tsv --metrics accuracy --paired-bootstrap --resamples 100 --json"
    ));
    let told: Value = serde_json::from_str(&told.well()).unwrap();
    let (score, study) = (&told[1]["scores"][0], json(&desk, "s"));
    let found = result(&study, "small", "word-kd", "accuracy");
    assert_eq!((&found["mean"], &found["p_value"]), (&score["score"], &score["p_value"]));
}

#[test]
fn a_study_of_labels_that_makes_no_sense_is_refused() {
    let desk = labels();
    desk.write("foreign.tsv", "PlayMusic\tplay\nSleep\tgood night\n");
    desk.write("untabbed.tsv", "PlayMusic\tplay\nno tab\n");
    desk.write("empty.tsv", "");
    for (from, to, parts) in [
        (
            "\"classify\"",
            "\"embed\"",
            &["study.toml:2: `task` is \"embed\"", "evaluate --teacher"][..],
        ),
        ("\"classify\"", "\"clasify\"", &["study.toml:2: ", "clasify"]),
        ("[student.small]", "[student.small]\ndata = []", &["`data.snips` is no student's"]),
        ("\"classify\"", "\"translate\"", &["`data.snips` needs `source_lang`"]),
        (
            "jobs = 2",
            "metrics = [\"bleu\"]",
            &["`study.metrics` expects some of accuracy, macro_f1"],
        ),
        (
            "[method.word-kd]",
            "[method.seq-kd]",
            &["study.toml:43: `distill.method` has \"seq-kd\""],
        ),
        (
            "vocab_size",
            "target_lang = \"en\"\nvocab_size",
            &["study.toml:28: `data.target_lang` has no meaning"],
        ),
        ("\"test.tsv\"", "\"nowhere.tsv\"", &["nowhere.tsv, which is no file"]),
        (
            "\"test.tsv\"",
            "\"foreign.tsv\"",
            &["`data.snips.test.held`", "foreign.tsv:2: the label \"Sleep\""],
        ),
        ("\"test.tsv\"", "\"untabbed.tsv\"", &["untabbed.tsv:2: no tab"]),
        ("\"test.tsv\"", "\"empty.tsv\"", &["`data.snips.test.held`", "empty.tsv"]),
        ("\"train.tsv\"", "\"untabbed.tsv\"", &["untabbed.tsv:2: no tab"]),
    ] {
        assert!(LABELS.contains(from), "{from}");
        desk.write("study.toml", LABELS.replacen(from, to, 1));
        desk.refused("study study.toml --out s", 2, parts);
    }
    assert!(!desk.path("s").exists());
}

#[test]
fn data_and_teachers_of_another_task_are_refused() {
    let desk = Desk::with_run();
    for split in ["train", "valid", "test"] {
        desk.write(&format!("{split}.tsv"), "PlayMusic\tplay\n");
    }
    let texts = "train = \"train.tsv\"\nvalid = \"valid.tsv\"\n";
    let (begin, rest) = LABELS.split_once("[teacher.big.model]").unwrap();
    let (_, rest) = rest.split_once("[student.small]").unwrap();
    let taught = format!("{begin}[teacher.big]\nrun = \"full/teacher\"\n[student.small]{rest}");
    for (text, key) in
        [(LABELS.replace(texts, "dir = \"data\"\n"), "data.snips.dir"), (taught, "teacher.big.run")]
    {
        desk.write("study.toml", text);
        let what = format!("`{key}` names what has `task = \"translate\"`");
        desk.refused("study study.toml --out s", 2, &[&what, "the study has \"classify\""]);
    }
}

#[test]
fn the_study_of_intents_has_a_plan() {
    let (desk, name) = (Desk::of_intents(), "fixtures/configs/study-intents.toml");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = std::fs::read_to_string(path).unwrap().replace("../intents/", "../../");
    std::fs::create_dir_all(desk.path("fixtures/configs")).unwrap();
    desk.write(name, text.replacen("\nmax_tokens = 1024\n", "\nmax_tokens = 64\n", 1));
    let plan = desk.host(&format!("study {name} --dry-run")).well();
    let parts = ["cells: 0 of 36 done", "labels of test sets: 0 of 37 done", "estimated time: "];
    assert!(parts.iter().all(|part| plan.contains(part)) && !plan.contains("note: "), "{plan}");
}

/// The study with one student, without the method that fails.
fn sound() -> String {
    let text = with("[method.broken]\nmethod = \"word-kd\"\ntrain.lr = 1e30\n", "");
    text.replace("[student.large.model]\nd_model = 32\n", "")
}

#[test]
fn seeds_and_methods_that_are_added_run_alone() {
    let few = sound().replace("seeds = [1, 2]", "seeds = [1]");
    let few = few.replace("[method.seq-kd]\nseq_kd_beam = 1\n", "");
    let desk = desk(&few);
    desk.host("study study.toml --out s --quiet").well();
    as_compare_says(&desk);
    let kept = "s/cells/tiny/small/a2d/big/1/last.safetensors";
    let before = std::fs::metadata(desk.path(kept)).unwrap().modified().unwrap();
    desk.write("study.toml", sound());
    let line = "study study.toml --out s";
    desk.refused(line, 2, &["holds a study", "--resume", "--out"]);
    desk.host(&format!("{line} --quiet --resume")).well();
    assert_eq!(std::fs::metadata(desk.path(kept)).unwrap().modified().unwrap(), before);
    let study = json(&desk, "s");
    assert!(list(&study, "cells").len() == 8 && list(&study, "failures").is_empty());
    desk.host("study study.toml --out other --quiet").well();
    same(&desk, "s", "other");
}

/// The significance of a study with one seed is that of `compare`.
fn as_compare_says(desk: &Desk) {
    let [baseline, own] =
        ["word-kd", "a2d"].map(|method| format!("s/cells/tiny/small/{method}/big/1.first.txt"));
    let told = desk.host(&format!(
        "compare --hypothesis {baseline} {own} --reference test.en --metrics chrf --paired-bootstrap --resamples 100 --json"
    ));
    let told: Value = serde_json::from_str(&told.well()).unwrap();
    let score = &told[1]["scores"][0];
    let study = json(desk, "s");
    let found = result(&study, "small", "a2d", "chrF2");
    assert_eq!(found["mean"], score["score"]);
    match score["alike"].as_bool() {
        Some(true) => assert!(found["p_value"].is_null(), "{found}"),
        _ => assert_eq!(found["p_value"], score["p_value"]),
    }
}

#[test]
fn a_budget_may_be_wall_clock() {
    let text = sound().replace("seeds = [1, 2]", "seeds = [1]");
    let desk = desk(&text.replacen("updates = 12", "minutes = 0.005", 1));
    desk.host("study study.toml --out s --quiet").well();
    let study = json(&desk, "s");
    assert_eq!(study["data"][0]["budget"]["minutes"], 0.005);
    let note = study["notes"][0].as_str().unwrap();
    assert!(note.starts_with("the budget is wall clock"), "{note}");
    for cell in list(&study, "cells") {
        assert!(cell["finished"] == true && cell["updates"].as_u64().unwrap() > 0, "{cell}");
        let config = desk.read(&format!("s/{}/config.toml", cell["run"].as_str().unwrap()));
        for line in ["time_limit_seconds = 0.3", "max_update = 0", "max_epoch = 0", "patience = 0"]
        {
            assert!(config.contains(line), "{line}: {config}");
        }
    }
}

#[test]
fn a_plan_is_printed_and_nothing_is_written() {
    let desk = desk(STUDY);
    let line = "study study.toml --out s --dry-run";
    let plan = desk.host(line).well();
    for part in [
        "data sets: 0 of 1 done",
        "teachers: 0 of 1 done",
        "trials: 0 of 2 done",
        "cells: 0 of 20 done",
        "translations of test sets: 0 of 21 done",
        "missing  cells/tiny/large/none/alone/2",
        "note: student \"large\" has ",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let hours = plan.lines().last().unwrap();
    assert!(
        hours.starts_with("estimated time: 0.") && hours.contains("with 2 at a time"),
        "{plan}"
    );
    assert!(!desk.path("s").exists() && !desk.path("runs").exists());
    desk.write("study.toml", sound());
    desk.host("study study.toml --out s --quiet").well();
    let plan = desk.host(line).well();
    assert!(
        plan.contains("cells: 8 of 8 done") && plan.ends_with("nothing is missing\n"),
        "{plan}"
    );
    let odd = "\n[method.odd]\nmethod = \"ckd\"\nckd.groups = \"overlap\"\n";
    desk.write("study.toml", sound() + odd);
    desk.refused(line, 2, &["cells/tiny/", "/odd/", "ckd: these groups are for other numbers"]);
}

/// Starts the study in the folder `s`, and waits until it has made `path`.
fn started(desk: &Desk, path: &str) -> Child {
    let mut child = desk.command("study study.toml --out s").spawn().unwrap();
    let start = Instant::now();
    while !desk.path(path).exists() {
        assert!(start.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_all_processes_which_save_before() {
    let desk = desk(&sound().replace("updates = 12", "updates = 100000"));
    let child = started(&desk, "s/cells/tiny/small/none/alone/1/last.safetensors");
    crate::desk::send("-INT", &child);
    let done = crate::desk::done(child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(130), "{done:#?}");
    assert!(done.err.contains("go on with --resume") && done.err.ends_with("error: interrupted\n"));
    let log = desk.read("s/cells/tiny/small/none/alone/1.log");
    assert!(log.contains("saved at update ") && log.contains("stopped by signal 15"), "{log}");
    assert_eq!(children_of(&desk), BTreeSet::new());
}

/// The processes that work in the folder.
#[cfg(unix)]
fn children_of(desk: &Desk) -> BTreeSet<PathBuf> {
    let folder = desk.path("").canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let works = |path: &PathBuf| {
        std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
    };
    processes.map(|entry| entry.path()).filter(works).collect()
}

#[cfg(unix)]
#[test]
fn processes_end_with_a_study_that_is_killed() {
    let desk = desk(&sound().replace("updates = 12", "updates = 100000"));
    let mut child = started(&desk, "s/cells/tiny/small/none/alone/1/last.safetensors");
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while !children_of(&desk).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", children_of(&desk));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_folder_has_one_study() {
    let desk = desk(&sound().replace("updates = 12", "updates = 100000"));
    let mut child = started(&desk, "s/cells");
    let second: Done = desk.host("study study.toml --out s --resume --quiet");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(second.code, Some(2), "{second:#?}");
    assert!(
        second.err.contains("runs a study in ") && second.err.lines().count() == 1,
        "{second:#?}"
    );
}

#[test]
fn the_folder_of_another_study_is_refused() {
    let desk = desk(&sound());
    desk.host("study study.toml --out s --quiet").well();
    for (from, to, key) in [
        ("updates = 12", "updates = 13", "`train.max_update` = 12"),
        ("lr = 5e-3", "lr = 6e-3", "`train.lr` = 0.005"),
        ("[student.small]", "[student.small]\nmodel.ffn_dim = 64", "`model.ffn_dim` = 32"),
        ("preset = \"rows\"", "preset = \"masked\"", "`distill."),
        ("max_update = 24", "max_update = 25", "teachers/tiny/big.toml"),
        ("vocab_size = 300", "vocab_size = 200", "`data.vocab_size` = 300"),
    ] {
        desk.write("study.toml", sound().replacen(from, to, 1));
        let parts = ["belongs to another study: ", key, "--out"];
        desk.refused("study study.toml --out s --resume", 2, &parts);
    }
    std::fs::create_dir(desk.path("mine")).unwrap();
    desk.write("mine/notes.txt", "mine");
    desk.refused("study study.toml --out mine", 2, &["mine holds other files"]);
    desk.refused("study study.toml --out mine --resume", 2, &["mine holds other files"]);
}

#[test]
fn a_study_that_makes_no_sense_is_refused() {
    let desk = Desk::new();
    desk.write("short.en", "One line.\n");
    desk.write("short.de", "Eine Zeile.\nNoch eine.\n");
    for (from, to, parts) in [
        ("seeds = [1, 2]", "seeds = []", &["study.toml:3: `study.seeds` is empty"][..]),
        ("seeds = [1, 2]", "seeds = [2, 2]", &["study.toml:3: `study.seeds` has 2 twice"]),
        ("seeds = [1, 2]", "sedes = [1]", &["study.toml:3: unknown key `sedes`"]),
        ("seeds = [1, 2]", "seeds = [1", &["study.toml:"]),
        ("updates = 12\n", "", &["study.toml:2: `study` has no budget", "`minutes`"]),
        ("updates = 12", "updates = 0", &["`study.updates` is 0"]),
        ("updates = 12", "updates = 12\nminutes = 1", &["has `updates` and `minutes`"]),
        ("updates = 12", "minutes = -1", &["`study.minutes` expects a number above 0"]),
        ("\"word-kd\"\njobs", "\"kd\"\njobs", &["`study.baseline` is \"kd\", which is no method"]),
        ("jobs = 2", "metrics = [\"blue\"]", &["`study.metrics` expects some of bleu"]),
        ("jobs = 2", "metrics = [\"accuracy\"]", &["`study.metrics` expects some of bleu"]),
        (
            "preset = \"rows\"",
            "preset = \"row\"",
            &["study.toml:58: `distill.preset`: unknown value"],
        ),
        ("preset = \"rows\"", "pressed = \"rows\"", &["unknown key `distill.pressed`"]),
        ("[method.none]", "[method.nothing]", &["study.toml:50: `distill.method`", "nothing"]),
        ("[method.none]", "[method.\"a/b\"]", &["`method.a/b` is no usable name"]),
        ("[method.none]", "[method.alone]", &["is no usable name"]),
        ("decay = [0.9, 1.0]", "decay = 1.0", &["`decay` expects a list"]),
        ("decay = [0.9, 1.0]", "decay = [0.9, 7.0]", &["`distill.decay` is 7"]),
        ("decay = [0.9, 1.0]", "train.max_update = [5]", &["set by the study's budget"]),
        (
            "[tuning]\ntrials = 2\nstudent = \"small\"\nupdates = 5\n",
            "",
            &["needs a table [tuning]"],
        ),
        ("student = \"small\"", "student = \"tall\"", &["`tuning.student` is \"tall\""]),
        ("lr = 5e-3", "patience = 3", &["`train.patience` would give methods different budgets"]),
        ("lr = 5e-3", "seed = 3", &["`train.seed` is set by `study.seeds`"]),
        ("lr = 5e-3", "lr = -1.0", &["`train.lr` is -1"]),
        (
            "[student.small]",
            "[student.small]\ndata = [\"huge\"]",
            &["has \"huge\", which is no data"],
        ),
        (
            "max_update = 24",
            "max_update = 0\npatience = 0",
            &["`train.max_update` is 0", "would not end"],
        ),
        (
            "[teacher.big.model]",
            "[teacher.big]\ndata = []\n[teacher.big.model]",
            &["needs a teacher"],
        ),
        ("{ first = \"test\" }", "\"test\"", &["`data.tiny.test` expects a table of test sets"]),
        ("{ first = \"test\" }", "{ first = \"nowhere\" }", &["nowhere.de, which is no file"]),
        ("{ first = \"test\" }", "{ first = \"short\" }", &["short.de has 2 lines", "short.en 1"]),
        ("train = \"train\"\nvalid", "valid", &["`data.tiny` needs `train` and `valid`"]),
        ("train = \"train\"\nvalid = \"valid\"", "dir = \"nowhere\"", &["holds no prepared data"]),
    ] {
        desk.write("study.toml", with(from, to));
        desk.refused("study study.toml --out s", 2, parts);
    }
    desk.refused("study nowhere.toml", 2, &["cannot read nowhere.toml"]);
    #[cfg(unix)]
    desk.refused("study /dev/zero", 2, &["/dev/zero has over 1 MiB: it is no study"]);
    desk.write("study.toml", STUDY);
    let mut command: Command = desk.command("study study.toml --out s");
    let done = crate::desk::done(command.env("A2D_TRAIN__LR", "1").output().unwrap());
    assert_eq!(done.code, Some(2), "{done:#?}");
    assert!(done.err.contains("environment A2D_TRAIN__LR sets a key"), "{}", done.err);
}

#[test]
fn a_finished_teacher_must_have_the_vocabulary_of_the_data() {
    let desk = Desk::with_run();
    let other = Desk::shared().path("other").display().to_string();
    let data = "train = \"train\"\nvalid = \"valid\"";
    let study = sound();
    let (begin, rest) = study.split_once("[teacher.big.model]").unwrap();
    let (_, rest) = rest.split_once("[student.small]").unwrap();
    let taught = format!("{begin}[teacher.big]\nrun = \"full/teacher\"\n\n[student.small]{rest}");
    let taught = taught.replace("seeds = [1, 2]", "seeds = [1]");
    let line = "study study.toml --out s";
    desk.write("study.toml", taught.replace(data, &format!("dir = {other:?}")));
    desk.refused(
        line,
        2,
        &["`teacher.big.run` names ", "whose vocabulary is not that of the data"],
    );
    desk.write("study.toml", &taught);
    desk.refused(line, 2, &["add `like = \"", "[data.tiny]"]);
    desk.write("study.toml", taught.replace(data, &format!("{data}\nlike = \"full/teacher\"")));
    desk.host(&format!("{line} --quiet")).well();
    desk.write("study.toml", taught.replace(data, "dir = \"data\""));
    desk.host("study study.toml --out prepared --quiet").well();
    assert!(list(&json(&desk, "prepared"), "failures").is_empty());
}

#[test]
fn the_studies_of_the_fixtures_have_a_plan() {
    let desk = Desk::new();
    for (name, cells) in [
        ("multi30k", 120),
        ("l10n", 120),
        ("multi30k-short", 22),
        ("multi30k-seeds", 30),
        ("multi30k-near", 2),
        ("l10n-seeds", 42),
    ] {
        let config = format!("fixtures/configs/study-{name}.toml");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&config);
        // The plan's estimate measures updates of every method: small batches are soon measured.
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replacen("\nmax_tokens = 1024\n", "\nmax_tokens = 64\n", 1);
        std::fs::create_dir_all(desk.path("fixtures/configs")).unwrap();
        let data = name.split('-').next().unwrap();
        std::fs::create_dir_all(desk.path(&format!("data/{data}"))).unwrap();
        desk.write(&config, text);
        let (langs, splits) = match data {
            "l10n" => (["de", "dsb"], ["rest", "valid", "held"]),
            _ => (["de", "en"], ["train", "valid", "test2016"]),
        };
        for (split, text) in splits.iter().zip(["train", "valid", "test"]) {
            for (lang, of) in langs.iter().zip(["de", "en"]) {
                let text = desk.read(&format!("{text}.{of}"));
                desk.write(&format!("data/{data}/{split}.{lang}"), text);
            }
        }
        let plan = desk.host(&format!("study fixtures/configs/study-{name}.toml --dry-run")).well();
        assert!(plan.contains(&format!("cells: 0 of {cells} done")), "{plan}");
        assert!(plan.contains("estimated time: "), "{plan}");
        let mut notes = plan.lines().filter(|line| line.starts_with("note: "));
        assert!(notes.all(|note| note.contains("first trains stages")), "{plan}");
    }
}

#[test]
fn draws_depend_on_nothing_but_their_key() {
    let axis = |key: &str, count: i64| Axis {
        key: key.to_owned(),
        values: (0..count).map(toml::Value::Integer).collect(),
        settings: Vec::new(),
    };
    let axes = [axis("a", 5), axis("b", 4)];
    let drawn = points(&axes, 7, 1);
    assert_eq!(drawn, points(&axes, 7, 1));
    assert_ne!(drawn, points(&axes, 7, 2));
    let distinct: BTreeSet<_> = drawn.iter().map(|Point(place)| place.clone()).collect();
    assert!(distinct.len() == 7 && distinct.iter().all(|place| place[0] < 5 && place[1] < 4));
    let all = points(&axes, 20, 1);
    assert_eq!(all.iter().map(|Point(place)| place.clone()).collect::<BTreeSet<_>>().len(), 20);
    assert_eq!(points(&axes, 1000, 9), all, "a small space is tried whole");
    assert_eq!(points(&[], 3, 1), [Point(Vec::new())]);
}

/// The example of Holm's procedure: the smallest p-value times the number of comparisons, and so on, never decreasing.
#[test]
fn p_values_are_corrected_after_holm() {
    assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
    assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    assert!(holm(&[]).is_empty());
    assert_eq!(mean(&[]), None);
    assert_eq!(deviation(&[1.0]), None);
    assert_eq!(deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
}
