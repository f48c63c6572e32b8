//! SentencePiece vocabularies on the host: their documents, and damage.

use a2d_core::rng;
use a2d_host::data::vocab::spm::{Convention, Model, Side, joint};
use a2d_host::data::vocab::{Sizes, Vocab};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/interop/sentencepiece");

fn path(name: &str, end: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.{end}"))
}

#[test]
fn a_document_gives_the_same_vocabulary_again() {
    let [first, second] = ["uni_nmt", "bpe_bytes"].map(|name| path(name, "model"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    let text = "Ein Hund ℃ läuft.";
    let mut fingerprints = Vec::new();
    for (source, target) in [(&first, &first), (&first, &second), (&second, &first)] {
        let vocab = Vocab::from_sentencepiece_files(source, target).unwrap();
        vocab.save(&file).unwrap();
        let again = Vocab::load(&file).unwrap();
        assert_eq!(again.to_bytes(), vocab.to_bytes());
        assert_eq!(again.fingerprint(), vocab.fingerprint());
        assert_eq!(again.sizes(), Sizes::joint(vocab.source().len()));
        for (old, new) in vocab.sides().into_iter().zip(again.sides()) {
            let ids = old.encode(text).unwrap();
            assert_eq!(new.encode(text).unwrap(), ids);
            assert_eq!(new.decode(&ids).unwrap(), old.decode(&ids).unwrap());
            assert_eq!(new.tables().unwrap(), old.tables().unwrap());
        }
        let document: Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
        assert_eq!(document["target"].is_null(), source == target);
        assert!(document["target"]["pieces"].is_null(), "the pieces are joint, and stored once");
        fingerprints.push(vocab.fingerprint());
    }
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 3);
}

fn side(name: &str) -> Side {
    let model = fs::read(path(name, "model")).unwrap();
    let pieces = joint(&[Model::new(&model).unwrap()]);
    Side { model, pieces }
}

#[test]
fn separate_vocabularies_have_sizes_of_their_own() {
    let (source, target) = (side("uni_nmt"), side("bpe_cf"));
    let sizes = Sizes { source: source.pieces.len(), target: target.pieces.len() };
    assert_ne!(sizes.source, sizes.target);
    let vocab = Vocab::sentencepiece(source, target, Convention::Plain).unwrap();
    let again = Vocab::from_bytes(&vocab.to_bytes()).unwrap();
    assert_eq!([vocab.sizes(), again.sizes()], [sizes; 2]);
    assert_eq!(again.fingerprint(), vocab.fingerprint());
}

/// The message of a vocabulary that is refused after a change of its document.
fn refused(change: impl Fn(&mut Value)) -> String {
    let file = path("uni_bytes", "model");
    let vocab = Vocab::from_sentencepiece_files(&file, &file).unwrap();
    let mut document = serde_json::from_slice(&vocab.to_bytes()).unwrap();
    change(&mut document);
    let refused = Vocab::from_bytes(document.to_string().as_bytes());
    refused.err().expect("a vocabulary that cannot be used").to_string()
}

/// Damages a document.
type Change = fn(&mut Value);

#[test]
fn documents_that_cannot_be_used_are_refused_by_name() {
    let cases: [(Change, &str); 8] = [
        (|d| d["version"] = 2.into(), "version 2"),
        (|d| d["semantics"] = "other".into(), "unknown variant `other`"),
        (|d| d["more"] = 1.into(), "unknown field `more`"),
        (|d| d["source"]["model"] = "?".into(), "`source.model` is not base64"),
        (|d| d["source"]["model"] = "".into(), "source side: not a SentencePiece model"),
        (|d| d["source"]["pieces"] = Value::Null, "without `source.pieces`"),
        (|d| d["source"]["pieces"][9] = d["source"]["pieces"][8].clone(), "twice"),
        (|d| d["source"]["pieces"][9] = "".into(), "an empty piece: token 9"),
    ];
    for (change, expected) in cases {
        let message = refused(change);
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    }
    let message = refused(|d| d["source"]["pieces"][0] = "<bos>".into());
    assert!(message.contains("special tokens"), "{message}");
}

/// Whether the bytes of a `.spm` are accepted; they are then used.
fn used(model: Vec<u8>, pieces: &[String]) -> bool {
    let side = Side { model, pieces: pieces.to_vec() };
    let Ok(vocab) = Vocab::sentencepiece(side.clone(), side, Convention::Plain) else {
        return false;
    };
    let text = "Ein Hund ℃ und <mask> ...  日本語 Übermut.\u{1}é";
    let ids = vocab.source().encode(text).unwrap();
    vocab.target().decode(&ids).unwrap();
    true
}

#[test]
fn damaged_models_are_refused_or_harmless() {
    // The smallest model: 23 KB of them, and all kinds of pieces.
    let Side { model, pieces } = side("uni_bytes");
    assert!(used(model.clone(), &pieces));
    for len in (0..model.len()).step_by(211) {
        used(model[..len].to_vec(), &pieces);
    }
    let mut refused = 0;
    for round in 0..10_000_u64 {
        let at = |n: u64| (rng::derive(round, n) >> 16) as usize;
        let mut model = model.clone();
        for n in 0..1 + at(0) as u64 % 3 {
            let place = at(n + 1) % model.len();
            model[place] = at(n + 9) as u8;
        }
        refused += usize::from(!used(model, &pieces));
    }
    assert!((500..9_900).contains(&refused), "{refused}");
}
