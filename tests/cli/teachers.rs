//! Teachers of `a2d distill` whose vocabulary is of SentencePiece models.

use crate::desk::{Desk, send};
use a2d_host::system::text::read_lines;
use a2d_tests::helpers::interop;
use serde_json::Value;
use std::fs;

/// The model of `fixtures/interop/marian`.
fn model() -> String {
    interop::fixtures().join("marian").display().to_string()
}

const START: &str = "--set model.decoder_start=bos";

#[test]
fn a_model_of_another_toolkit_teaches() {
    let desk = Desk::new();
    let line = format!("distill tiny.toml --teacher {} {START}", model());
    let without = line.replace(START, "");
    desk.refused(&format!("{without} --out run"), 2, &["set `model.decoder_start` to \"bos\""]);
    let protect = format!("{line} --set data.protect=['%s']");
    desk.refused(&format!("{protect} --out never"), 2, &["whose own symbols apply"]);
    assert!(!desk.path("run").exists());

    desk.host(&format!("{line} --out run --quiet")).well();
    desk.host(&format!("import {} --out teacher", model())).well();
    for name in ["tokenizer.json", "best.safetensors", "config.toml"] {
        let [own, by_hand] = ["run/teacher-imported", "teacher"]
            .map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(own == by_hand, "{name}");
    }
    assert_eq!(desk.read("run/tokenizer.json"), desk.read("teacher/tokenizer.json"));
    // The run of the model teaches the same, whatever the vocabulary of a learned one would be.
    let by_run =
        "distill tiny.toml --teacher teacher --set data.vocab_size=500 --out other --quiet";
    desk.host(&format!("{by_run} {START}")).well();
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --test test";
    desk.host(&format!("{prepare} --max-length 40 --like teacher --out data")).well();
    let by_data = "distill tiny.toml --teacher teacher --data data --out third --quiet";
    desk.host(&format!("{by_data} {START}")).well();
    let [run, other, third] =
        ["run", "other", "third"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(run == other && run == third);
    assert!(
        desk.host("evaluate run/teacher-imported --source test.de --reference test.en")
            .well()
            .contains("BLEU")
    );
    assert!(desk.host("report run --out report.html").well().is_empty());

    // It goes on, by its own configuration too.
    desk.host(&format!("{line} --out run --resume --quiet --set train.max_update=30")).well();
    let own = "distill run/config.toml --out run --resume --quiet --set train.max_update=32";
    desk.host(own).well();
    assert_eq!(desk.log("run").last().unwrap()["update"], 32);
}

#[test]
fn an_interrupted_import_is_begun_again() {
    let desk = Desk::new();
    let line = format!("distill tiny.toml --teacher {} {START} --out run", model());
    let whole = format!("{} --quiet", line.replace("--out run", "--out whole"));
    desk.host(&whole).well();
    fs::create_dir_all(desk.path("run/teacher-imported")).unwrap();
    desk.write("run/teacher-imported/best.safetensors", "half");
    let done = desk.meanwhile(&line, "epoch 1", |child| send("-KILL", child));
    assert_eq!(done.code, None);
    desk.host(&format!("{line} --resume --quiet")).well();
    let [cut, whole] = ["run", "whole"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(cut == whole);
}

#[test]
fn another_model_than_the_imported_one_is_refused() {
    let desk = Desk::new();
    desk.write("text.de", "Ich bin müde.\n");
    let trim = format!("import {} --trim-vocab text.de text.de --out", model());
    desk.host(&format!("{trim} run/teacher-imported")).well();
    let line = format!("distill tiny.toml --teacher {} {START} --out run", model());
    desk.refused(&line, 2, &["teacher-imported holds another model than", "another folder"]);
}

#[test]
fn a_teacher_is_trimmed_by_the_training_text() {
    let desk = Desk::new();
    let line = format!("distill tiny.toml --teacher {} {START} --trim-vocab --out run", model());
    desk.host(&format!("{line} --quiet")).well();
    desk.host(&format!("import {} --out teacher --trim-vocab train.de train.en", model())).well();
    for name in ["tokenizer.json", "best.safetensors", "untrimmed.json"] {
        let [own, by_hand] = ["run/teacher-imported", "teacher"]
            .map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(own == by_hand, "{name}");
    }
    assert_eq!(desk.read("run/tokenizer.json"), desk.read("teacher/tokenizer.json"));
    desk.host(&format!("{line} --resume --quiet --set train.max_update=26")).well();
    desk.host("distill run/config.toml --out run --resume --quiet --set train.max_update=28")
        .well();
    let whole = format!("{} --resume", line.replace("--trim-vocab", ""));
    desk.refused(&whole, 2, &["teacher-imported holds another model than", "another folder"]);

    desk.host("report run --out report.html").well();
    let page = desk.read("report.html");
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    for (run, parameters) in data["runs"].as_array().unwrap().iter().zip([None, Some(95_729)]) {
        let trimmed = &run["trimmed"];
        assert_eq!(trimmed["tokens"][0], serde_json::json!([2001]), "{trimmed}");
        let [before, after] = [0, 1].map(|i| trimmed["parameters"][i].as_u64().unwrap());
        assert!(after < before && parameters.is_none_or(|count| count == before), "{trimmed}");
        assert_eq!(run["facts"]["parameters"], after);
        assert_eq!(trimmed["f32"][1], 4 * after);
        let int8 = trimmed["int8"][1].as_u64().unwrap();
        assert!(int8 > after && int8 < 2 * after, "{trimmed}");
        let text = &trimmed["valid"]["source"];
        let [was, is] = [0, 1].map(|i| text["per_line"][i].as_f64().unwrap());
        assert!(text["lines"] == 20 && text["otherwise"].as_u64() < Some(20), "{trimmed}");
        assert!((text["otherwise"] == 0) == (was == is) && is >= was, "{trimmed}");
    }

    let line = "distill tiny.toml --trim-vocab --out never";
    desk.refused(line, 2, &["`teacher.trim_vocab`", "of another toolkit"]);
    let full = Desk::shared().path("full");
    desk.refused(&format!("{line} --teacher {}", full.display()), 2, &["of another toolkit"]);
    let prepared = desk.read("tiny.toml").replace("train = \"train\"\nvalid = \"valid\"\n", "");
    desk.write("tiny.toml", prepared);
    let line = format!("{line} --teacher {} --data run/data", model());
    desk.refused(&line, 2, &["name it by `data.train`"]);
}

#[test]
fn a_student_of_seq_kd_has_its_own_vocabulary() {
    let desk = Desk::new();
    let line = format!("distill tiny.toml --teacher {} --method seq-kd --out run", model());
    desk.host(&format!("{line} --quiet")).well();
    assert!(desk.path("run/teacher-imported/config.toml").is_file());
    assert!(desk.read("run/tokenizer.json") != desk.read("run/teacher-imported/tokenizer.json"));
    assert!(desk.read("run/data/data.json").contains("\"vocab_size\": 300"));
}

#[test]
fn models_of_the_data_are_those_of_the_teacher() {
    let desk = Desk::new();
    let models = interop::fixtures().join("sentencepiece");
    for name in ["uni_nmt", "bpe_cf"] {
        let file = format!("{name}.model");
        fs::copy(models.join(&file), desk.path(&file)).unwrap();
    }
    let tiny = desk.read("tiny.toml").replace("vocab_size = 300\n", "");
    desk.write("tiny.toml", tiny);
    let set = "--set data.tokenizer=['uni_nmt.model']";
    desk.host(&format!("train tiny.toml {set} --out teacher --quiet")).well();
    let line = "distill tiny.toml --teacher teacher";
    desk.host(&format!("{line} {set} --out same --quiet")).well();
    desk.host(&format!("{line} --out none --quiet")).well();
    let other = format!("{line} --set data.tokenizer=['bpe_cf.model'] --out other");
    desk.refused(
        &other,
        2,
        &["the vocabulary of `data.tokenizer`, ", "is another than that of the teacher"],
    );
    assert!(!desk.path("other").exists());
    let [same, none] = ["same", "none"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(same == none);
}

/// The trained model of the golden values.
#[test]
fn a_trained_model_teaches() {
    let Some(model) = interop::trained() else { return };
    let desk = Desk::new();
    let line = format!("distill tiny.toml --teacher {} {START}", model.display());
    let told = desk.host(&format!("{line} --out run --set train.max_update=8 --quiet")).well();
    assert!(told.contains("teacher"), "{told}");
    desk.host(&format!("import {} --out teacher", model.display())).well();
    assert_eq!(desk.read("run/tokenizer.json"), desk.read("teacher/tokenizer.json"));
    let said = desk.host("translate run/teacher-imported --input test.de").well();
    desk.write("said.en", said);
    let bleu = desk.host("score --hypothesis said.en --reference test.en --metrics bleu --json");
    let list: Value = serde_json::from_str(&bleu.well()).unwrap();
    assert!(list[0]["score"].as_f64().unwrap() > 20.0, "{list}");
    assert_eq!(read_lines(&desk.path("said.en")).unwrap().len(), 20);
}
