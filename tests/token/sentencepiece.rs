//! SentencePiece models on a device, compared with what SentencePiece itself gives; and damaged models and tables.

use a2d_core::rng;
use a2d_core::token::sentencepiece::SentencePiece;
use a2d_core::token::{Error, Vocabulary};
use a2d_host::data::vocab::SPECIAL;
use a2d_host::data::vocab::spm::{Convention, Kind, Model, Parts, Piece, Type, tables};
use a2d_tests::helpers::ties::is_cut_otherwise;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/interop/sentencepiece");
const NAMES: [&str; 4] = ["uni_nmt", "uni_bytes", "bpe_cf", "bpe_bytes"];

/// A model, what SentencePiece gives for it, and its tables.
struct Golden {
    name: String,
    folder: PathBuf,
    model: Model,
    values: Value,
    /// The token of each piece of the model.
    ids: Vec<u32>,
    tables: Vec<u8>,
}

impl Golden {
    fn read(name: &str) -> Self {
        Self::read_from(Path::new(FOLDER), name)
    }

    fn read_from(folder: &Path, name: &str) -> Self {
        let file = |end: &str| fs::read(folder.join(format!("{name}.{end}"))).unwrap();
        let model = Model::new(&file("model")).unwrap();
        let (pieces, ids) = vocabulary(&model);
        let tables = tables(&model, &pieces, Convention::Plain, Parts::Both).unwrap();
        let values = serde_json::from_slice(&file("json")).unwrap();
        Self { name: name.into(), folder: folder.into(), model, values, ids, tables }
    }

    fn device(&self) -> SentencePiece<'_> {
        SentencePiece::new(&self.tables).unwrap()
    }

    fn list(&self, name: &str) -> &[Value] {
        self.values[name].as_array().unwrap()
    }

    /// The tokens of the ids of a case.
    fn tokens(&self, case: &Value) -> Vec<u32> {
        ids(&case["ids"]).map(|id| self.ids[id as usize]).collect()
    }
}

fn ids(list: &Value) -> impl Iterator<Item = u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32)
}

/// The special tokens, then the other pieces; and the token of each piece.
fn vocabulary(model: &Model) -> (Vec<String>, Vec<u32>) {
    let mut pieces: Vec<String> = SPECIAL.iter().map(ToString::to_string).collect();
    let id = |piece: &Piece| {
        let special = SPECIAL.iter().position(|text| *text == piece.text);
        match (piece.kind(), special) {
            (Kind::Unknown, _) => 3,
            (_, Some(special)) => special as u32,
            _ => {
                pieces.push(piece.text.clone());
                pieces.len() as u32 - 1
            }
        }
    };
    let ids = model.pieces.iter().map(id).collect();
    (pieces, ids)
}

fn encode(device: &SentencePiece<'_>, text: &[u8]) -> Vec<u32> {
    let mut out = vec![0xdead_beef; device.room(text.len())];
    let len = device.encode_bytes(text, &mut out).unwrap();
    out.truncate(len);
    out
}

/// The decoded text, which a stream must give too.
fn decode(device: &SentencePiece<'_>, ids: &[u32]) -> String {
    let needed = match device.decode(ids, &mut []) {
        Ok(len) => len,
        Err(Error::Room { needed }) => needed,
        Err(e) => panic!("{ids:?}: {e}"),
    };
    let mut out = vec![0; needed];
    assert_eq!(device.decode(ids, &mut out), Ok(needed));
    let (mut stream, mut text) = (device.stream(), Vec::<u8>::new());
    let mut piece = vec![0; device.stream_bytes()];
    for id in ids {
        let len = stream.push(*id, &mut piece).unwrap();
        text.extend(&piece[..len]);
    }
    let len = stream.finish(&mut piece).unwrap();
    text.extend(&piece[..len]);
    assert_eq!(out, text, "{ids:?}");
    String::from_utf8(out).unwrap()
}

/// A decoded text is a single line: control characters become spaces.
fn line(text: &Value) -> String {
    let ends = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
    text.as_str().unwrap().replace(ends, " ")
}

fn names() -> impl Iterator<Item = Golden> {
    NAMES.into_iter().map(Golden::read)
}

#[test]
fn every_line_has_the_tokens_and_the_text_of_sentencepiece() {
    for golden in names() {
        let device = golden.device();
        assert_eq!(golden.list("cases").len(), 591);
        for case in golden.list("cases") {
            let expected = golden.tokens(case);
            let found = encode(&device, case["text"].as_str().unwrap().as_bytes());
            if !is_cut_otherwise(&golden.name, case["text"].as_str().unwrap()) {
                assert_eq!(found, expected, "{}: {}", golden.name, case["text"]);
            }
            assert_eq!(decode(&device, &expected), line(&case["decoded"]), "{case}");
        }
        for case in golden.list("decode") {
            let found = decode(&device, &golden.tokens(case));
            assert_eq!(found, line(&case["decoded"]), "{}: {case}", golden.name);
        }
        for case in golden.list("bad_utf8") {
            let hex = case["hex"].as_str().unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            assert_eq!(encode(&device, &bytes), golden.tokens(case), "{}: {hex}", golden.name);
        }
    }
}

/// The rules of `model` in a vocabulary of bytes: decoding gives the normal text.
fn spelt(model: &Model) -> Vec<u8> {
    let mut model = model.clone();
    let piece = |text: String, kind: Kind| Piece { text, score: -1.0, kind: Some(kind as i32) };
    model.pieces = vec![piece("<unk>".into(), Kind::Unknown), piece("#".into(), Kind::Normal)];
    model.pieces.extend((0..=255).map(|byte| piece(format!("<0x{byte:02X}>"), Kind::Byte)));
    let trainer = model.trainer.as_mut().unwrap();
    trainer.byte_fallback = true;
    trainer.kind = Some(Type::Unigram as i32);
    let (pieces, _) = vocabulary(&model);
    tables(&model, &pieces, Convention::Plain, Parts::Both).unwrap()
}

#[test]
fn every_character_has_the_normal_form_of_sentencepiece() {
    for golden in names() {
        let file = golden.folder.join(format!("{}.charsmap.tsv", golden.name));
        let number = |text: &str| char::from_u32(u32::from_str_radix(text, 16).unwrap()).unwrap();
        let rows = fs::read_to_string(file).unwrap();
        let rows: HashMap<char, String> = rows
            .lines()
            .map(|row| {
                let (from, to) = row.split_once('\t').unwrap();
                (number(from), to.split_whitespace().map(number).collect())
            })
            .collect();
        let tables = spelt(&golden.model);
        let device = SentencePiece::new(&tables).unwrap();
        for c in ('\u{1}'..=char::MAX).filter(|c| *c != '▁') {
            let text = format!("#{c}#");
            let form = rows.get(&c).cloned().unwrap_or_else(|| c.to_string());
            let expected = line(&Value::String(format!("#{form}#"))).replace('▁', " ");
            let tokens = encode(&device, text.as_bytes());
            let found = decode(&device, &tokens).replace('▁', " ");
            assert_eq!(found.trim_start(), expected, "{}: {c:?}", golden.name);
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error_with_a_sufficient_size() {
    for golden in names() {
        let device = golden.device();
        for case in golden.list("cases").iter().step_by(7) {
            let text = case["text"].as_str().unwrap();
            let expected = golden.tokens(case);
            let room = device.room(text.len());
            for size in (0..40).chain([expected.len(), room / 8, room / 3, room - 1]) {
                let mut out = vec![u32::MAX; size];
                match device.encode(text, &mut out) {
                    Ok(len) => assert_eq!(out[..len], expected),
                    Err(Error::Room { needed }) => {
                        assert!(needed > size, "{text:?}: {size}");
                        let (len, _) = device.encode_front(text.as_bytes(), &mut out);
                        assert_eq!(out[..len], expected[..len], "{text:?}: {size}");
                        let mut out = vec![u32::MAX; needed];
                        assert_eq!(device.encode(text, &mut out), Ok(expected.len()), "{text:?}");
                        assert_eq!(out[..expected.len()], expected);
                    }
                    Err(e) => panic!("{text:?}: {e}"),
                }
            }
        }
    }
}

#[test]
fn tables_of_one_side_do_the_same() {
    for golden in names() {
        let (pieces, _) = vocabulary(&golden.model);
        let side = |parts| tables(&golden.model, &pieces, Convention::Plain, parts).unwrap();
        let sides = [side(Parts::Source), side(Parts::Target)];
        let [source, target] = sides.each_ref().map(|tables| Vocabulary::new(tables).unwrap());
        assert!(source.encodes() && !source.decodes() && target.decodes() && !target.encodes());
        for case in golden.list("cases") {
            let text = case["text"].as_str().unwrap();
            if is_cut_otherwise(&golden.name, text) {
                continue;
            }
            let mut out = vec![0; source.room(text.len())];
            let len = source.encode(text, &mut out).unwrap();
            let expected = golden.tokens(case);
            assert_eq!(out[..len], expected);
            let mut text = vec![0; 16 * len + 64];
            let len = target.decode(&expected, &mut text).unwrap();
            assert_eq!(str::from_utf8(&text[..len]).unwrap(), line(&case["decoded"]));
        }
    }
}

/// Uses tables that may be damaged; returns whether they are accepted.
fn used(tables: &[u8]) -> bool {
    let Ok(device) = SentencePiece::new(tables) else { return false };
    let text = "Ein Hund ℃ und <mask> ...  日本語 Übermut.\u{1}é";
    let mut out = vec![0; 4096];
    let len = device.encode_front(text.as_bytes(), &mut out).0;
    let mut text = vec![0; 1 << 16];
    let _ = device.decode(&out[..len], &mut text);
    let _ = device.decode(&(0..device.len() as u32).step_by(97).collect::<Vec<_>>(), &mut text);
    let _ = device.forbidden();
    true
}

#[test]
fn damaged_tables_are_refused_or_harmless() {
    for golden in names() {
        let mut tables = golden.tables;
        assert!(used(&tables));
        for len in (0..tables.len()).step_by(tables.len() / 400).chain(0..64) {
            assert!(!used(&tables[..len]), "{}: {len} bytes", golden.name);
        }
        let mut refused = 0;
        for round in 0..2500_u64 {
            let at = |n: u64| (rng::derive(round, n) >> 16) as usize;
            // Half of the changes are in the header and the first nodes.
            let most = if round % 2 == 0 { 256 } else { tables.len() };
            let places: Vec<usize> = (0..1 + at(0) % 3).map(|n| at(n as u64 + 1) % most).collect();
            let saved: Vec<u8> = places.iter().map(|place| tables[*place]).collect();
            for (n, place) in places.iter().enumerate() {
                tables[*place] = at(n as u64 + 9) as u8;
            }
            refused += usize::from(!used(&tables));
            for (place, byte) in places.iter().zip(saved).rev() {
                tables[*place] = byte;
            }
        }
        assert!(refused > 500, "{}: {refused}", golden.name);
    }
}
