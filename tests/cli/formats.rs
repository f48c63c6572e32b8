//! Models of other toolkits: in, and out again.

use crate::desk::Desk;
use a2d_tests::helpers::interop;
use serde_json::Value;
use std::fs;

/// The model of `fixtures/interop/marian`.
fn model() -> String {
    interop::fixtures().join("marian").display().to_string()
}

#[test]
fn a_model_comes_in_translates_and_leaves() {
    let desk = Desk::new();
    let told = desk.host(&format!("import {} --out run", model())).well();
    assert!(told.starts_with("run: 95,729 parameters\n"), "{told}");
    desk.write("text.de", "Ich bin müde.\nWo ist Tom?\n");
    let said = "I'm tired.\nWhere's Tom?\n";
    assert_eq!(desk.host("translate run --input text.de").well(), said);
    // To a device.
    desk.host("export run --quantize int8 --out run.a2d").well();
    assert_eq!(desk.host("translate run.a2d --input text.de").well(), said);
    // To Hugging Face's format and back: the same bits.
    desk.host("export run --format huggingface --out hf").well();
    desk.host("import hf --out back").well();
    assert_eq!(
        fs::read(desk.path("back/best.safetensors")).unwrap(),
        fs::read(desk.path("run/best.safetensors")).unwrap()
    );
    for name in ["config.json", "vocab.json", "source.spm", "model.safetensors"] {
        let [ours, theirs] = [desk.path("hf"), model().into()].map(|folder| folder.join(name));
        assert_eq!(fs::read(ours).unwrap(), fs::read(theirs).unwrap(), "{name}");
    }
    // To CTranslate2.
    desk.host("export run --format ctranslate2 --quantize f16 --out ct2").well();
    assert!(desk.path("ct2/model.bin").is_file() && desk.path("ct2/source.spm").is_file());
    // To Argos, which takes the languages of the run; this model names none.
    let line = "export run --format argos --out de_en.argosmodel";
    desk.refused(line, 2, &["run/config.toml", "`data.source_lang`"]);
    assert!(!desk.path("de_en.argosmodel").exists());
    let config = desk.read("run/config.toml").replace("source_lang = \"\"", "source_lang = \"de\"");
    desk.write("run/config.toml", config.replace("target_lang = \"\"", "target_lang = \"en\""));
    let told = desk.host(line).well();
    assert!(told.contains("checked: 44 tensors of 95,729 parameters"), "{told}");
    assert!(fs::read(desk.path("de_en.argosmodel")).unwrap().starts_with(b"PK"));
    // With fewer tokens.
    let trimmed =
        desk.host(&format!("import {} --out small --trim-vocab text.de text.de", model()));
    assert!(trimmed.well().contains("0 tokens of the text differ"));
    assert_eq!(desk.host("translate small --input text.de").well().lines().count(), 2);
}

#[test]
fn a_student_of_its_own_vocabulary_leaves_for_ctranslate2() {
    let desk = Desk::with_run();
    let told = desk.host("export full --format ctranslate2 --out ct2 --json").well();
    let told: Value = serde_json::from_str(&told).unwrap();
    let files: Vec<_> = told["files"].as_array().unwrap().iter().collect();
    for file in &files {
        let path = desk.path(file["path"].as_str().unwrap());
        assert_eq!(fs::metadata(path).unwrap().len(), file["bytes"], "{file}");
    }
    assert_eq!(files.len(), fs::read_dir(desk.path("ct2")).unwrap().count());
    assert!(told["tensors"].as_u64() > Some(20) && told["vocabulary"]["source"] == 300, "{told}");
    let note = told["notes"][1].as_str().unwrap();
    assert!(note.contains("tokenizer.json"), "{note}");
    assert_eq!(
        fs::read(desk.path("ct2/tokenizer.json")).unwrap(),
        fs::read(desk.path("full/tokenizer.json")).unwrap()
    );
    for (line, says) in [
        ("--format ctranslate2 --out ct2", "ct2"),
        ("--format ctranslate2 --quantize int4 --out new", "f32, f16, int16 or int8"),
        ("--format ctranslate2 --shortlist 5 --out new", "--shortlist is for images"),
        ("--format ctranslate2 --max-source 64 --out new", "--max-source is for images"),
        ("--format argos --max-bleu-drop 1 --out new", "--max-bleu-drop is for images"),
        ("--format huggingface --beam 2 --out new", "--beam is for images"),
        ("--format argos --quantize int4 --out new", "f32, f16, int16 or int8"),
        ("--format huggingface --out new", "cannot be a Hugging Face Marian model"),
        ("--format huggingface --quantize int8 --out new", "a Hugging Face folder has f32"),
        ("--format argos --out new", "tokenizer of its own"),
        ("--quantize f16 --out new", "an image has f32, int8 or int4"),
    ] {
        desk.refused(&format!("export full {line}"), 2, &[says]);
        assert!(!desk.path("new").exists(), "{line}");
    }
}

/// A model of OPUS-MT's kind that was trained; it may not be redistributed.
#[test]
fn a_trained_model_leaves_and_returns() {
    let Some(model) = interop::trained() else { return };
    let desk = Desk::new();
    desk.host(&format!("import {} --out run", model.display())).well();
    desk.host("export run --format huggingface --out hf").well();
    desk.host("import hf --out back").well();
    for name in ["best.safetensors", "tokenizer.json"] {
        let [run, back] = ["run", "back"].map(|of| fs::read(desk.path(of).join(name)).unwrap());
        assert!(run == back, "{name}");
    }
    let told = desk.host("export run --format ctranslate2 --quantize int8 --out ct2").well();
    assert!(told.contains("ct2/source.spm: ") && told.contains("an empty source"), "{told}");
}

#[test]
fn a_bert_comes_in() {
    let (desk, folder) = (Desk::new(), interop::fixtures().join("bert"));
    let [classifier, encoder] = ["classifier", "model"].map(|name| folder.join(name));
    let told = desk.host(&format!("import {} --out labels", classifier.display())).well();
    assert!(told.ends_with("a vocabulary of 100 tokens, 3 labels\n"), "{told}");
    assert!(desk.read("labels/config.toml").contains("task = \"classify\""));
    desk.write("text", "The dog runs.\n");
    let line = format!("import {} --out vectors --json --trim-vocab text", encoder.display());
    let told: Value = serde_json::from_str(&desk.host(&line).well()).unwrap();
    assert!(told["vocabulary"]["source"].as_u64().unwrap() < 100, "{told}");
    assert!(desk.read("vectors/config.toml").contains("task = \"embed\""));
    desk.refused(&format!("{line} text"), 2, &["vectors", "holds a run"]);
    let line = line.replace("--out vectors", "--out other");
    desk.refused(&format!("{line} text"), 2, &["by one text, but 2 texts are named"]);
}

#[test]
fn what_is_no_model_is_refused() {
    let desk = Desk::new();
    for name in ["empty", "bert", "t5"] {
        fs::create_dir(desk.path(name)).unwrap();
    }
    desk.write("empty/config.json", "{}");
    desk.write("bert/config.json", "{\"model_type\": \"bert\"}");
    desk.write("t5/config.json", "{\"model_type\": \"t5\"}");
    for (line, says) in [
        ("import none --out run", "none"),
        ("import empty --out run", "config.json"),
        ("import bert --out run", "bert/config.json is not usable: missing field"),
        ("import t5 --out run", "`model_type` = \"t5\": only \"bert\" and \"marian\""),
        ("import tiny.toml --out run", "no model that can be imported"),
    ] {
        desk.refused(line, 2, &[says]);
        assert!(!desk.path("run").exists(), "{line}");
    }
}
