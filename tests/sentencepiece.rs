//! SentencePiece vocabularies on the host, compared with what SentencePiece and Hugging Face's Marian tokenizer give.

use a2d_core::rng;
use a2d_host::data::vocab::spm::{Convention, Kind, Model, Side, joint};
use a2d_host::data::vocab::{Sizes, Vocab};
use a2d_tests::helpers::ties::is_cut_otherwise;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/interop/sentencepiece");
const NAMES: [&str; 4] = ["uni_nmt", "uni_bytes", "bpe_cf", "bpe_bytes"];

fn path(name: &str, end: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.{end}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn ids(list: &Value) -> impl Iterator<Item = u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32)
}

/// A decoded text is a single line: control characters become spaces.
fn line(text: &Value) -> String {
    let ends = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
    text.as_str().unwrap().replace(ends, " ")
}

/// The vocabulary of one model for both sides, and the token of each of the model's own ids.
fn of_model(name: &str) -> (Vocab, Vec<u32>) {
    let file = path(name, "model");
    let vocab = Vocab::from_sentencepiece_files(&file, &file).unwrap();
    let model = Model::new(&fs::read(file).unwrap()).unwrap();
    let size = vocab.source().len() as u32;
    let known: HashMap<&str, u32> =
        (0..size).map(|id| (vocab.source().piece(id).unwrap(), id)).collect();
    let token = |kind, text: &str| if kind == Kind::Unknown { 3 } else { known[text] };
    let tokens = model.pieces.iter().map(|piece| token(piece.kind(), &piece.text)).collect();
    (vocab, tokens)
}

#[test]
fn every_line_has_the_tokens_and_the_text_of_sentencepiece() {
    let mut others = Vec::new();
    for name in NAMES {
        let (vocab, tokens) = of_model(name);
        let values = json(&path(name, "json"));
        let cases = values["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 591);
        let of = |case: &Value| -> Vec<u32> {
            ids(&case["ids"]).map(|id| tokens[id as usize]).collect()
        };
        let lines: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
        let encoded = vocab.source().encode_batch(&lines).unwrap();
        let other: Vec<_> = cases
            .iter()
            .zip(&encoded)
            .filter(|(case, _)| !is_cut_otherwise(name, case["text"].as_str().unwrap()))
            .filter(|(case, encoded)| **encoded != of(case))
            .map(|(case, encoded)| (&case["text"], encoded))
            .collect();
        others.extend(other.iter().map(|(text, found)| format!("{name}: {text}: {found:?}")));
        for case in cases {
            let text = vocab.target().decode(&of(case)).unwrap();
            assert_eq!(text, line(&case["decoded"]), "{name}: {case}");
        }
        for (line, encoded) in lines.iter().zip(&encoded).step_by(50) {
            assert_eq!(vocab.source().encode(line).unwrap(), *encoded, "{name}: {line}");
        }
        for case in values["decode"].as_array().unwrap() {
            let text = vocab.target().decode(&of(case)).unwrap();
            assert_eq!(text, line(&case["decoded"]), "{name}: {case}");
        }
        let outside = vocab.target().decode(&[vocab.target().len() as u32]).unwrap_err();
        assert!(outside.to_string().contains("outside the vocabulary"), "{outside}");
    }
    assert!(others.is_empty(), "{} lines have other tokens: {others:#?}", others.len());
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
    let vocab = of_model("uni_bytes").0;
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

/// Marian's tokenizer: the tokens by the ids of its `vocab.json`, and the vocabulary.
fn marian(folder: &Path, models: &Path) -> (Vocab, Vec<u32>) {
    let Value::Object(map) = json(&folder.join("vocab.json")) else { panic!("no map") };
    let mut texts = vec![String::new(); map.len()];
    map.iter().for_each(|(text, id)| texts[id.as_u64().unwrap() as usize] = text.clone());
    let mut pieces: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].map(String::from).to_vec();
    let token = |text: &String| match pieces[..4].iter().position(|special| special == text) {
        Some(special) => special as u32,
        None => {
            pieces.push(text.clone());
            pieces.len() as u32 - 1
        }
    };
    let tokens = texts.iter().map(token).collect();
    let side = |name| Side { model: fs::read(models.join(name)).unwrap(), pieces: pieces.clone() };
    let sides = [side("source.spm"), side("target.spm")];
    let [source, target] = sides;
    (Vocab::sentencepiece(source, target, Convention::Marian).unwrap(), tokens)
}

/// The lines of two lists of `expected.json`, one for each side.
fn check_marian(vocab: &Vocab, tokens: &[u32], expected: &Value, lists: [&str; 2]) {
    for (side, list) in vocab.sides().into_iter().zip(lists) {
        let cases = expected[list].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let mut found = side.encode(case["text"].as_str().unwrap()).unwrap();
            found.push(2);
            let wanted: Vec<u32> = ids(&case["ids"]).map(|id| tokens[id as usize]).collect();
            assert_eq!(found, wanted, "{list}: {}", case["text"]);
        }
    }
}

#[test]
fn every_line_has_the_tokens_and_the_text_of_marian() {
    let Some(folder) = std::env::var_os("A2D_INTEROP") else {
        eprintln!("skipped: A2D_INTEROP does not name a folder of models of other toolkits");
        return;
    };
    let folder = Path::new(&folder).join("hf-marian");
    let expected = json(&folder.join("expected.json"));
    let models = folder.join("model");
    let (vocab, tokens) = marian(&models, &models);
    check_marian(&vocab, &tokens, &expected, ["source", "target"]);
    for case in expected["decode"].as_array().unwrap() {
        let ids: Vec<u32> = ids(&case["ids"]).map(|id| tokens[id as usize]).collect();
        let found = vocab.target().decode(&ids).unwrap();
        assert_eq!(found, line(&case["target_spm"]), "{case}");
    }
    let multi = folder.join("tokenizer-multi");
    let spm = if multi.join("source.spm").is_file() { &multi } else { &models };
    let (vocab, tokens) = marian(&multi, spm);
    check_marian(&vocab, &tokens, &expected, ["multi", "multi_target"]);
}
