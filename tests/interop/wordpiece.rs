//! WordPiece vocabularies: folders with `expected.json` whose `tokenization` has the ids of lines, by `model/tokenizer.json`
//! and `model/vocab.txt` beside it; `scalars.json` has digests of the words of every character.

use crate::folders::{self, label};
use crate::values::{ids, json, rows, text};
use a2d_core::token::wordpiece::WordPiece;
use a2d_host::data::vocab::wordpiece::{Model, Rules};
use a2d_host::data::vocab::{BOS, EOS, Vocab};
use a2d_tests::helpers::words;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// A model by each file that holds it.
fn models(folder: &Path) -> [Model; 2] {
    let rules = Rules { lowercase: true, strip_accents: true, ideographs: true };
    let document = fs::read(folder.join("tokenizer.json")).unwrap();
    let lines = fs::read_to_string(folder.join("vocab.txt")).unwrap();
    [Model::from_json(&document).unwrap(), Model::from_lines(&lines, rules).unwrap()]
}

#[test]
fn every_line_has_the_tokens_of_bert() {
    let found = folders::expected(|value| value["tokenization"].is_array());
    let found = found.iter().filter(|(folder, _)| folder.join("model/vocab.txt").is_file());
    let mut lines = 0;
    for (folder, expected) in found {
        let [model, by_lines] = models(&folder.join("model"));
        assert_eq!(model, by_lines, "{}", label(folder));
        let (vocab, own) = (Vocab::wordpiece(&model).unwrap(), model.rows());
        let tables = vocab.source().tables().unwrap();
        let device = WordPiece::new(&tables).unwrap();
        for case in rows(expected, "tokenization") {
            let line = text(case, "text");
            let framed = [vec![BOS], vocab.source().encode(line).unwrap(), vec![EOS]].concat();
            let found: Vec<usize> = framed.iter().map(|id| own[*id as usize]).collect();
            assert_eq!(found, ids(&case["ids"]), "{}: {line:?}", label(folder));
            let mut out = vec![0; device.room(line.len())];
            let len = device.encode(line, &mut out).unwrap();
            assert_eq!(out[..len], framed[1..framed.len() - 1], "{}: {line:?}", label(folder));
            lines += 1;
        }
    }
    assert!(lines >= 281, "{lines} lines");
}

/// What the tests of the tables compare with is right itself.
#[test]
fn the_words_of_every_character_are_those_of_bert() {
    let path = a2d_tests::helpers::interop::fixtures().join("bert/scalars.json");
    for case in rows(&json(&path), "cases") {
        let is_set = |key: &str| case[key].as_bool().unwrap();
        let rules = Rules {
            lowercase: is_set("lowercase"),
            strip_accents: is_set("strip_accents"),
            ideographs: is_set("ideographs"),
        };
        let last = char::from_u32(case["last"].as_u64().unwrap() as u32).unwrap();
        let mut hash = Sha256::new();
        for c in '\0'..=last {
            let words = words::words(&format!("a{c}b"), rules);
            hash.update(
                words.iter().map(|word| format!("{word}\u{1f}")).collect::<String>() + "\n",
            );
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, text(case, "sha256"), "{rules:?}");
    }
}
