//! Data with a given vocabulary: SentencePiece models, or that of a run.

use crate::desk::Desk;
use std::fs;
use std::path::Path;

const PREPARE: &str = "prepare --source-lang de --target-lang en --train train --valid valid --test test --max-length 40";

/// A desk with SentencePiece models and a configuration that names `list`.
fn desk(list: &str) -> Desk {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/interop/sentencepiece");
    for (name, to) in [("uni_nmt", "source"), ("bpe_cf", "target"), ("bpe_bytes", "both")] {
        fs::copy(folder.join(format!("{name}.model")), desk.path(&format!("{to}.spm"))).unwrap();
    }
    let tiny = desk.read("tiny.toml").replace("vocab_size = 300", &format!("tokenizer = [{list}]"));
    desk.write("tiny.toml", tiny);
    desk
}

/// Distils with the models of `list`, and does with the student what is done with one.
fn whole_way(list: &str, size: &str) {
    let desk = desk(list);
    let flag = list.replace([' ', '\''], "");
    let told = desk.host(&format!("{PREPARE} --tokenizer {flag} --out data")).well();
    assert!(told.contains(&format!("vocabulary: {size} tokens")), "{told}");
    let line = "distill tiny.toml --set train.max_update=8 --set teacher.train.max_update=8";
    desk.host(&format!("{line} --out run --quiet")).well();
    for name in ["tokenizer.json", "train.bin", "valid.bin"] {
        let [by_key, by_flag] =
            ["run/data", "data"].map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(by_key == by_flag, "{name}");
    }
    assert_eq!(desk.read("run/tokenizer.json"), desk.read("data/tokenizer.json"));
    // Prepared data are taken with the key and without it.
    desk.host(&format!("{line} --data data --out keyed --quiet")).well();
    desk.host(&format!("{line} --data data --out bare --quiet --set data.tokenizer=[]")).well();
    let [run, keyed, bare] =
        ["run", "keyed", "bare"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(run == keyed && run == bare);
    desk.host(&format!("{line} --out run --resume --quiet")).well();

    let said = desk.host("translate run --input test.de").well();
    assert_eq!(said.lines().count(), 20);
    desk.host("evaluate run --source test.de --reference test.en").well();
    for format in ["f32", "int8"] {
        desk.host(&format!("export run --quantize {format} --out run.a2d")).well();
        let by_image = desk.host("translate run.a2d --input test.de").well();
        assert_eq!(by_image.lines().count(), 20);
        // After 8 updates some tokens are equally likely, and rounding chooses.
        let alike = said.lines().zip(by_image.lines()).filter(|(run, image)| run == image);
        assert!(alike.count() >= 15, "{format}: {said}\n{by_image}");
    }
}

#[test]
fn a_model_for_each_language_is_the_vocabulary() {
    whole_way("'source.spm', 'target.spm'", "2459");
}

#[test]
fn a_model_for_both_languages_is_the_vocabulary() {
    whole_way("'both.spm'", "4001");
}

#[test]
fn other_models_than_those_of_the_data_are_noticed() {
    let desk = desk("'source.spm', 'target.spm'");
    let line = "train tiny.toml --data data --out run";
    desk.host(&format!("{PREPARE} --tokenizer both.spm --out data")).well();
    desk.refused(line, 2, &["both.spm, `data.tokenizer` names ", "source.spm", "change the key"]);
    desk.host(&format!("{PREPARE} --vocab-size 300 --out data")).well();
    desk.refused(line, 2, &["data: it was prepared with a vocabulary of its own"]);
    desk.host(&format!("{PREPARE} --tokenizer source.spm,target.spm --out data")).well();
    fs::copy(desk.path("both.spm"), desk.path("target.spm")).unwrap();
    desk.refused(
        line,
        2,
        &["data: the model of `data.tokenizer`", "target.spm, has changed since"],
    );
    assert!(!desk.path("run").exists());
    // Prepared data travel without text and models.
    for name in ["source.spm", "target.spm"] {
        fs::remove_file(desk.path(name)).unwrap();
    }
    desk.host(&format!("{line} --quiet")).well();
}

#[test]
fn a_vocabulary_is_given_once() {
    let desk = desk("'source.spm'");
    for (wrong, says) in [
        ("--tokenizer source.spm --vocab-size 300", "--vocab-size"),
        ("--tokenizer source.spm --normalization nfc", "--normalization"),
        ("--tokenizer source.spm --protect %s", "--protect"),
        ("--tokenizer source.spm --vocab tokenizer.json", "--vocab"),
        ("--tokenizer source.spm --like run", "--like"),
        ("--like run --vocab tokenizer.json", "--vocab"),
        ("--like run --vocab-size 300", "--vocab-size"),
        ("--tokenizer source.spm,target.spm,both.spm", "names 3 models, expected one"),
        ("--tokenizer none.spm", "cannot read none.spm"),
        ("--tokenizer source.spm,train.de", "train.de: not a SentencePiece model"),
        ("--like none", "none is no run"),
    ] {
        desk.refused(&format!("{PREPARE} {wrong} --out new"), 2, &[says]);
    }
    for (key, says) in [
        ("data.vocab_size=300", "`data.vocab_size` has no effect with `data.tokenizer`"),
        ("data.normalization=none", "`data.normalization` has no effect"),
        ("data.protect=['%s']", "`data.protect` has no effect"),
        ("data.tokenizer=['none.spm']", "cannot read"),
    ] {
        desk.refused(&format!("train tiny.toml --out new --set {key}"), 2, &[says]);
    }
    assert!(!desk.path("new").join("data.json").exists());
}

#[test]
fn data_can_be_prepared_like_a_run() {
    let desk = Desk::with_run();
    desk.host(&format!("{PREPARE} --like full --out like")).well();
    desk.host(&format!("{PREPARE} --vocab full/tokenizer.json --out vocab")).well();
    for name in ["tokenizer.json", "train.bin", "data.json"] {
        let [like, vocab] =
            ["like", "vocab"].map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(like == vocab, "{name}");
    }
    assert_eq!(desk.read("like/tokenizer.json"), desk.read("full/tokenizer.json"));
}
