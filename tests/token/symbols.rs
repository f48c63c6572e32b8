//! Symbols: texts that are one token wherever they occur.

use super::{Pair, encode};
use a2d_core::rng;
use a2d_core::token::{Error, HEADER, Part, Piece, Tokenizer};
use a2d_host::data::vocab::{LineForm, Matches, Patterns, Vocab, Words};
use std::sync::LazyLock;

const PATTERNS: [&str; 6] =
    [r"\{[^{}]*\}", r"%([0-9]+\$)?[sd]", "</?[a-z]+>", "&[a-z]+;", "Zwölf(te)?", "…+"];

const LINES: [&str; 6] = [
    "Öffne { $name } mit { -brand-name-firefox }. Öffne {count} Dateien",
    "%s von %1$s und %10$d: <b>fett</b> & &amp; &lt;",
    "Zwölf Zwölfte und zwölf … …… !",
    "<b> und </b> und %s%s%d und {}{count}",
    "einNAMEein einNAMEein",
    "Datei öffnen, die Datei öffnen, Dateien der Datei: öffnet",
];

/// The vocabulary of the lines, twice each, in which what matches is protected.
fn protected(size: usize, bytes: bool, form: LineForm) -> Pair {
    let lines = LINES.map(String::from);
    let lines = [&lines[..], &lines[..]].concat();
    let patterns = Patterns::new(&PATTERNS).unwrap();
    let mut matches = Matches::new(&patterns);
    lines.iter().for_each(|line| matches.add(line));
    let words = Words::with_symbols(form, matches.symbols(100).unwrap());
    Pair::learn_words("symbols", &lines, size, bytes, words)
}

static PAIRS: LazyLock<[Pair; 4]> = LazyLock::new(|| {
    [(120, false, LineForm::Nfc), (120, false, LineForm::None)]
        .into_iter()
        .chain([(400, true, LineForm::Nfc), (400, true, LineForm::None)])
        .map(|(size, bytes, form)| protected(size, bytes, form))
        .collect::<Vec<_>>()
        .try_into()
        .ok()
        .unwrap()
});

/// The tokens of a line as text, the same on host and device: symbols in `[]`.
fn spelt(pair: &Pair, line: &str) -> String {
    let first = pair.vocab.source().len() - pair.vocab.source().symbols().len();
    let text = |id: u32| match (id as usize).checked_sub(first) {
        Some(symbol) => format!("[{}]", pair.vocab.source().symbols().texts()[symbol]),
        None => match pair.device.piece(id) {
            Some(Piece::Text(text)) => text.to_owned(),
            Some(Piece::Byte(byte)) => char::from(byte).to_string(),
            _ => "?".to_owned(),
        },
    };
    pair.compare(line).into_iter().map(text).collect()
}

#[test]
fn symbols_are_whole_wherever_they_occur() {
    let cases = [
        // At the start, at the end, alone, next to another, within a word.
        ("%s", "▁[%s]"),
        ("%s Datei", "▁[%s]▁Datei"),
        ("Datei %s", "▁Datei▁[%s]"),
        ("Datei%sDatei", "▁Datei[%s]Datei"),
        ("%s%d%s", "▁[%s][%d][%s]"),
        ("<b>%s</b>", "▁[<b>][%s][</b>]"),
        ("%%s", "▁%[%s]"),
        // Spaces within one.
        ("die { $name }.", "▁die▁[{ $name }]."),
        ("{ -brand-name-firefox }{ $name }", "▁[{ -brand-name-firefox }][{ $name }]"),
        // One begins with another: the longest counts, and a part of one is text.
        ("Zwölfte", "▁[Zwölfte]"),
        ("Zwölft", "▁[Zwölf]t"),
        ("Zwölfen", "▁[Zwölf]en"),
        ("Zwöl", "▁Zwöl"),
        ("………", "▁[……][…]"),
        ("%1$", "▁%1$"),
        ("{ $nam", "▁{▁$nam"),
        // Not seen: other text.
        ("%9d", "▁%9d"),
        ("{cout}", "▁{cout}"),
    ];
    for pair in PAIRS.iter() {
        for (line, expected) in cases {
            let found = spelt(pair, line);
            let symbols = |text: &str| -> Vec<String> {
                text.split('[').skip(1).map(|part| part.split(']').next().unwrap().into()).collect()
            };
            assert_eq!(symbols(&found), symbols(expected), "{}: {line}", pair.name);
            // Without bytes, some characters are unknown.
            if pair.vocab.source().has_byte_fallback() {
                assert_eq!(found, expected, "{}", pair.name);
            }
        }
    }
}

#[test]
fn symbols_are_found_in_the_normalised_line() {
    for pair in &PAIRS[..] {
        let normal = pair.vocab.source().normalization() != LineForm::None;
        let cases = [("Zwo\u{308}lfte", "▁[Zwölfte]"), ("{\u{a0}$name  }", "▁[{ $name }]")];
        for (line, expected) in cases {
            assert_eq!(spelt(pair, line) == expected, normal, "{}: {line}", pair.name);
        }
        // A mark that changes the last character.
        assert_eq!(spelt(pair, "%s\u{301}").contains("[%s]"), !normal);
        assert_eq!(spelt(pair, "{▁$name }"), "▁[{ $name }]");
    }
}

/// Text of symbols, parts of symbols, and others.
fn random_line(key: u64) -> String {
    const PARTS: [&str; 22] = [
        "%s",
        "%1$s",
        "%10$d",
        "{ $name }",
        "{ -brand",
        "-name-firefox }",
        "{",
        "}",
        " ",
        "  ",
        "▁",
        "Zwölf",
        "te",
        "o\u{308}lf",
        "Zw",
        "…",
        "<b>",
        "</b",
        ">",
        "&amp;",
        "ein",
        "\u{301}",
    ];
    let length = rng::bits(key, 0) % 20;
    let part = |i: u32| PARTS[rng::bits(key, i + 1) as usize % PARTS.len()];
    (0..length).map(part).collect()
}

#[test]
fn random_lines_are_the_same_and_come_back() {
    for (number, pair) in PAIRS.iter().enumerate() {
        let lines: Vec<_> =
            (0..5_000).map(|i| random_line(rng::derive(9000 + number as u64, i))).collect();
        let mut encoder = pair.vocab.source().encoder();
        for (line, batch) in lines.iter().zip(pair.vocab.source().encode_batch(&lines).unwrap()) {
            let ids = pair.compare(line);
            let mut one = Vec::new();
            encoder.encode(line, &mut one).unwrap();
            assert_eq!([&batch, &one], [&ids; 2], "{}: {line:?}", pair.name);
            if pair.device.has_byte_fallback() {
                let mut buffer = String::new();
                let normal = pair.vocab.source().normalization().apply(line, &mut buffer);
                let normal = match pair.vocab.source().normalization() {
                    LineForm::None => normal.strip_prefix([' ', '▁']).unwrap_or(normal),
                    _ => normal,
                };
                assert_eq!(pair.vocab.target().decode(&ids).unwrap(), normal.replace('▁', " "));
            }
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_says_what_is_enough() {
    let pair = &PAIRS[2];
    for line in (0..200).map(|i| random_line(rng::derive(77, i))) {
        let expected = encode(&pair.device, &line);
        for size in 0..expected.len() {
            match pair.device.encode(&line, &mut vec![0; size]) {
                Err(Error::Room { needed }) => {
                    let mut out = vec![0; needed];
                    assert_eq!(pair.device.encode(&line, &mut out), Ok(expected.len()));
                    assert_eq!(out[..expected.len()], expected);
                }
                other => panic!("{line:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn merges_stay_within_the_text_around_symbols() {
    let lines = vec!["einNAMEein dieNAMEdie".to_owned(); 50];
    let tokens = |patterns: &[&str]| -> Vec<String> {
        let patterns = Patterns::new(patterns).unwrap();
        let mut matches = Matches::new(&patterns);
        lines.iter().for_each(|line| matches.add(line));
        let mut words = Words::with_symbols(LineForm::Nfc, matches.symbols(9).unwrap());
        lines.iter().for_each(|line| words.add(line));
        let vocab = Vocab::learn_words(words, 60, false, &mut || Ok(())).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
        json["model"]["vocab"].as_object().unwrap().keys().cloned().collect()
    };
    // Without protection, merges run through the name.
    assert!(tokens(&[]).contains(&"▁einNAMEein".to_owned()));
    let tokens = tokens(&["NAME"]);
    let with: Vec<_> = tokens.iter().filter(|text| text.contains(['N', 'A', 'M', 'E'])).collect();
    assert_eq!(with, ["NAME"]);
    assert_eq!(tokens.last().unwrap(), "NAME");
    assert!(["▁ein", "ein", "▁die", "die"].iter().all(|text| tokens.contains(&text.to_string())));
}

#[test]
fn tables_without_symbols_have_the_older_versions() {
    let version = |pair: &Pair| pair.tables[3];
    let plain = |form| Pair::learn("plain", &LINES.map(String::from), 120, false, form);
    assert_eq!(version(&plain(LineForm::None)), 1);
    assert_eq!(version(&plain(LineForm::Nfc)), 2);
    PAIRS.iter().for_each(|pair| assert_eq!(version(pair), 3));
}

#[test]
fn damaged_symbols_are_rejected() {
    let pair = &PAIRS[0];
    let (len, symbols) = (pair.tables.len(), pair.vocab.source().symbols());
    let texts = u32::from_le_bytes(pair.tables[12..16].try_into().unwrap()) as usize;
    let damaged = |at: usize, bytes: &[u8]| {
        let mut tables = pair.tables.to_vec();
        tables[at..at + bytes.len()].copy_from_slice(bytes);
        Tokenizer::new(&tables).err()
    };
    assert_eq!(damaged(HEADER, &[]), None);
    let count = len - texts - 2;
    assert_eq!(pair.tables[count..count + 2], (symbols.len() as u16).to_le_bytes());
    let with_text = pair.device.len() as u16 - 4;
    let header = Some(Error::Damaged(Part::Header, 0));
    assert_eq!(damaged(count, &(with_text + 1).to_le_bytes()), header);
    assert_eq!(damaged(count, &u16::MAX.to_le_bytes()), header);
    // The tokens before the symbols are in another order.
    let text = |error| matches!(error, Some(Error::Damaged(Part::Text, _)));
    assert!(text(damaged(count, &with_text.to_le_bytes())));
    // The last symbol sorts first, or begins with a space.
    let last = symbols.texts().last().unwrap();
    let error = Some(Error::Damaged(Part::Text, with_text - 1));
    assert_eq!(damaged(len - last.len(), b"!"), error);
    let first = len - symbols.texts().iter().map(String::len).sum::<usize>();
    let error = Some(Error::Damaged(Part::Text, with_text - symbols.len() as u16));
    assert_eq!(damaged(first, b" "), error);
    assert_eq!(Tokenizer::new(&pair.tables[..count + 1]).err(), Some(Error::Length));
}
