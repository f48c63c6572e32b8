//! Tokenisers, on every character there is.

use a2d_host::score::tokenize::{Tercom, Tokenizer, words};

use crate::answers::{fixture, list, parsed, text};

/// A line with the character in all kinds of places.
fn line(c: char) -> String {
    format!("a{c}b 1{c}2 {c}c{c} 3{c}d{c}4{c}")
}

/// The tokens of BLEU or TER with these settings, `?` standing for the character.
fn shape(options: &str, c: char) -> String {
    let (metrics, settings) = parsed(options);
    let line = line(c);
    let spaced = match metrics[0].as_str() {
        "bleu" => settings.bleu.tokenizer.space(&line).into_owned(),
        _ => settings.ter.tercom.space(&line),
    };
    words(&spaced).collect::<Vec<_>>().join("|").replace(c, "?")
}

#[test]
fn every_character_is_split_as_by_sacrebleu() {
    for answer in list(&fixture("characters.json", "SCORE_CHARACTERS")) {
        let options = text(&answer["options"]);
        let mut different = Vec::new();
        for range in list(&answer["ranges"]) {
            let [first, last, shape_number] = [0, 1, 2].map(|k| range[k].as_u64().unwrap());
            let expected = text(&answer["shapes"][shape_number as usize]);
            // A range is uniform there; its ends show whether it is as long here.
            for code in [first, first.midpoint(last), last] {
                let Some(c) = char::from_u32(code as u32) else { continue };
                let found = shape(options, c);
                if found != expected {
                    different.push(format!("U+{code:04X} {found} not {expected}"));
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
