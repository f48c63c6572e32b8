//! Vocabularies that are trimmed to a text.

use crate::made::misuse;
use a2d_host::data::vocab::spm::{Convention, Model, Side, joint};
use a2d_host::data::vocab::{SPECIAL, Vocab};
use a2d_interop::model::{Imported, Pieces, SentencePiece};
use a2d_interop::trim::Texts;
use std::fs;
use std::path::Path;

fn model(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/interop/sentencepiece");
    fs::read(folder.join(name)).unwrap()
}

fn lines(split: &str, count: usize) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart").join(split);
    fs::read_to_string(path).unwrap().lines().take(count).map(str::to_owned).collect()
}

/// A model over one joint vocabulary; row `i` of its table holds `i` everywhere.
fn imported(spm: &str) -> Imported {
    let bytes = model(spm);
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

#[test]
fn the_text_keeps_its_tokens_and_rows() {
    let whole = imported("uni_nmt.model");
    let (source, target) = (lines("valid.de", 100), lines("valid.en", 100));
    let mut small = whole.clone();
    small.trim(Texts { source: &source, target: &target }).unwrap();
    let (before, after) = (whole.vocab().unwrap(), small.vocab().unwrap());
    assert!(after.sizes().source < before.sizes().source * 3 / 4, "{}", after.sizes());
    let names = |vocab: &Vocab, line: &str| {
        let ids = vocab.source().encode(line).unwrap();
        ids.iter().map(|id| vocab.source().piece(*id).unwrap().to_owned()).collect::<Vec<_>>()
    };
    for line in source.iter().chain(&target) {
        assert_eq!(names(&before, line), names(&after, line));
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
    let unknown = a2d_core::config::token::UNK;
    for line in lines("test.de", 200) {
        let [was, is] = [&before, &after].map(|vocab| vocab.source().encode(&line).unwrap());
        let count = |ids: &[u32]| ids.iter().filter(|id| **id == unknown).count();
        assert_eq!(count(&was), count(&is), "{line}");
    }
}

#[test]
fn a_model_of_merges_is_refused() {
    let text = lines("valid.de", 10);
    let mut model = imported("bpe_cf.model");
    let refused = model.trim(Texts { source: &text, target: &text }).unwrap_err();
    assert!(misuse(refused).contains("only a unigram model can be trimmed"));
    let side = Side { model: crate::trim::model("bpe_cf.model"), pieces: model.pieces.source };
    assert!(Vocab::sentencepiece(side.clone(), side, Convention::Marian).is_ok());
}
