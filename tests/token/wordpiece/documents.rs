//! WordPiece vocabularies as files: what is read, kept and refused.

use super::{FOLDER, letters, small, texts};
use a2d_host::data::vocab::wordpiece::{Model, Rules};
use a2d_host::data::vocab::{Sizes, Vocab};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;

const RULES: Rules = Rules { lowercase: true, strip_accents: true, ideographs: true };

#[test]
fn the_document_gives_the_same_vocabulary() {
    let vocab = Vocab::wordpiece(&small()).unwrap();
    let again = Vocab::from_bytes(&vocab.to_bytes()).unwrap();
    assert_eq!(again.sizes(), Sizes::joint(100));
    assert_eq!(again.fingerprint(), vocab.fingerprint());
    assert_eq!(again.source().tables().unwrap(), vocab.source().tables().unwrap());
    // Other libraries that read it have these ids.
    let document: Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
    for id in 0..100 {
        assert_eq!(document["model"]["vocab"][vocab.source().piece(id).unwrap()], id);
    }
    // With labels in place of target subwords too.
    let labelled = again.with_labels(["no", "yes"].map(String::from).into()).unwrap();
    let labelled = Vocab::from_bytes(&labelled.to_bytes()).unwrap();
    assert_eq!(labelled.sizes(), Sizes { source: 100, target: 2 });
    assert_eq!(labelled.source().tables().unwrap(), vocab.source().tables().unwrap());
    // A document with other ids gives the same tables.
    let foreign =
        Vocab::from_bytes(&fs::read(format!("{FOLDER}/tokenizer.json")).unwrap()).unwrap();
    assert_eq!(foreign.source().tables().unwrap(), vocab.source().tables().unwrap());
}

#[test]
fn rows_are_those_of_the_file() {
    let model = small();
    let rows = model.rows();
    assert_eq!(rows[..6], [2, 0, 3, 1, 4, 5]);
    assert_eq!(rows.iter().collect::<HashSet<_>>().len(), 100);
    let vocab = Vocab::wordpiece(&model).unwrap();
    for (id, row) in (0..).zip(&rows) {
        assert_eq!(vocab.source().piece(id), Some(model.pieces[*row].as_str()));
    }
}

/// The error of the small model's document after a change.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let bytes = fs::read(format!("{FOLDER}/tokenizer.json")).unwrap();
    let mut document = serde_json::from_slice(&bytes).unwrap();
    change(&mut document);
    let error = Model::from_json(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    for (key, value) in [
        ("/model/type", json!("BPE")),
        ("/model/unk_token", json!("<unk>")),
        ("/model/continuing_subword_prefix", json!("@@")),
        ("/normalizer/type", json!("NFC")),
        ("/normalizer/clean_text", json!(false)),
        ("/pre_tokenizer/type", json!("Whitespace")),
        ("/post_processor/type", json!("RobertaProcessing")),
        ("/post_processor/single/0/SpecialToken/id", json!("[SEP]")),
        ("/added_tokens/4/lstrip", json!(true)),
        ("/added_tokens/4/special", json!(false)),
        ("/added_tokens/4/normalized", json!(true)),
    ] {
        let said = refused(|document| *document.pointer_mut(key).unwrap() = value.clone());
        let name = key.rsplit('/').next().unwrap();
        let name = if key.starts_with("/post_processor") { "post_processor" } else { name };
        assert!(said.contains(name) && said.contains("only"), "{key}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
    let said = refused(|document| document["normalizer"] = Value::Null);
    assert!(said.contains("`normalizer.type` is null"), "{said}");
    let said = refused(|document| document["model"]["vocab"]["you"] = json!(100));
    assert!(said.contains("no gap"), "{said}");
    let said = refused(|document| document["model"]["vocab"]["you"] = json!(7));
    assert!(said.contains("the same id, 7"), "{said}");
    let said = refused(|document| document["model"] = json!({"type": "WordPiece"}));
    assert!(said.contains("unk_token"), "{said}");
    let said = Model::from_json(b"[CLS]").unwrap_err().to_string();
    assert!(said.contains("not a tokenizer.json"), "{said}");
}

#[test]
fn a_list_of_words_is_checked() {
    let whole = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";
    let model = Model::from_lines(whole, RULES).unwrap();
    assert_eq!((model.pieces.len(), model.special.len()), (6, 4));
    assert_eq!(Model::from_lines(&whole.replace('\n', "\r\n"), RULES).unwrap(), model);
    for (text, said) in [
        (whole.replace("a\n", "\n"), "line 5: an empty token"),
        (whole.replace("a\n", "a\na\n"), "line 6: the token \"a\" is there twice"),
        (whole.replace("[CLS]", "<s>"), "no token [CLS]"),
        (String::new(), "line 1: an empty token"),
    ] {
        let error = Model::from_lines(&text, RULES).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_a_device_cannot_do_is_refused() {
    let mut model = small();
    model.pieces.extend((0..65_500).map(|n| format!("word{n}")));
    let said = Vocab::wordpiece(&model).err().unwrap().to_string();
    assert!(said.contains("65600 tokens, more than 65535"), "{said}");
    // Marks of two classes would have to be sorted, unless accents stay as they are written.
    let mut model = small();
    model.pieces.extend(["##\u{302e}", "##\u{1d165}"].map(String::from));
    let said = Vocab::wordpiece(&model).err().unwrap().to_string();
    assert!(said.contains("U+1D165, U+302E"), "{said}");
    model.rules.strip_accents = false;
    assert!(Vocab::wordpiece(&model).is_ok());
}

#[test]
fn a_trimmed_vocabulary_cuts_the_text_as_before() {
    let mut model = letters(RULES);
    model.pieces.extend(["##nein", "unused", "##unused", "[unused0]"].map(String::from));
    let used = HashSet::from(["the", "##ein", "grosse"]);
    let rows = model.needed(&used);
    let kept = model.keep(&rows);
    let lost = model.pieces.iter().filter(|text| !kept.pieces.contains(text)).count();
    assert_eq!((lost, rows.len()), (6, model.pieces.len() - 6)); // "größe" and "##re" too
    assert!(rows.is_sorted() && kept.special == model.special);
    let [whole, trimmed] = [&model, &kept].map(|model| Vocab::wordpiece(model).unwrap());
    let texts = texts(&model, 500);
    let mut alike = 0;
    for text in &texts {
        let names = |vocab: &Vocab| -> Vec<String> {
            let ids = vocab.source().encode(text).unwrap();
            ids.iter().map(|id| vocab.source().piece(*id).unwrap().to_owned()).collect()
        };
        let was = names(&whole);
        if was.iter().all(|name| kept.pieces.contains(name)) {
            assert_eq!(names(&trimmed), was, "{text:?}");
            alike += 1;
        }
    }
    assert!(alike > 400, "{alike}");
}
