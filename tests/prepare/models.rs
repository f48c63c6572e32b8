//! Vocabularies of given SentencePiece models.

use crate::{misuse, prepared, workshop};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::prepare::{
    Freshness, Given, PrepareRequest, run, state, texts_exist, up_to_date,
};
use a2d_host::data::vocab::Vocab;
use a2d_host::system::text::read_lines;
use std::fs;
use std::path::{Path, PathBuf};

/// A model of `fixtures/interop/sentencepiece`.
fn model(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/interop/sentencepiece");
    folder.join(format!("{name}.model"))
}

/// Why `request` finds other data.
fn other(request: &PrepareRequest) -> String {
    match state(request) {
        Freshness::Other(why) => why,
        state => panic!("{state:?}"),
    }
}

#[test]
fn text_has_the_tokens_of_its_sides_model() {
    let (folder, request) = workshop();
    for names in [&["uni_nmt", "bpe_cf"][..], &["bpe_bytes"]] {
        let paths: Vec<_> = names.iter().map(|name| model(name)).collect();
        let given = Given::models(&paths).unwrap();
        let expected = given.load().unwrap();
        let request = PrepareRequest { vocabulary: Some(given), ..request.clone() };
        let (report, told) = prepared(&request);
        assert!(told.contains("as it was given"), "{told}");
        let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
        assert_eq!(vocab.fingerprint(), expected.fingerprint());
        assert_eq!(report.vocabulary.fingerprint, expected.fingerprint());
        let corpus = Corpus::open(&request.out.join("train.bin")).unwrap();
        let [source, target] = ["de", "en"]
            .map(|lang| read_lines(&folder.path().join(format!("train.{lang}"))).unwrap());
        for i in 0..corpus.len() {
            let (from, to) = corpus.pair(i).unwrap();
            assert_eq!(
                from.strip_suffix(&[2]).unwrap(),
                vocab.source().encode(&source[i]).unwrap()
            );
            assert_eq!(to.strip_suffix(&[2]).unwrap(), vocab.target().encode(&target[i]).unwrap());
        }
    }
    assert_eq!(Given::models(&[]), None);
    assert_eq!(Given::models(&["a", "b", "c"].map(PathBuf::from)), None);
}

#[test]
fn changed_models_make_data_out_of_date() {
    let (folder, learned) = workshop();
    let path = |name: &str| folder.path().join(name);
    fs::copy(model("uni_nmt"), path("source.spm")).unwrap();
    fs::copy(model("bpe_cf"), path("target.spm")).unwrap();
    let with = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
        PrepareRequest { vocabulary: Given::models(&paths), ..learned.clone() }
    };
    let request = with(&["source.spm", "target.spm"]);
    prepared(&request);
    assert!(up_to_date(&request) && texts_exist(&request));
    assert!(other(&learned).contains("a vocabulary that was given, not one of its own"));
    let why = other(&with(&["source.spm"]));
    assert!(
        why.contains("target.spm, `data.tokenizer` names ") && why.ends_with("source.spm"),
        "{why}"
    );

    // The vocabulary that the data have, by itself.
    let of = |vocabulary: &Path| {
        let vocabulary = Some(Given::Tokenizer(vocabulary.to_owned()));
        PrepareRequest { vocabulary, ..learned.clone() }
    };
    assert!(up_to_date(&of(&request.out.join("tokenizer.json"))));
    let changed = path("other.json");
    Given::models(&[model("bpe_cf")]).unwrap().load().unwrap().save(&changed).unwrap();
    assert!(other(&of(&changed)).contains("another vocabulary than"));

    fs::copy(model("uni_bytes"), path("target.spm")).unwrap();
    let why = other(&request);
    assert!(
        why.contains("the model of `data.tokenizer`") && why.contains("target.spm, has changed"),
        "{why}"
    );
    fs::remove_file(path("target.spm")).unwrap();
    assert!(!texts_exist(&request));
    assert!(other(&request).contains("cannot read"));
    assert!(misuse(run(&request, &mut Vec::new())).contains("target.spm"));
    fs::write(path("target.spm"), "no model").unwrap();
    let why = misuse(run(&request, &mut Vec::new()));
    assert!(why.contains("target.spm: not a SentencePiece model"), "{why}");

    fs::copy(model("bpe_cf"), path("target.spm")).unwrap();
    assert!(up_to_date(&request), "a refused run leaves what was there");
    prepared(&learned);
    assert!(other(&request).contains("a vocabulary of its own, not one that was given"));
    prepared(&of(&changed));
    assert!(other(&request).contains("without the model of `data.tokenizer`"));
}
