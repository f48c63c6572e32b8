//! Text that looks equal has the same tokens, on host and device.

use super::{Pair, QUICKSTART, encode};
use a2d_core::rng;
use a2d_core::token::{self, Tokenizer};
use a2d_host::data::vocab::{LineForm, Vocab, Words};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

/// The quickstart, with a vocabulary of each normalisation.
static FORMS: LazyLock<[Pair; 3]> = LazyLock::new(|| {
    let forms = [LineForm::None, LineForm::Nfc, LineForm::Nfkc];
    forms.map(|form| Pair::learn("quickstart", &QUICKSTART, 2000, true, form))
});

fn normal(form: LineForm, line: &str) -> String {
    form.apply(line, &mut String::new()).to_owned()
}

/// NFC normalisation written step by step.
fn stepwise(line: &str) -> String {
    let spaces = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                  \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}▁";
    let dropped = |c: char| {
        "\u{feff}\u{200b}\u{2060}\u{ad}".contains(c)
            || matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}') && !spaces.contains(c)
    };
    let kept: String = line.chars().filter(|c| !dropped(*c)).collect();
    let composed: String = kept.replace(|c| spaces.contains(c), " ").nfc().collect();
    composed.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Asserts that host and device encode a line alike, and that the tokens decode to the normalised line.
#[track_caller]
fn check(line: &str) {
    let nfc = &FORMS[1];
    let expected = stepwise(line);
    let ids = nfc.vocab.source().encode(line).unwrap();
    assert_eq!(encode(&nfc.device, line), ids, "{line:?}");
    assert_eq!(nfc.vocab.target().decode(&ids).unwrap(), expected, "{line:?}");
    assert_eq!(normal(LineForm::Nfc, line), expected, "{line:?}");
    assert_eq!(LineForm::Nfc.touches(line) == Default::default(), line == expected, "{line:?}");
    assert_eq!(normal(LineForm::Nfc, &expected), expected, "{line:?}");
}

/// Characters that normalisation changes or that change its result.
static HARD: LazyLock<Vec<char>> = LazyLock::new(|| {
    let mut marks: BTreeMap<u8, Vec<char>> = BTreeMap::new();
    let mut hard: Vec<char> =
        "ae ▁\t\u{a0}\u{3000}\u{feff}\u{200b}\u{ad}\u{200d}\0ᄀ각가ᅡᆨᆧ🙂".chars().collect();
    let mut decomposable = 0;
    for c in '\u{c0}'..=char::MAX {
        let of_class = marks.entry(canonical_combining_class(c)).or_default();
        of_class.push(c);
        if canonical_combining_class(c) > 0 && of_class.len() <= 2 {
            hard.push(c);
        }
        let mut parts = Vec::new();
        decompose_canonical(c, |part| parts.push(part));
        if parts.len() > 1 && !('\u{ac00}'..='\u{d7a3}').contains(&c) {
            decomposable += 1;
            let last = parts.pop().unwrap();
            if !hard.contains(&last) {
                hard.push(last);
            }
            if decomposable % 16 == 0 || parts.len() > 2 {
                hard.push(c);
            }
        }
    }
    hard
});

#[test]
fn every_scalar_is_normalised_alike() {
    let scalars: Vec<char> = ('\0'..=char::MAX).collect();
    for batch in scalars.chunks(64) {
        let around = |c: &char| format!("e{c}\u{301}x{c}\u{323} {c}{c}o");
        check(&batch.iter().map(around).collect::<String>());
        check(&batch.iter().collect::<String>());
    }
    for c in scalars.iter().filter(|c| **c < '\u{3100}' || ('\u{e000}'..'\u{12000}').contains(*c)) {
        check(&c.to_string());
    }
}

#[test]
fn every_pair_of_hard_characters_is_normalised_alike() {
    eprintln!("{} characters", HARD.len());
    for first in HARD.iter() {
        check(&HARD.iter().map(|second| format!("{first}{second}x")).collect::<String>());
    }
}

#[test]
fn random_sequences_of_hard_characters_are_normalised_alike() {
    for number in 0..60_000 {
        let key = rng::derive(5000, number);
        let length = [3, 6, 20, 80][rng::bits(key, 0) as usize % 4];
        // Some lines have marks only.
        let some = [HARD.len(), HARD.len(), 40][rng::bits(key, 1) as usize % 3];
        let start = rng::bits(key, 2) as usize % (HARD.len() - some + 1);
        let hard = &HARD[start..start + some];
        check(
            &(3..3 + length).map(|i| hard[rng::bits(key, i) as usize % some]).collect::<String>(),
        );
    }
}

#[test]
fn as_many_marks_as_one_likes_are_in_order() {
    let marks: Vec<char> =
        HARD.iter().copied().filter(|c| canonical_combining_class(*c) > 0).collect();
    let start = Instant::now();
    for length in [31, 33, 1000, 20_000] {
        let mark = |i: u64| marks[rng::scramble(i) as usize % marks.len()];
        let line: String = std::iter::once('o').chain((0..length).map(mark)).collect();
        check(&format!("{line} a{line}"));
    }
    eprintln!("{:?}", start.elapsed());
    assert!(start.elapsed().as_secs() < 20);
}

/// A change to a line that does not show.
type Mangling = (&'static str, fn(&str) -> String);

const MANGLINGS: [Mangling; 11] = [
    ("no-break spaces", |line| line.replace(' ', "\u{a0}")),
    ("one no-break space", |line| line.replacen(' ', "\u{a0}", 1)),
    ("tabs", |line| line.replace(' ', "\t")),
    ("ideographic spaces", |line| line.replace(' ', "\u{3000}")),
    ("a zero-width space in front", |line| format!("\u{200b}{line}")),
    ("NFD", |line| line.nfd().collect()),
    ("soft hyphens", |line| line.chars().flat_map(|c| [c, '\u{ad}']).collect()),
    ("double spaces", |line| line.replace(' ', "  ")),
    ("a trailing space", |line| format!("{line} ")),
    ("a byte-order mark", |line| format!("\u{feff}{line}")),
    ("controls and word joiners", |line| line.replace(' ', " \u{2060}\u{1b}")),
];

#[test]
fn lines_that_look_equal_have_equal_tokens() {
    let [old, nfc, nfkc] = &*FORMS;
    let lines: Vec<_> = QUICKSTART.iter().step_by(20).collect();
    for (what, mangle) in MANGLINGS {
        let mut changed = 0;
        for line in &lines {
            let (clean, mangled) = (nfc.vocab.source().encode(line).unwrap(), mangle(line));
            assert_eq!(nfc.vocab.source().encode(&mangled).unwrap(), clean, "{what}: {line}");
            assert_eq!(encode(&nfc.device, &mangled), clean, "{what}: {line}");
            assert_eq!(
                nfkc.vocab.source().encode(&mangled).unwrap(),
                nfkc.vocab.source().encode(line).unwrap()
            );
            // A vocabulary without normalisation encodes the text as it is.
            let ids = old.vocab.source().encode(&mangled).unwrap();
            assert_eq!(encode(&old.device, &mangled), ids, "{what}: {line}");
            let written = mangled.replace(char::is_control, " ");
            assert_eq!(old.vocab.target().decode(&ids).unwrap(), written, "{what}");
            changed += usize::from(ids != old.vocab.source().encode(line).unwrap());
        }
        assert!(changed > lines.len() / 10, "{what}: {changed}");
    }
    let odd = ["\u{200b}", " \t", "\u{feff} \u{ad}\u{a0}", "\0"];
    for line in odd {
        assert_eq!(nfc.vocab.source().encode(line).unwrap(), [0; 0]);
        assert_eq!(encode(&nfc.device, line), [0; 0]);
    }
}

#[test]
fn the_tables_say_the_normalisation() {
    let forms = [token::Normalization::None, token::Normalization::Nfc, token::Normalization::Nfkc];
    for ((pair, form), version) in FORMS.iter().zip(forms).zip([1, 2, 2]) {
        assert_eq!(pair.device.normalization(), form);
        assert_eq!([pair.tables[3], pair.tables[5]], [version, form.code()]);
    }
    let mut tables = FORMS[0].tables.to_vec();
    // Version 1 has no normalisation.
    tables[5] = 1;
    assert!(Tokenizer::new(&tables).is_err());
    tables[3] = 2;
    assert!(Tokenizer::new(&tables).is_ok());
    tables[5] = 3;
    assert!(Tokenizer::new(&tables).is_err());
}

#[test]
fn compatible_characters_are_the_same_where_that_is_asked_for() {
    let nfkc = &FORMS[2];
    let pairs = [
        ("ﬁn", "fin"),
        ("２０", "20"),
        ("™", "TM"),
        ("a\u{2026}", "a..."),
        ("\u{a8}a", "\u{308}a"),
    ];
    for (line, same) in pairs {
        assert_eq!(normal(LineForm::Nfkc, line), same);
        let ids = nfkc.vocab.source().encode(line).unwrap();
        assert_eq!(ids, nfkc.vocab.source().encode(same).unwrap());
        assert_eq!(encode(&nfkc.device, same), ids);
        assert_eq!(normal(LineForm::Nfc, line), line);
    }
    for c in '\0'..=char::MAX {
        let once = normal(LineForm::Nfkc, &format!("a{c}b {c}"));
        assert_eq!(normal(LineForm::Nfkc, &once), once, "{c:?}");
    }
}

#[test]
fn text_that_is_normal_makes_the_vocabulary_that_it_made_without_a_normalisation() {
    let learn = |form| {
        let mut words = Words::new(form);
        QUICKSTART.iter().for_each(|line| words.add(line));
        let vocab = Vocab::learn_words(words, 4000, true, &mut || Ok(())).unwrap();
        serde_json::from_slice::<serde_json::Value>(&vocab.to_bytes()).unwrap()
    };
    let [none, nfc] = [LineForm::None, LineForm::Nfc].map(learn);
    assert_eq!(none["model"].to_string(), nfc["model"].to_string());
    assert!(none["normalizer"].is_null() && !nfc["normalizer"].is_null());
}
