//! Every check of a corpus: what is reported, cleaned or refused.

use super::{found, misuse, prepared, quickstart_lines, workshop};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::prepare::{
    Check, PrepareRequest, Report, Script, load_report, run, up_to_date,
};
use a2d_host::data::vocab::Vocab;
use a2d_host::system::text::read_lines;
use std::fs;
use std::path::Path;

/// Pairs without flaws.
fn good(pairs: usize) -> [Vec<Vec<u8>>; 2] {
    ["de", "en"].map(|lang| {
        let lines = quickstart_lines(&format!("valid.{lang}"));
        lines[..pairs].iter().map(|line| line.as_bytes().to_vec()).collect()
    })
}

fn put(folder: &Path, name: &str, [source, target]: &[Vec<Vec<u8>>; 2]) {
    for (lang, lines) in [("de", source), ("en", target)] {
        fs::write(folder.join(format!("{name}.{lang}")), lines.join(&b'\n')).unwrap();
    }
}

/// Writes thirty good pairs and `flaws` after them.
fn with(folder: &Path, name: &str, flaws: &[(&[u8], &[u8])]) {
    let mut text = good(30);
    for (source, target) in flaws {
        text[0].push(source.to_vec());
        text[1].push(target.to_vec());
    }
    put(folder, name, &text);
}

/// Pairs with one flaw each.
const FLAWS: [(Check, &str, &str); 21] = [
    (Check::Empty, "", "lost"),
    (Check::Empty, "blank", " \t"),
    (Check::Identical, "Kopie hier", "Kopie hier "),
    (Check::Unbalanced, "Ja", "a sentence of very many words that say more than one word can say"),
    (Check::Encoding, "schÃ¶n und gut", "fair and good"),
    (Check::Encoding, "ganz gut so", "donâ€™t say so"),
    (Check::Encoding, "ein Zeichen\u{FFFD} zu viel", "one sign too many"),
    (Check::Encoding, "ein Laut\u{92}", "one sound"),
    (Check::Encoding, "mitten\u{85}drin", "in the midst"),
    (Check::Script, "по-русски говорят", "they speak in Russian"),
    (Check::Script, "sie sprechen griechisch", "μιλούν ελληνικά"),
    (Check::Script, "auf Japanisch", "日本語で話します"),
    (Check::Overlap, "DIESER  satz wird geprüft", "nothing else is the same"),
    (Check::Overlap, "sonst ist nichts gleich", "This sentence is tested\t"),
    (Check::Overlap, "noch ein Satz der Prüfung", "another one"),
    (Check::Overlap, "Noch ein Satz der Prüfung …!", "the same but for its end"),
    (Check::Overlap, "nur das Ziel ist gleich", "ONE OF THESE."),
    (Check::NearDuplicate, "fast zweimal gesagt", "nearly said twice"),
    (Check::NearDuplicate, "Fast  zweimal gesagt!", "nearly said twice."),
    (Check::Ambiguous, "zweimal dieselbe Quelle", "first"),
    (Check::Ambiguous, "zweimal dieselbe Quelle", "second"),
];

/// A workshop whose training text has all of `FLAWS`, from line 31 on.
fn flawed() -> (tempfile::TempDir, PrepareRequest) {
    let (folder, request) = workshop();
    let flaws: Vec<_> = FLAWS.iter().map(|(_, s, t)| (s.as_bytes(), t.as_bytes())).collect();
    with(folder.path(), "train", &flaws);
    let lines = |pairs: [[&str; 2]; 2]| pairs.map(|side| side.map(|l| l.into()).to_vec());
    let watched = [["Nur hier steht dies", "Und hier steht das"], ["only here", "only there"]];
    put(folder.path(), "valid", &lines(watched));
    let tested = [
        ["Dieser Satz wird geprüft", "Noch ein Satz der Prüfung"],
        ["this sentence is tested", "one of these"],
    ];
    put(folder.path(), "test", &lines(tested));
    (folder, request)
}

#[test]
fn every_flaw_is_found_and_no_other() {
    let (_folder, request) = flawed();
    let (report, told) = prepared(&request);
    let train = &report.splits[0];
    for check in Check::ALL {
        let wanted = FLAWS.iter().enumerate().filter(|(_, flaw)| flaw.0 == check);
        let mut wanted: Vec<_> = wanted.map(|(i, _)| 31 + i).collect();
        if [Check::NearDuplicate, Check::Ambiguous].contains(&check) {
            // The first of the two pairs is not reported.
            wanted.remove(0);
        }
        assert_eq!(found(train, check), wanted, "{check:?}: {told}");
        assert_eq!(train.finding(check).unwrap().share, wanted.len() as f64 / 51.0);
    }
    assert_eq!(train.flawed, 17);
    assert_eq!((train.lines, train.kept), (51, 49), "the blank ones are left out, as ever");
    assert_eq!(train.scripts, [Some(Script::Latin); 2]);
    assert_eq!(found(&report.splits[2], Check::Overlap), [1, 2]);
    assert_eq!(report.warnings, [""; 0]);
}

#[test]
fn the_report_is_in_the_folder() {
    let (_folder, request) = flawed();
    let (report, _) = prepared(&request);
    let saved = fs::read(request.out.join("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&saved).unwrap(), report);
    assert_eq!(load_report(&request.out).unwrap(), report);
    let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    let finding = &saved["splits"][0]["findings"][4];
    assert_eq!((&finding["check"], &finding["count"]), (&"identical".into(), &1.into()));
    assert_eq!(finding["samples"][0]["target"], "Kopie hier ");
    assert_eq!(finding["samples"][0]["line"], 33);
    // Training does not need the report.
    fs::remove_file(request.out.join("report.json")).unwrap();
    assert!(up_to_date(&request));
}

#[test]
fn cleaning_leaves_out_what_is_flawed_and_nothing_else() {
    let (folder, request) = flawed();
    let clean = PrepareRequest { clean: true, ..request.clone() };
    let (report, _) = prepared(&clean);
    let train = &report.splits[0];
    assert_eq!((train.lines, train.kept, train.flawed), (51, 34, 0));
    let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
    let corpus = Corpus::open(&request.out.join("train.bin")).unwrap();
    let target = |i| vocab.target().decode(&corpus.pair(i).unwrap().1).unwrap();
    assert_eq!((target(32), target(33)), ("first".into(), "second".into()));
    // The test text is not cleaned.
    let test = &report.splits[2];
    assert_eq!((test.lines, test.kept, test.flawed), (2, 2, 2));
    assert!(
        !test.finding(Check::Overlap).unwrap().left_out
            && train.finding(Check::Overlap).unwrap().left_out
    );
    assert!(up_to_date(&clean) && !up_to_date(&request));

    // The vocabulary is learnt from what is kept, and from unbalanced pairs: lengths in tokens are not known yet.
    let learnt = [Check::NearDuplicate, Check::Ambiguous, Check::Unbalanced];
    let flaws = FLAWS.iter().filter(|flaw| learnt.contains(&flaw.0));
    let flaws: Vec<_> = flaws.map(|(_, s, t)| (s.as_bytes(), t.as_bytes())).collect();
    with(folder.path(), "train", &flaws);
    let (again, _) = prepared(&request);
    assert_eq!(again.vocabulary, report.vocabulary);
}

/// The test text is scored whole, whatever its lines are like.
#[test]
fn lines_of_a_test_are_scored_though_the_loss_lacks_them() {
    let (folder, request) = workshop();
    let long = "Haus ".repeat(300);
    with(folder.path(), "train", &[(b"", b"lost"), (b"ja", b"indeed")]);
    with(folder.path(), "test", &[(long.as_bytes(), b"long"), (b"", b"lost"), (b"Ja!", b"Yes?")]);
    let (report, told) = prepared(&request);
    let lines = |name: &str| fs::read_to_string(request.out.join(name)).unwrap().lines().count();
    let test = report.splits.last().unwrap();
    assert_eq!(lines("test.source"), test.lines);
    assert_eq!(test.kept + 2, test.lines);
    let (train, rest) = told.split_once("valid: ").unwrap();
    assert!(train.contains(" %  left out\n") && !rest.contains("left out"), "{told}");
    assert_eq!(rest.matches(" %  out of the loss, but scored\n").count(), 2, "{told}");
    assert_eq!(test.finding(Check::Overlap).unwrap().count, 31, "but for case and punctuation");
}

#[test]
fn strictness_is_one_line_and_nothing_but_the_report() {
    let (_folder, request) = flawed();
    let strict = PrepareRequest { strict: Some(0.0), ..request.clone() };
    let message = misuse(run(&strict, &mut Vec::new()));
    let report = request.out.join("report.json");
    for part in [
        "test: 2 of 2 pairs have flaws",
        "a side is in the training or validation text (2, the first in line 1)",
        &report.display().to_string(),
    ] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    let left: Vec<_> = fs::read_dir(&request.out).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left, [report]);
    // Flaws up to the allowed share pass, and so do flaws that are cleaned.
    prepared(&PrepareRequest { strict: Some(100.0), ..request.clone() });
    assert!(up_to_date(&request), "how strict it was does not matter later");
    let before = fs::read(request.out.join("data.json")).unwrap();
    misuse(run(&strict, &mut Vec::new()));
    assert_eq!(fs::read(request.out.join("data.json")).unwrap(), before);
    let clean = PrepareRequest { clean: true, test: None, ..strict.clone() };
    prepared(&clean);
    misuse(run(&PrepareRequest { clean: false, ..clean }, &mut Vec::new()));
}

#[test]
fn unreadable_lines_are_left_out_where_that_is_asked_for() {
    let (folder, request) = flawed();
    let long = vec![b'x'; 3 << 20];
    with(folder.path(), "train", &[(b"sch\xf6n", b"fair"), (&long, b"long"), (b"gut", b"good")]);
    let message = misuse(run(&request, &mut Vec::new()));
    assert!(message.contains("train.de:31: not UTF-8; correct it"), "{message}");
    let clean = PrepareRequest { clean: true, ..request.clone() };
    let (report, told) = prepared(&clean);
    assert_eq!(found(&report.splits[0], Check::Unreadable), [31, 32]);
    assert_eq!(report.splits[0].kept, 31);
    assert!(
        told.contains("31: sch\\xf6n | fair") && told.contains("(over 1 MiB) | long"),
        "{told}"
    );

    with(folder.path(), "valid", &[(b"sch\xf6n", b"fair")]);
    let message = misuse(run(&clean, &mut Vec::new()));
    assert!(message.ends_with("valid.de:31: not UTF-8"), "{message}");
}

#[test]
fn samples_are_short_and_harmless() {
    let (folder, request) = workshop();
    let line = "Kopie\u{1b}[31m\u{FEFF} ".to_owned() + &"ü".repeat(100);
    with(folder.path(), "train", &[(line.as_bytes(), line.as_bytes())]);
    let (report, told) = prepared(&request);
    let sample = &report.splits[0].finding(Check::Identical).unwrap().samples[0];
    assert!(sample.source.starts_with("Kopie\\u{1b}[31m\\u{feff} üüü"), "{sample:?}");
    assert_eq!(sample.source.chars().filter(|c| *c == 'ü').count(), 60 - 12);
    assert!(sample.source.ends_with('…') && !told.contains('\u{1b}'));
}

#[test]
fn swapped_languages_are_told() {
    let (folder, request) = workshop();
    for name in ["train", "valid", "test"] {
        let file = |lang: &str| folder.path().join(format!("{name}.{lang}"));
        fs::rename(file("de"), file("ru")).unwrap();
    }
    let russian = PrepareRequest { source_lang: "ru".into(), ..request };
    let (report, told) = prepared(&russian);
    let warning = "train.ru is mostly in Latin script, and ru is written in Cyrillic";
    assert!(report.warnings[0].contains(warning) && told.contains("\nwarning: "), "{told}");
    let strict = PrepareRequest { strict: Some(100.0), ..russian };
    assert!(misuse(run(&strict, &mut Vec::new())).contains(warning));
}

#[test]
fn lines_are_counted_across_what_is_read_at_once() {
    let (folder, request) = workshop();
    let number = |i: usize, side: &str| format!("{side} {i}\r").into_bytes();
    let mut text = ["Satz", "sentence"].map(|side| (0..40_000).map(|i| number(i, side)).collect());
    for side in &mut text {
        let side: &mut Vec<Vec<u8>> = side;
        // The last line has no line ending, so a carriage return would be part of it.
        side[39_999] = side[3].clone();
        side[39_999].pop();
        side[20_000] = side[16_384].clone();
    }
    put(folder.path(), "train", &text);
    let (report, _) = prepared(&request);
    assert_eq!(found(&report.splits[0], Check::Duplicate), [20_001, 40_000]);
    let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
    let corpus = Corpus::open(&request.out.join("train.bin")).unwrap();
    for i in [0, 16_383, 16_384, 32_768, 39_998] {
        let (source, target) = corpus.pair(i).unwrap();
        assert_eq!(vocab.target().decode(&source).unwrap(), format!("Satz {i}"));
        assert_eq!(vocab.target().decode(&target).unwrap(), format!("sentence {i}"));
    }
    // Lines are counted to the end, even if the difference is known before.
    fs::write(folder.path().join("train.en"), "one\ntwo").unwrap();
    let message = misuse(run(&request, &mut Vec::new()));
    assert!(message.contains("train.de has 40000 lines"), "{message}");
    assert!(message.contains("train.en has 2:"), "{message}");
}

#[test]
fn the_vocabulary_is_that_of_the_lines() {
    let (folder, request) = workshop();
    let (report, _) = prepared(&request);
    let lines =
        ["de", "en"].map(|l| read_lines(&folder.path().join(format!("train.{l}"))).unwrap());
    let lines = lines.iter().flatten().map(String::as_str);
    let vocab = Vocab::learn_with(lines, request.vocab_size, true).unwrap();
    assert_eq!(report.vocabulary.fingerprint, vocab.fingerprint());
    assert_eq!(report.vocabulary.every, 1);
}
