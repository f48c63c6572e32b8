//! Packages of Argos Translate.

use crate::made::{self, misuse};
use a2d_interop::argos::{self, Language, Options};
use a2d_interop::ct2::{self, Quantization};
use a2d_interop::model::{Imported, Portable};
use a2d_tests::helpers::tensor_files::unpacked;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

fn options() -> Options {
    let language = |code: &str, name: &str| Language { code: code.into(), name: name.into() };
    Options {
        quantization: Quantization::Int8,
        source: language("de", "German"),
        target: language("en", "English"),
        version: "1.2".into(),
    }
}

/// A model with one SentencePiece model.
fn joint() -> Imported {
    let mut model = made::marian(|_| ());
    model.sentencepiece.target = model.sentencepiece.source.clone();
    model
}

#[test]
fn a_package_is_a_folder_of_three_parts() {
    let (model, folder) = (joint(), TempDir::new().unwrap());
    let path = folder.path().join("de_en.argosmodel");
    argos::write(&model.portable(), &path, &options()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let files: BTreeMap<_, _> = unpacked(&bytes).into_iter().collect();
    let at = |name: &str| &files[&format!("translate-de_en-1_2/{name}")];
    let json = |name: &str| serde_json::from_slice::<Value>(at(name)).unwrap();
    let described = json("metadata.json");
    for (key, value) in [
        ("from_code", "de"),
        ("from_name", "German"),
        ("to_code", "en"),
        ("package_version", "1.2"),
    ] {
        assert_eq!(described[key], value, "{key}");
    }
    assert_eq!(at("sentencepiece.model"), b"source");
    // Argos gives no `</s>`: CTranslate2 adds it.
    assert_eq!(json("model/config.json")["add_source_eos"], true);
    assert_eq!(json("model/shared_vocabulary.json"), json!(made::pieces(20)[2..]));
    let how = ct2::Options {
        quantization: Quantization::Int8,
        add_source_eos: true,
        ..ct2::Options::default()
    };
    ct2::write(&model.portable(), &folder.path().join("ct2"), &how).unwrap();
    assert_eq!(*at("model/model.bin"), fs::read(folder.path().join("ct2/model.bin")).unwrap());
    // Equal models give equal packages.
    argos::write(&model.portable(), &path, &options()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_argos_cannot_read_is_refused() {
    let (two, one, folder) = (made::marian(|_| ()), joint(), TempDir::new().unwrap());
    let path = folder.path().join("package");
    let refused = |model: &Portable<'_>, options: &Options, expected: &str| {
        let text = misuse(argos::write(model, &path, options).unwrap_err());
        assert!(text.contains(expected) && !path.exists(), "{expected}: {text}");
    };
    refused(&two.portable(), &options(), "this model has two");
    refused(
        &Portable { sentencepiece: None, ..one.portable() },
        &options(),
        "a tokenizer of its own",
    );
    for code in ["", "../de", "d e", ".de", "dé"] {
        let source = Language { code: code.into(), name: "German".into() };
        refused(&one.portable(), &Options { source, ..options() }, "no language code");
    }
}
