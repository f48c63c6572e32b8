//! Learning vocabularies from unusual text: many pieces, long lines, pairs that are left out.

use super::{both_sides, learn, prepared, quickstart_lines, workshop};
use a2d_core::rng::scramble;
use a2d_core::token::Tokenizer;
use a2d_host::data::prepare::PrepareRequest;
use a2d_host::data::vocab::{LONGEST_TOKEN, Vocab};
use std::fs;
use std::time::{Duration, Instant};

/// A word of five syllables, a different one for every number below 75 to the power of 5.
fn word(number: u64) -> String {
    let syllable = |i| (number.wrapping_mul(7_919) / 75_u64.pow(i) % 75) as usize;
    let syllables = (0..5).map(syllable);
    let letters = |at| ["bdfgklmnprstvwz".as_bytes()[at / 5], b"aeiou"[at % 5]].map(char::from);
    syllables.flat_map(letters).collect()
}

/// Random text without spaces.
fn noise(length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length as u64).map(|i| char::from(letters[(scramble(i) % 64) as usize])).collect()
}

#[test]
fn more_pieces_than_are_learnt_from_make_as_many_tokens_in_any_order() {
    let mut lines: Vec<String> = (0..524_300).map(word).collect();
    let vocab = learn(&lines, 8000);
    assert_eq!(vocab.source().len(), 8000);
    lines.reverse();
    assert_eq!(learn(&lines, 8000).to_bytes(), vocab.to_bytes());
}

#[test]
fn a_line_without_spaces_is_learnt_from_and_encoded_in_seconds() {
    let lines = quickstart_lines("valid.de");
    let prose: String =
        both_sides("train").concat().chars().filter(|c| c.is_alphabetic()).collect();
    let prose = &prose[..prose.floor_char_boundary(300_000)];
    let long = [98_400, 1 << 20].map(|length| "x".repeat(length));
    let noise = [100_000, 1 << 20].map(noise);
    for long in long.into_iter().chain(noise).chain([prose.to_owned()]) {
        let start = Instant::now();
        let mut all = lines.clone();
        all.push(long.clone());
        let vocab = learn(&all, 8000);
        let learnt = start.elapsed();
        let ids = vocab.source().encode(&long).unwrap();
        let encoded = start.elapsed() - learnt;
        let tables = vocab.source().tables().unwrap();
        let device = Tokenizer::new(&tables).unwrap();
        let mut found = vec![0; device.room(long.len())];
        let count = device.encode(&long, &mut found).unwrap();
        let here = start.elapsed() - learnt - encoded;
        eprintln!(
            "{} bytes: learnt in {learnt:?}, encoded in {encoded:?} and, as a device does, {here:?}",
            long.len()
        );
        assert_eq!(found[..count], ids);
        assert_eq!(vocab.target().decode(&ids).unwrap(), long);
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn no_token_is_longer_than_what_pieces_are_cut_to() {
    let vocab = learn(&["x".repeat(5000), "ä".repeat(5000)], 2000);
    let document: serde_json::Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
    let tokens = document["model"]["vocab"].as_object().unwrap();
    let longest = tokens.keys().map(|token| token.chars().count()).max();
    assert_eq!(longest, Some(LONGEST_TOKEN));
}

/// The vocabulary of the workshop's text and one more pair.
fn vocabulary_beside(pair: [&str; 2], clean: bool) -> Vec<u8> {
    let (folder, request) = workshop();
    for (lang, line) in ["de", "en"].into_iter().zip(pair) {
        let path = folder.path().join(format!("train.{lang}"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}{line}\n")).unwrap();
    }
    let request = PrepareRequest { clean, max_length: 40, ..request };
    prepared(&request);
    Vocab::load(&request.out.join("tokenizer.json")).unwrap().to_bytes()
}

#[test]
fn pairs_that_are_surely_left_out_are_not_learnt_from() {
    let words = "qq ".repeat(41);
    let long = noise(32 * 41);
    let some = "qq ".repeat(30);
    let plain = vocabulary_beside(["", ""], false);
    for pair in [[&words, "yes"], ["ja", &words], [&long, "yes"], ["ja", &long], ["qqqq", " "]] {
        assert_eq!(vocabulary_beside(pair, false), plain, "{pair:?}");
    }
    assert_ne!(vocabulary_beside([&some, "yes"], false), plain);
    let plain = vocabulary_beside(["", ""], true);
    assert_eq!(vocabulary_beside([&some, "yes"], true), plain);
    assert_ne!(vocabulary_beside([&some, &some.replace('q', "j")], true), plain);
}
