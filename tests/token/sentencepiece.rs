//! SentencePiece models on a device: small buffers, tables of one side, damaged tables.

use a2d_core::rng;
use a2d_core::token::sentencepiece::SentencePiece;
use a2d_core::token::{Error, Vocabulary};
use a2d_host::data::vocab::spm::{Convention, Model, Parts, joint, tables};
use serde_json::Value;
use std::fs;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/interop/sentencepiece");
const NAMES: [&str; 4] = ["uni_nmt", "uni_bytes", "bpe_cf", "bpe_bytes"];

/// A model, lines, and its tables.
struct Golden {
    name: &'static str,
    model: Model,
    lines: Vec<String>,
    tables: Vec<u8>,
}

impl Golden {
    fn read(name: &'static str) -> Self {
        let file = |end: &str| fs::read(format!("{FOLDER}/{name}.{end}")).unwrap();
        let model = Model::new(&file("model")).unwrap();
        let tables =
            tables(&model, &joint(std::slice::from_ref(&model)), Convention::Plain, Parts::Both);
        let values: Value = serde_json::from_slice(&file("json")).unwrap();
        let line = |case: &Value| case["text"].as_str().unwrap().to_owned();
        let lines = values["cases"].as_array().unwrap().iter().map(line).collect();
        Self { name, model, lines, tables: tables.unwrap() }
    }

    fn device(&self) -> SentencePiece<'_> {
        SentencePiece::new(&self.tables).unwrap()
    }
}

fn encode(device: &SentencePiece<'_>, text: &[u8]) -> Vec<u32> {
    let mut out = vec![0xdead_beef; device.room(text.len())];
    let len = device.encode_bytes(text, &mut out).unwrap();
    out.truncate(len);
    out
}

fn names() -> impl Iterator<Item = Golden> {
    NAMES.into_iter().map(Golden::read)
}

#[test]
fn a_buffer_that_is_too_small_is_an_error_with_a_sufficient_size() {
    for golden in names() {
        let device = golden.device();
        for text in golden.lines.iter().step_by(7) {
            let expected = encode(&device, text.as_bytes());
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
        let (pieces, both) = (joint(std::slice::from_ref(&golden.model)), golden.device());
        let side = |parts| tables(&golden.model, &pieces, Convention::Plain, parts).unwrap();
        let sides = [side(Parts::Source), side(Parts::Target)];
        let [source, target] = sides.each_ref().map(|tables| Vocabulary::new(tables).unwrap());
        assert!(source.encodes() && !source.decodes() && target.decodes() && !target.encodes());
        for text in &golden.lines {
            let mut out = vec![0; source.room(text.len())];
            let len = source.encode(text, &mut out).unwrap();
            let expected = encode(&both, text.as_bytes());
            assert_eq!(out[..len], expected, "{}: {text:?}", golden.name);
            let [mut found, mut decoded] = [(); 2].map(|()| vec![0; 16 * len + 64]);
            let len = target.decode(&expected, &mut found).unwrap();
            assert_eq!(both.decode(&expected, &mut decoded), Ok(len));
            assert_eq!(found[..len], decoded[..len], "{}: {text:?}", golden.name);
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
