//! Tokenisers, on characters of all of Unicode.

use a2d_host::score::MetricOptions;
use a2d_host::score::tokenize::{Tercom, Tokenizer, words};

use crate::answers::{fixture, list, parsed, text};

/// A line with `c` in different places.
fn line(c: char) -> String {
    format!("a{c}b 1{c}2 {c}c{c} 3{c}d{c}4{c}")
}

/// The tokens of the line of `c`, with `?` in place of `c`.
fn shape(c: char, space: impl Fn(&str) -> String) -> String {
    let spaced = space(&line(c));
    words(&spaced).collect::<Vec<_>>().join("|").replace(c, "?")
}

/// The step between the characters of a range that are checked; both ends always are.
const STEP: usize = 61;

#[test]
fn every_character_is_split_as_by_sacrebleu() {
    for answer in list(&fixture("characters.json", "SCORE_CHARACTERS")) {
        let options = text(&answer["options"]);
        let (metrics, MetricOptions { bleu, ter, .. }) = parsed(options);
        let space = |line: &str| match metrics[0].as_str() {
            "bleu" => bleu.tokenizer.space(line).into_owned(),
            _ => ter.tercom.space(line),
        };
        let mut different = Vec::new();
        for range in list(&answer["ranges"]) {
            let [first, last, number] = [0, 1, 2].map(|k| range[k].as_u64().unwrap());
            let expected = text(&answer["shapes"][number as usize]);
            let codes = (first as u32..last as u32).step_by(STEP).chain([last as u32]);
            for c in codes.filter_map(char::from_u32) {
                let found = shape(c, space);
                if found != expected {
                    different.push(format!("{c:?} {found} not {expected}"));
                }
            }
        }
        assert!(different.is_empty(), "{options}: {}", different.join("\n"));
    }
}

#[test]
fn tokens_are_those_of_13a() {
    for (line, tokens) in [
        ("", ""),
        ("Ein Satz.", "Ein Satz ."),
        ("a.. b", "a . . b"),
        ("1.,2", "1 . , 2"),
        ("é1.,2 1..2", "é1 . , 2 1 . . 2"),
        ("1,000.50-60 .5", "1,000.50 - 60 . 5"),
        ("10-fach e-mail -1", "10 - fach e-mail -1"),
        ("don't \"say\" (it)", "don't \" say \" ( it )"),
        ("&amp;lt; &quot;&apos;", "< \" & apos ;"),
        ("a<skipped>b", "ab"),
        ("日本.語, é,", "日本 . 語 , é ,"),
        ("a\u{a0}b\u{1c}c\u{200b}d", "a b c\u{200b}d"),
    ] {
        let spaced = Tokenizer::V13a.space(line);
        assert_eq!(words(&spaced).collect::<Vec<_>>().join(" "), tokens, "{line:?}");
    }
}

#[test]
fn words_of_ter_keep_their_punctuation_unless_told() {
    let normalized = Tercom { normalized: true, ..Tercom::default() };
    let bare = Tercom { no_punct: true, case_sensitive: true, ..Tercom::default() };
    for (tercom, tokens) in [
        (Tercom::default(), "the dog's (1,000) days."),
        (normalized, "the dog 's ( 1,000 ) days ."),
        (bare, "The dog's 1000 days"),
    ] {
        let spaced = tercom.space("The dog's (1,000) days.");
        assert_eq!(words(&spaced).collect::<Vec<_>>().join(" "), tokens, "{tercom:?}");
    }
}

#[test]
fn a_language_has_the_tokeniser_that_sacrebleu_takes_for_it() {
    for (code, name) in [
        ("zh", "zh"),
        ("zh-TW", "zh"),
        ("zho_Hans", "zh"),
        ("ZH", "zh"),
        ("ja", "char"),
        ("jpn_Jpan", "char"),
        ("ko", "char"),
        ("de", "13a"),
        ("kok", "13a"),
        ("th", "13a"),
        ("", "13a"),
    ] {
        assert_eq!(Tokenizer::of_language(code).name(), name, "{code}");
    }
}
