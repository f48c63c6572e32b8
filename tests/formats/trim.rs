//! Vocabularies that are trimmed to a text.

use crate::made::misuse;
use a2d_host::data::vocab::spm::{Kind, Model, Piece, joint};
use a2d_host::data::vocab::{SPECIAL, Vocab};
use a2d_interop::Foreign;
use a2d_interop::model::{Imported, Pieces, SentencePiece};
use prost::Message;
use std::fs;
use std::path::{Path, PathBuf};

fn model(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/interop/sentencepiece");
    fs::read(folder.join(name)).unwrap()
}

fn text(split: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart").join(split)
}

fn lines(split: &str) -> Vec<String> {
    fs::read_to_string(text(split)).unwrap().lines().map(str::to_owned).collect()
}

/// A model over one joint vocabulary; row `i` of its table holds `i` everywhere.
fn imported(bytes: Vec<u8>) -> Imported {
    let pieces = joint(&[Model::new(&bytes).unwrap()]);
    let made = crate::made::marian(|_| ());
    let width = made.parameters["encoder.embed_tokens.weight"].0[1];
    let table = (0..pieces.len()).flat_map(|row| vec![row as f32; width]).collect();
    let mut parameters = made.parameters.clone();
    parameters.insert("encoder.embed_tokens.weight".into(), (vec![pieces.len(), width], table));
    let bias = (0..pieces.len()).map(|row| row as f32).collect();
    parameters.insert("decoder.output_projection.bias".into(), (vec![pieces.len()], bias));
    let both = (pieces.clone(), pieces);
    Imported {
        parameters,
        pieces: Pieces { source: both.0, target: both.1 },
        sentencepiece: SentencePiece { source: bytes.clone(), target: bytes },
        ..made
    }
}

fn trim(model: &mut Imported) {
    model.trim(&[text("valid.de"), text("valid.en")]).unwrap();
}

fn names<'v>(vocab: &'v Vocab, line: &str) -> Vec<&'v str> {
    let ids = vocab.source().encode(line).unwrap();
    ids.iter().map(|id| vocab.source().piece(*id).unwrap()).collect()
}

fn unknown(vocab: &Vocab, line: &str) -> usize {
    let ids = vocab.source().encode(line).unwrap();
    ids.iter().filter(|id| **id == a2d_core::config::token::UNK).count()
}

#[test]
fn the_text_keeps_its_tokens_and_rows() {
    for name in ["uni_nmt.model", "uni_bytes.model", "bpe_cf.model", "bpe_bytes.model"] {
        let whole = imported(model(name));
        let mut small = whole.clone();
        trim(&mut small);
        let (before, after) = (whole.vocab().unwrap(), small.vocab().unwrap());
        assert!(after.sizes().source < before.sizes().source, "{}", after.sizes());
        for line in lines("valid.de").iter().chain(&lines("valid.en")) {
            assert_eq!(names(&before, line), names(&after, line), "{name}");
        }
        // Each token has the row that it had.
        let (table, bias) = (
            &small.parameters["encoder.embed_tokens.weight"],
            &small.parameters["decoder.output_projection.bias"],
        );
        for (row, piece) in small.pieces.source.iter().enumerate() {
            let was = whole.pieces.source.iter().position(|other| other == piece).unwrap() as f32;
            assert_eq!((table.1[row * table.0[1]], bias.1[row]), (was, was), "{piece}");
        }
        assert_eq!(small.pieces.source[..4], SPECIAL);
        // Other text is cut to what is left, single characters at least.
        for line in lines("test.de") {
            assert_eq!(unknown(&before, &line), unknown(&after, &line), "{line}");
        }
        // The vocabulary from before is kept; to trim again changes nothing.
        assert_eq!(small.untrimmed.as_ref(), Some(&before.to_bytes()));
        let once = small.clone();
        trim(&mut small);
        assert!(small == once);
    }
}

#[test]
fn texts_that_are_kept_whole_stay() {
    let whole = imported(model("uni_bytes.model"));
    let mut small = whole.clone();
    trim(&mut small);
    let [before, after] = [&whole, &small].map(|model| model.vocab().unwrap());
    let line = "<mask>Hund日本語<2de>";
    assert_eq!(names(&before, line), names(&after, line));
    assert!(names(&after, line).contains(&"Hund"));
}

/// A model with more pieces.
fn with(more: Vec<(&str, f32, Kind)>) -> Vec<u8> {
    let mut model = Model::new(&model("uni_nmt.model")).unwrap();
    let piece = |(text, score, kind): (&str, f32, Kind)| Piece {
        text: text.to_owned(),
        score,
        kind: Some(kind as i32),
    };
    model.pieces.extend(more.into_iter().map(piece));
    model.encode_to_vec()
}

/// The score of unknown text depends on the lowest of all scores.
#[test]
fn a_trim_that_loses_a_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "ab\n\u{3b1}\u{3b2}\n").unwrap();
    let odd = [("\u{3b1}\u{3b2}", -1.0, Kind::Normal), ("\u{3b2}", 50.0, Kind::Normal)];
    let lowest = ("never used", -1000.0, Kind::Normal);
    let mut model = imported(with([&odd[..], &[lowest]].concat()));
    let refused = model.trim(&[text.clone(), text]).unwrap_err();
    let refused = misuse(refused);
    assert!(
        refused.contains("text:2: ") && refused.contains("loses the token \"\u{3b1}\u{3b2}\""),
        "{refused}"
    );
}

#[test]
fn a_text_that_cannot_be_read_twice_is_refused() {
    let mut model = imported(model("uni_nmt.model"));
    let refused = model.trim(&[text("valid.de"), "-".into()]).unwrap_err();
    assert!(misuse(refused).contains("not standard input"));
}
