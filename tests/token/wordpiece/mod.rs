//! WordPiece vocabularies on a device and on the host: every character, small buffers, damaged tables.

mod documents;

use a2d_core::rng;
use a2d_core::token::wordpiece::{HEADER, WordPiece};
use a2d_core::token::{Error, Piece, Vocabulary, stream_bytes};
use a2d_host::data::vocab::Vocab;
use a2d_host::data::vocab::wordpiece::{Model, Rules};
use a2d_tests::helpers::words::Plain;
use rayon::prelude::*;
use std::fs;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/interop/bert/model");

/// The vocabulary of the small BERT model.
fn small() -> Model {
    Model::from_json(&fs::read(format!("{FOLDER}/tokenizer.json")).unwrap()).unwrap()
}

/// All rules.
fn rules() -> impl Iterator<Item = Rules> {
    (0..8).map(|bits| Rules {
        lowercase: bits & 1 > 0,
        strip_accents: bits & 2 > 0,
        ideographs: bits & 4 > 0,
    })
}

/// A vocabulary with letters of many scripts, so that a character's replacement shows in the tokens.
fn letters(rules: Rules) -> Model {
    let blocks = [
        ('!', '\u{8d3}'),
        ('\u{900}', '\u{a7f}'),
        ('\u{1100}', '\u{11ff}'),
        ('\u{13a0}', '\u{13ff}'),
        ('\u{1e00}', '\u{20cf}'),
        ('\u{2c00}', '\u{2c5f}'),
        ('\u{3040}', '\u{30ff}'),
        ('\u{4e00}', '\u{4fff}'),
        ('\u{ab70}', '\u{ad00}'),
        ('\u{fb1d}', '\u{fb4f}'),
        ('\u{10400}', '\u{1044f}'),
        ('\u{1d15e}', '\u{1d160}'),
        ('\u{20120}', '\u{20130}'),
    ];
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[M"].map(String::from);
    let characters = blocks.into_iter().flat_map(|(first, last)| first..=last);
    let characters = characters.flat_map(|c| [c.to_string(), format!("##{c}")]);
    let words = ["the", "##re", "##ein", "größe", "grosse"].map(String::from);
    let mut pieces: Vec<String> = special.iter().cloned().chain(characters).chain(words).collect();
    pieces.sort_by_key(|text| text.len() % 7); // in no order that means something
    let special = special.into();
    Model { pieces, special, rules, longest_word: 100 }
}

fn tables(model: &Model) -> Vec<u8> {
    Vocab::wordpiece(model).unwrap().source().tables().unwrap()
}

fn encode(device: &WordPiece<'_>, text: &str) -> Vec<u32> {
    let mut out = vec![0xdead_beef; device.room(text.len())];
    let len = device.encode(text, &mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn every_character_has_the_tokens_of_the_whole_text() {
    for model in rules().map(letters).chain([small()]) {
        let tables = tables(&model);
        let (plain, device) = (Plain::new(&model), WordPiece::new(&tables).unwrap());
        let planes = [0..0x3_0000, 0xe_0000..0xe_0200, 0xf_fff0..0x10_0010_u32];
        let characters: Vec<char> =
            planes.into_iter().flatten().filter_map(char::from_u32).collect();
        characters.into_par_iter().for_each(|c| {
            let text = format!("{c} a{c}b x{c}\u{301}\u{5b4}y{c}");
            assert_eq!(encode(&device, &text), plain.encode(&text), "{:?} {text:?}", model.rules);
        });
    }
}

/// Texts of parts that are cut in different ways.
fn texts(model: &Model, count: u64) -> Vec<String> {
    let odd = [
        "[SEP]",
        "[MASK]",
        "[M",
        "[sep]",
        "[",
        "##",
        " ",
        "\t",
        "\u{a0}",
        "\u{1}",
        ".",
        "\u{301}",
        "é",
        "İ",
        "\u{4e00}",
        "각",
        "\u{11a8}",
        "\u{212b}",
        "\u{1d160}",
        "Größe",
        "THERE",
    ];
    let part = |seed: u64, n: u64| {
        let number = rng::derive(seed, n) >> 16;
        let nth = |len: usize| (number >> 4) as usize % len;
        match number % 8 {
            0..4 => model.pieces[nth(model.pieces.len())].replace("##", ""),
            4..6 => odd[nth(odd.len())].to_owned(),
            6 => "a".repeat(98 + nth(5)),
            _ => char::from_u32(nth(0x3_0000) as u32).map(String::from).unwrap_or_default(),
        }
    };
    let text = |seed| (0..1 + rng::derive(seed, 99) % 12).map(|n| part(seed, n)).collect();
    (0..count).map(text).collect()
}

#[test]
fn every_text_has_the_tokens_of_the_plain_way() {
    for model in rules().map(letters).chain([small()]) {
        let vocab = Vocab::wordpiece(&model).unwrap();
        let plain = Plain::new(&model);
        let texts = texts(&model, 800);
        let found = vocab.source().encode_batch(&texts).unwrap();
        let mut unknown = 0;
        for (text, found) in texts.iter().zip(found) {
            assert_eq!(found, plain.encode(text), "{:?} {text:?}", model.rules);
            unknown += usize::from(found.contains(&3));
        }
        assert!((50..790).contains(&unknown), "{unknown}");
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error_with_the_exact_size() {
    let model = letters(Rules { lowercase: true, strip_accents: true, ideographs: true });
    let tables = tables(&model);
    let device = WordPiece::new(&tables).unwrap();
    for text in texts(&model, 300) {
        let expected = encode(&device, &text);
        for size in 0..=expected.len() {
            let mut out = vec![u32::MAX; size];
            let needed = (size < expected.len()).then_some(expected.len());
            let result = needed.map_or(Ok(size), |needed| Err(Error::Room { needed }));
            assert_eq!(device.encode(&text, &mut out), result, "{text:?}");
            assert_eq!(device.encode_front(&text, &mut out), (size, needed));
            assert_eq!(out, expected[..size], "{text:?}");
        }
    }
}

#[test]
fn the_tables_hold_only_what_the_tokens_need() {
    let (model, tables) = (small(), tables(&small()));
    let texts: usize = model.pieces.iter().map(|text| text.len() + 5).sum();
    let unicode = tables.len() - texts - 3 - 2 * model.special.len() - HEADER;
    assert!((3000..3500).contains(&unicode), "{unicode} bytes");
}

#[test]
fn tokens_become_words() {
    let tables = tables(&small());
    let vocab = Vocab::wordpiece(&small()).unwrap();
    let device = Vocabulary::new(&tables).unwrap();
    assert!(matches!(device, Vocabulary::WordPiece(_)) && device.encodes() && device.decodes());
    assert_eq!(stream_bytes(&tables), device.stream_bytes());
    for (line, text) in [("", ""), ("The dog, [MASK]!", "the dog , [MASK] !"), ("her?ß", "her ?")]
    {
        let ids = vocab.source().encode(line).unwrap();
        let framed = [&[0], &ids[..], &[2, 1]].concat();
        assert_eq!(vocab.target().decode(&framed).unwrap(), text);
        let mut out = vec![0; text.len()];
        assert_eq!(device.decode(&framed, &mut out), Ok(text.len()));
        assert_eq!(out, text.as_bytes());
        let (mut stream, mut streamed) = (device.stream(), Vec::<u8>::new());
        let mut piece = vec![0; device.stream_bytes()];
        for id in framed {
            let len = stream.push(id, &mut piece).unwrap();
            streamed.extend(&piece[..len]);
        }
        assert_eq!((stream.finish(&mut piece), streamed), (Ok(0), out));
    }
    assert_eq!(device.piece(0), Some(Piece::Special));
    assert_eq!((vocab.source().piece(2), vocab.source().piece(4)), (Some("[SEP]"), Some("[MASK]")));
    assert_eq!(device.decode(&[100], &mut []), Err(Error::Token(100)));
    assert!(vocab.target().decode(&[100]).unwrap_err().to_string().contains("token 100"));
}

/// Uses tables that may be damaged; returns whether they are accepted.
fn used(tables: &[u8]) -> bool {
    let Ok(device) = WordPiece::new(tables) else { return false };
    let text = "Å dog's [SEP]ﬁ\u{1}각 Ｋ The\u{301}re\u{4e00} \u{1d160}ǅ.";
    let ids = encode(&device, text);
    assert!(ids.iter().all(|id| (*id as usize) < device.len()));
    let mut out = vec![0; 1 << 12];
    let len = device.decode(&ids, &mut out).unwrap();
    assert!(std::str::from_utf8(&out[..len]).is_ok());
    for id in 0..device.len() as u32 {
        device.stream().push(id, &mut out[..device.stream_bytes().min(1 << 12)]).unwrap();
    }
    true
}

#[test]
fn damaged_tables_are_refused_or_harmless() {
    let whole = tables(&small());
    assert!(used(&whole));
    (0..whole.len()).for_each(|len| assert!(!used(&whole[..len]), "{len} bytes"));
    assert!(!used(&[&whole[..], &[0]].concat()));
    let refused = |changes: &[(usize, u8)]| {
        let mut tables = whole.clone();
        changes.iter().for_each(|(place, byte)| tables[*place] = *byte);
        usize::from(!used(&tables))
    };
    // Every byte, and several bytes at random.
    let bytes = (0..whole.len()).into_par_iter();
    let mut most = bytes
        .map(|at| (0..8).map(|bit| refused(&[(at, whole[at] ^ 1 << bit)])).sum::<usize>())
        .sum::<usize>();
    most += (0..4000_u64)
        .map(|round| {
            let at = |n: u64| (rng::derive(round, n) >> 16) as usize;
            let change = |n: u64| (at(n) % whole.len(), at(n + 9) as u8);
            refused(&(0..1 + round % 3).map(change).collect::<Vec<_>>())
        })
        .sum::<usize>();
    assert!(most > 8 * whole.len() / 2, "{most}");
}
