//! Training that begins with the weights of another run: `model.init`.

use crate::desk::Desk;
use crate::resume::trained_alike;
use a2d_host::run::checkpoint::Saved;
use a2d_host::run::config;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A desk with `encoder`, an imported BERT, and `bert.toml`, which begins with it.
fn desk() -> Desk {
    let desk = Desk::of_intents();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/interop/bert");
    for (model, run) in [("model", "encoder"), ("classifier", "classifier")] {
        desk.host(&format!("import {} --out {run}", folder.join(model).display())).well();
    }
    desk.write("bert.toml", BERT);
    desk
}

const BERT: &str = r#"
task = "classify"
[data]
train = "train.tsv"
valid = "valid.tsv"
test = "test.tsv"
[model]
init = "encoder"
[train]
max_tokens = 600
lr = 1e-3
warmup_updates = 20
max_epoch = 0
max_update = 12
log_interval = 1
"#;

/// The parameters of a run that differ from those of another or are not there.
fn changed(desk: &Desk, run: &str, other: &str) -> Vec<String> {
    let [ours, theirs] = [run, other].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    ours.keys().filter(|name| theirs.get(*name) != ours.get(*name)).cloned().collect()
}

#[test]
fn a_classifier_begins_with_an_imported_encoder_and_a_new_head() {
    let desk = desk();
    let told = desk.host("train bert.toml --out run --set train.lr=1e-30").err;
    let line = "model: begins with the weights of ";
    let line = told.lines().find(|text| text.contains(line)).unwrap();
    assert!(line.ends_with("encoder; new: head.output.bias, head.output.weight"), "{line}");
    assert_eq!(changed(&desk, "run", "encoder"), ["head.output.bias", "head.output.weight"]);
    let run = config::load_with(&desk.path("run/config.toml"), [], &[]).unwrap();
    let theirs = config::load_with(&desk.path("encoder/config.toml"), [], &[]).unwrap();
    let init = desk.path("encoder").canonicalize().unwrap();
    assert_eq!(run.model.init.as_ref().map(|init| init.canonicalize().unwrap()), Some(init));
    let sizes = |run: &config::RunConfig| {
        let model = &run.model;
        (model.d_model, model.ffn_dim, model.encoder_layers, model.max_positions, model.dropout)
    };
    assert_eq!(sizes(&run), sizes(&theirs));
    let fingerprint = Saved::load(&desk.path("encoder/best.safetensors")).unwrap().fingerprint();
    let begun: Value = serde_json::from_str(desk.read("run/provenance.jsonl").trim()).unwrap();
    assert_eq!(begun["start"], fingerprint);
}

#[test]
fn a_head_stays_where_the_labels_are_the_same() {
    let desk = desk();
    let still = "--set train.lr=1e-30 --quiet";
    desk.host(&format!("train bert.toml --out one {still}")).well();
    desk.host(&format!("train bert.toml --out two {still} --set model.init=one")).well();
    assert_eq!(changed(&desk, "two", "one"), [""; 0]);
    // Three labels of other names, then as many labels of other names as there are.
    let head = ["head.output.bias", "head.output.weight"];
    desk.host(&format!("train bert.toml --out three {still} --set model.init=classifier")).well();
    assert_eq!(changed(&desk, "three", "classifier"), head);
    for split in ["train.tsv", "valid.tsv", "test.tsv"] {
        desk.write(split, desk.read(split).replace("PlayMusic\t", "AAA\t"));
    }
    let other = "--set model.init=one --set train.seed=2";
    desk.host(&format!("train bert.toml --out four {still} {other}")).well();
    assert_eq!(changed(&desk, "four", "one"), head);
    assert_eq!(desk.tensors("four/best.safetensors")[head[0]].0, [7]);
}

/// An epoch is one batch here: a fourth update has the loss of the first one after three.
#[test]
fn the_first_loss_is_that_of_the_runs_weights() {
    let desk = desk();
    let still =
        "--set model.dropout=0 --set model.attention_dropout=0 --set train.warmup_updates=1";
    let whole = "--set train.max_tokens=200000 --set train.validate_interval=100 --quiet";
    let train = |run: &str, updates: usize, init: &str| {
        let sets = format!("--set train.max_update={updates} --set model.init={init}");
        desk.host(&format!("train bert.toml --out {run} {still} {whole} {sets}")).well();
        desk.log(run)
    };
    let losses = train("four", 4, "encoder");
    train("three", 3, "encoder");
    assert!(losses[3]["nll"].is_number() && losses[3]["nll"] != losses[0]["nll"]);
    assert_eq!(train("after", 1, "three")[0]["nll"], losses[3]["nll"]);
}

#[test]
fn a_begun_run_has_no_need_of_the_other() {
    let desk = desk();
    let line = "train bert.toml --quiet --data data";
    desk.host(&format!("{line} --out whole")).well();
    desk.host(&format!("{line} --out cut --set train.max_update=7")).well();
    fs::rename(desk.path("encoder"), desk.path("away")).unwrap();
    desk.host(&format!("{line} --out cut --resume")).well();
    trained_alike(&desk, "whole", "cut");
    desk.host("predict cut --input test.tsv --quiet").well();
    desk.refused("train bert.toml --out new", 2, &["encoder is no run"]);
}

#[test]
fn a_teacher_and_its_student_begin_with_runs() {
    let desk = desk();
    let teacher =
        "[distill]\npreset = \"rows\"\nbaseline = true\n[teacher.model]\ninit = \"encoder\"\n";
    let own = "d_model = 16\nffn_dim = 32\nencoder_layers = 1\nencoder_attention_heads = 2";
    let small = BERT.replace("init = \"encoder\"", own);
    desk.write("small.toml", format!("{small}{teacher}"));
    desk.host("distill small.toml --out small --quiet").well();
    desk.host("train bert.toml --out alone --quiet").well();
    let [by_itself, in_distill] =
        ["alone", "small/teacher"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(by_itself == in_distill);
    assert_eq!(desk.read("small/tokenizer.json"), desk.read("alone/tokenizer.json"));
    fs::rename(desk.path("encoder"), desk.path("away")).unwrap();
    desk.host("distill small.toml --out small --quiet --resume").well();
    fs::rename(desk.path("away"), desk.path("encoder")).unwrap();
    // The student of a given teacher begins with the encoder; so does the student alone.
    desk.write("both.toml", format!("{BERT}[distill]\npreset = \"rows\"\nbaseline = true\n"));
    let told = desk.host("distill both.toml --out both --teacher alone").err;
    let begins = told.lines().filter(|line| line.contains(": begins with the weights of "));
    assert_eq!(begins.count(), 2, "{told}");
}

#[test]
fn a_translator_goes_on_from_another_run() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --quiet --set model.init=full --set train.lr=1e-30 --data data";
    desk.host(&format!("{line} --out same")).well();
    let kept = |(name, _): &(&String, _)| !a2d_host::run::model::is_auxiliary(name);
    let [ours, theirs] =
        ["same", "full"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(ours.iter().eq(theirs.iter().filter(kept)));
    // Other text is cut by the vocabulary of the run.
    let sizes = "model.d_model=16";
    let other = "--set data.train=valid --set data.valid=test --out other";
    desk.host(&format!("train tiny.toml --quiet --set model.init=full --set {sizes} {other}"))
        .well();
    assert_eq!(desk.read("other/tokenizer.json"), desk.read("full/tokenizer.json"));
}

#[test]
fn what_contradicts_the_run_is_refused_in_one_line() {
    let desk = desk();
    let line = "train bert.toml --out new";
    let refused =
        |set: &str, texts: &[&str]| desk.refused(&format!("{line} --set {set}"), 2, texts);
    refused(
        "model.d_model=64",
        &["--set model.d_model=64: `model.d_model` is 64", "encoder", "has 32"],
    );
    refused("data.vocab_size=300", &["`data.vocab_size` is 300", "has 100"]);
    refused("model.activation=relu", &["`model.activation` is \"relu\"", "has \"gelu\""]);
    refused("model.init=nowhere", &["nowhere is no run"]);
    desk.host(
        "train intents.toml --out other --quiet --set train.max_update=2 --set data.max_length=40",
    )
    .well();
    let data = format!("{line} --data other/data");
    desk.refused(&data, 2, &["other/data", "vocabulary"]);
    let plain = "train plain.toml --out new --data other/data";
    desk.write(
        "plain.toml",
        BERT.replace("train = \"train.tsv\"\nvalid = \"valid.tsv\"\ntest = \"test.tsv\"", ""),
    );
    desk.refused(plain, 2, &["another vocabulary", "prepare --like"]);
    desk.host("train bert.toml --out cut --quiet --set train.max_update=3").well();
    unfinish(&desk, "cut");
    refused("model.init=cut", &["cut", "is not finished"]);
    let teacher = "distill bert.toml --teacher other --out new";
    desk.refused(teacher, 2, &["the teacher", "is another than that of the run of `model.init`"]);
    let twice = "distill bert.toml --out new --set distill.init_from_teacher=first";
    desk.refused(twice, 2, &["`distill.init_from_teacher`", "`model.init`"]);
    assert!(!desk.path("new").join("last.safetensors").exists());
}

/// Makes a finished run one that was interrupted.
fn unfinish(desk: &Desk, run: &str) {
    let path = desk.path(run).join("last.safetensors");
    let Saved { tensors, mut metadata, .. } = Saved::load(&path).unwrap();
    let progress = metadata["progress"].replace("\"finished\":true", "\"finished\":false");
    metadata.insert("progress".to_owned(), progress);
    let tensors =
        tensors.iter().map(|(name, (shape, data))| (name.clone(), shape.clone(), &data[..]));
    a2d_host::run::checkpoint::save(&path, tensors, &metadata).unwrap();
}
