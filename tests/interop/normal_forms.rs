//! Normal forms of SentencePiece models: the `normalized` lines of `NAME.json`, and `NAME.charsmap.tsv`, which lists every
//! code point that is not its own normal form.

use crate::sentencepiece::{self, Golden, encode};
use crate::values::{rows, text};
use a2d_core::token::sentencepiece::SentencePiece;
use a2d_host::data::vocab::SPECIAL;
use a2d_host::data::vocab::spm::{Convention, Kind, Model, Parts, Piece, Type, tables};
use std::collections::HashMap;
use std::fs;

/// The rules of a model with a vocabulary of bytes and user-defined symbols: its tokens spell the normal text.
struct Speller {
    tables: Vec<u8>,
    /// The bytes of each token.
    bytes: Vec<Vec<u8>>,
}

impl Speller {
    fn new(model: &Model) -> Self {
        let mut model = model.clone();
        let piece = |text: String, kind: Kind| Piece { text, score: -1.0, kind: Some(kind as i32) };
        model.pieces.retain(|piece| piece.kind() == Kind::UserDefined);
        let mut bytes = vec![Vec::new(); SPECIAL.len()];
        bytes.extend(model.pieces.iter().map(|piece| piece.text.clone().into_bytes()));
        bytes.extend((0..=255).map(|byte| vec![byte]));
        let mut pieces: Vec<String> = SPECIAL.iter().map(ToString::to_string).collect();
        let byte = |byte: u8| piece(format!("<0x{byte:02X}>"), Kind::Byte);
        model.pieces.extend((0..=255).map(byte));
        pieces.extend(model.pieces.iter().map(|piece| piece.text.clone()));
        model.pieces.push(piece("<unk>".into(), Kind::Unknown));
        // Without it there is no smallest score.
        model.pieces.push(piece("\u{e000}\u{e000}".into(), Kind::Normal));
        let trainer = model.trainer.as_mut().unwrap();
        trainer.byte_fallback = true;
        trainer.kind = Some(Type::Unigram as i32);
        let tables = tables(&model, &pieces, Convention::Plain, Parts::Both).unwrap();
        Self { tables, bytes }
    }

    fn normal(&self, device: &SentencePiece<'_>, text: &str) -> String {
        let tokens = encode(device, text.as_bytes());
        let bytes = tokens.iter().flat_map(|token| &self.bytes[*token as usize]);
        String::from_utf8(bytes.copied().collect()).unwrap()
    }
}

#[test]
fn every_line_has_the_normal_form_of_sentencepiece() {
    for golden in sentencepiece::all() {
        let speller = Speller::new(&golden.model);
        let device = SentencePiece::new(&speller.tables).unwrap();
        for case in rows(&golden.values, "cases") {
            let found = speller.normal(&device, text(case, "text"));
            assert_eq!(found, text(case, "normalized"), "{}: {}", golden.name, case["text"]);
        }
    }
}

/// The normal forms that differ from their characters.
fn forms(golden: &Golden) -> Option<HashMap<char, String>> {
    let rows = fs::read_to_string(golden.path.with_extension("charsmap.tsv")).ok()?;
    let number = |text: &str| char::from_u32(u32::from_str_radix(text, 16).unwrap()).unwrap();
    let row = |row: &str| {
        let (from, to) = row.split_once('\t').unwrap();
        (number(from), to.split_whitespace().map(number).collect())
    };
    Some(rows.lines().map(row).collect())
}

#[test]
fn every_character_has_the_normal_form_of_sentencepiece() {
    let mut checked = 0;
    for golden in sentencepiece::all() {
        let Some(forms) = forms(golden) else { continue };
        let speller = Speller::new(&golden.model);
        let device = SentencePiece::new(&speller.tables).unwrap();
        for c in ('\u{1}'..=char::MAX).filter(|c| *c != '▁') {
            let found = speller.normal(&device, &format!("#{c}#"));
            // The mark of the model's own is at one of the ends.
            let found =
                found.trim_matches('▁').strip_prefix('#').unwrap().strip_suffix('#').unwrap();
            let form = forms.get(&c).cloned().unwrap_or_else(|| c.to_string());
            assert_eq!(found, form, "{}: {c:?}", golden.name);
        }
        checked += 1;
    }
    assert!(checked >= 4, "{checked} character maps");
}
