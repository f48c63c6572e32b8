//! Tokens and texts of `expected.json`: the lists `source`, `target`, `decode`, and `NAME`, `NAME_target` of `tokenizer-NAME`.

use super::cases::{self, Case, Named};
use super::model::{texts, tokens};
use crate::values::{ids, line, rows, text};
use a2d_core::config::token::EOS;
use a2d_host::data::vocab::spm::{Convention, Side};
use a2d_host::data::vocab::{Subwords, Vocab};
use serde_json::Value;
use std::fs;

fn mapped(of: &[u32], list: &Value) -> Vec<u32> {
    ids(list).into_iter().map(|id| of[id]).collect()
}

/// The tokens of each line of a list; returns their number.
fn check_lines(place: &str, side: &dyn Subwords, of: &[u32], rows: &[Value]) -> usize {
    for row in rows {
        let mut found = side.encode(text(row, "text")).unwrap();
        found.push(EOS);
        assert_eq!(found, mapped(of, &row["ids"]), "{place}: {}", row["text"]);
    }
    rows.len()
}

#[test]
fn every_line_has_the_tokens_of_transformers() {
    let mut checked = 0;
    for Case { expected, models, .. } in cases::all() {
        for named in models {
            let (marian, end) = (&named.marian, named.list_end());
            let sides = marian.vocab.sides().into_iter().zip([&marian.source, &marian.target]);
            for ((side, of), list) in sides.zip(["source", "target"]) {
                checked +=
                    check_lines(&marian.name, side, of, rows(expected, &format!("{list}{end}")));
            }
            check_truncated(named, &expected[format!("truncated{end}")]);
        }
    }
    assert!(checked > 0 || cases::all().is_empty(), "no lines");
}

/// A text that is too long keeps its first tokens, and the end.
fn check_truncated(Named { marian, .. }: &Named, truncated: &Value) {
    for (key, list) in truncated.as_object().into_iter().flatten() {
        let Some(most) = key.strip_prefix("ids_") else { continue };
        let most: usize = most.parse().unwrap();
        let mut found = marian.vocab.source().encode(text(truncated, "text")).unwrap();
        found.truncate(most - 1);
        found.push(EOS);
        assert_eq!(found, mapped(&marian.source, list), "{}: {key}", marian.name);
    }
}

#[test]
fn every_list_of_ids_has_the_text_of_transformers() {
    for Case { expected, models, .. } in cases::all() {
        for named in models {
            let list = rows(expected, &format!("decode{}", named.list_end()));
            if list.is_empty() || !named.marian.has_own_padding() {
                continue;
            }
            let marian = &named.marian;
            for row in list {
                let found = mapped(&marian.target, &row["ids"]);
                // transformers decodes by the source's model, unless told otherwise.
                for (side, key) in [("source", "text"), ("target", "target_spm")] {
                    let Some(expected) = row[key].as_str() else { continue };
                    let side = if side == "source" {
                        marian.vocab.source()
                    } else {
                        marian.vocab.target()
                    };
                    assert_eq!(
                        side.decode(&found).unwrap(),
                        line(expected),
                        "{}: {row}",
                        marian.name
                    );
                }
            }
        }
    }
}

#[test]
fn every_line_of_a_tokenizer_has_the_tokens_of_transformers() {
    for Case { folder, expected, .. } in cases::all() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let Some(name) = name.strip_prefix("tokenizer-") else { continue };
            let texts = texts(&path.join("vocab.json"));
            let (vocab, of) = tokenizer(&path, &texts);
            let lists = [name.to_owned(), format!("{name}_target")];
            let checked = vocab.sides().into_iter().zip(lists).map(|(side, list)| {
                check_lines(&format!("{} {list}", path.display()), side, &of, rows(expected, &list))
            });
            assert_ne!(checked.sum::<usize>(), 0, "{}", path.display());
        }
    }
}

/// The vocabulary of a folder without a model.
fn tokenizer(path: &std::path::Path, texts: &[String]) -> (Vocab, Vec<u32>) {
    let mut pieces: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].map(String::from).to_vec();
    let others: Vec<_> = texts.iter().filter(|text| !pieces.contains(text)).cloned().collect();
    pieces.extend(others);
    let of = tokens(texts, &pieces);
    let side = |name| Side { model: fs::read(path.join(name)).unwrap(), pieces: pieces.clone() };
    let [source, target] = ["source.spm", "target.spm"].map(side);
    (Vocab::sentencepiece(source, target, Convention::Marian).unwrap(), of)
}
