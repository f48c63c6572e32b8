//! Normalisation of text, and its report.

use super::{found, prepared, workshop};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::prepare::{
    Check, Freshness, Given, Normalized, PrepareRequest, Report, load_report, state, up_to_date,
};
use a2d_host::data::vocab::{LineForm, Vocab};
use a2d_host::system::text::read_lines;
use std::fs;
use std::path::Path;

/// Appends pairs to a text, from line 301 of the training text and 101 of the others.
fn add(folder: &Path, name: &str, pairs: &[(&str, &str)]) {
    for (side, lang) in ["de", "en"].into_iter().enumerate() {
        let path = folder.join(format!("{name}.{lang}"));
        let mut text = fs::read_to_string(&path).unwrap();
        for (source, target) in pairs {
            text += [source, target][side];
            text.push('\n');
        }
        fs::write(path, text).unwrap();
    }
}

const PAIRS: [(&str, &str); 7] = [
    ("\u{feff}ganz am Anfang", "at the very start"),
    ("zwei\u{a0}Wörter", "two  words "),
    ("weiches Trenn\u{ad}zeichen", "soft\thyphen"),
    ("Scho\u{308}n", "fine\u{200b}"),
    ("ein Ton\u{7}", "one sound"),
    ("nichts\u{200b}", "\u{200b} \u{a0}"),
    ("ﬁnster", "dark"),
];

#[test]
fn what_normalisation_changes_is_counted_and_mended() {
    let (folder, request) = workshop();
    add(folder.path(), "train", &PAIRS);
    add(folder.path(), "test", &PAIRS[..1]);
    let (report, told) = prepared(&request);
    let train = &report.splits[0];
    // The blank side has a no-break space and an invisible character, so it counts twice.
    assert_eq!(train.normalized, Normalized { spaces: 4, invisible: 6, composition: 1 }, "{told}");
    assert_eq!(report.splits[1].normalized, Normalized::default());
    assert_eq!(report.splits[2].normalized, Normalized { invisible: 1, ..Normalized::default() });
    assert_eq!(report.vocabulary.normalization, LineForm::Nfc);
    for part in [
        "normalization nfc",
        "\n  lines with other spaces, normalised                  4   0.651 %\n",
        "\n  lines with invisible characters, dropped             6   0.977 %\n",
        "\n  lines with characters in another form                1   0.163 %\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert_eq!(found(train, Check::Empty), [306]);
    assert_eq!(found(train, Check::Encoding), [0; 0]);
    assert_eq!((train.lines, train.kept), (307, 306));
    let saved = fs::read(request.out.join("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&saved).unwrap(), report);
    let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
    let corpus = Corpus::open(&request.out.join("train.bin")).unwrap();
    let text = |i| vocab.target().decode(&corpus.pair(i).unwrap().0).unwrap();
    let sources: Vec<_> = (300..306).map(text).collect();
    let wanted =
        ["ganz am Anfang", "zwei Wörter", "weiches Trennzeichen", "Schön", "ein Ton", "ﬁnster"];
    assert_eq!(sources, wanted);
    // The text for scoring is not normalised.
    let copy = read_lines(&request.out.join("test.source")).unwrap();
    assert_eq!(copy[100], PAIRS[0].0);
}

#[test]
fn other_forms_are_other_data() {
    let (folder, request) = workshop();
    add(folder.path(), "train", &PAIRS);
    prepared(&request);
    let plain = PrepareRequest { normalization: LineForm::None, ..request.clone() };
    let Freshness::Other(why) = state(&plain) else { panic!("{:?}", state(&plain)) };
    assert_eq!(why, "it was prepared with `data.normalization` nfc, not none");
    let (report, told) = prepared(&plain);
    let train = &report.splits[0];
    assert_eq!(train.normalized, Normalized::default());
    assert!(!told.contains("lines with"), "{told}");
    assert_eq!(found(train, Check::Encoding), [301, 305]);
    assert_eq!(found(train, Check::Empty), [0; 0]);
    assert!(up_to_date(&plain) && !up_to_date(&request));
    let (report, _) =
        prepared(&PrepareRequest { normalization: LineForm::Nfkc, ..request.clone() });
    assert_eq!(report.splits[0].normalized.composition, 2);
}

#[test]
fn a_given_vocabulary_decides_how_text_is_normalised() {
    let (folder, request) = workshop();
    add(folder.path(), "train", &PAIRS);
    prepared(&PrepareRequest { normalization: LineForm::None, ..request.clone() });
    let vocabulary = folder.path().join("given.json");
    fs::rename(request.out.join("tokenizer.json"), &vocabulary).unwrap();
    let given = PrepareRequest { vocabulary: Some(Given::Tokenizer(vocabulary)), ..request };
    let (report, _) = prepared(&given);
    assert_eq!(report.vocabulary.normalization, LineForm::None);
    assert_eq!(report.splits[0].normalized, Normalized::default());
    assert!(up_to_date(&given));
    assert!(up_to_date(&PrepareRequest { normalization: LineForm::Nfkc, ..given }));
}

#[test]
fn folders_that_say_nothing_of_a_normalisation_have_none() {
    let (_folder, request) = workshop();
    let plain = PrepareRequest { normalization: LineForm::None, ..request.clone() };
    let (report, _) = prepared(&plain);
    let path = request.out.join("data.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let gone = |value: &mut serde_json::Value, key: &str| {
        assert!(value.as_object_mut().unwrap().remove(key).is_some());
    };
    gone(&mut manifest["choices"], "normalization");
    gone(&mut manifest["report"]["vocabulary"], "normalization");
    for split in manifest["report"]["splits"].as_array_mut().unwrap() {
        gone(split, "normalized");
    }
    fs::write(path, manifest.to_string()).unwrap();
    assert_eq!(load_report(&request.out).unwrap(), report);
    assert!(up_to_date(&plain) && !up_to_date(&request));
}

#[test]
fn sentences_that_look_equal_are_copies_and_leak() {
    let (folder, request) = workshop();
    let overlap =
        |report: &Report, split: usize| report.splits[split].finding(Check::Overlap).unwrap().count;
    let (before, _) = prepared(&request);
    add(
        folder.path(),
        "train",
        &[("Schönes  Haus", "fine house"), ("Scho\u{308}nes Haus", "fine\u{a0}house")],
    );
    add(folder.path(), "train", &[("Das Gleiche\u{200b}", "Das Gleiche")]);
    add(folder.path(), "valid", &[("Scho\u{308}\u{ad}nes Haus", "another one")]);
    let (report, told) = prepared(&request);
    assert_eq!(found(&report.splits[0], Check::Duplicate), [302], "{told}");
    assert_eq!(found(&report.splits[0], Check::Identical), [303], "{told}");
    assert_eq!(overlap(&report, 0), overlap(&before, 0) + 2, "{told}");
    assert_eq!(overlap(&report, 1), overlap(&before, 1) + 1, "{told}");
}
