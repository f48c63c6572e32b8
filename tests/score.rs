//! Scores against sacreBLEU's (`fixtures/score`), and what `host score` refuses.

use std::fs;
use std::path::{Path, PathBuf};

use a2d_host::error::Error;
use a2d_host::score::command::{self, Request};
use a2d_host::score::{Score, bleu, chrf, tokenize_13a};
use a2d_host::text::read_lines;
use serde_json::Value;
use tempfile::TempDir;

/// `printf 'Ja.\nNein.\n' | gzip -n9`
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xf3, 0x4a, 0xd4, 0xe3, 0xf2, 0x4b,
    0xcd, 0xcc, 0xd3, 0xe3, 0x02, 0x00, 0x62, 0x68, 0xb3, 0xe2, 0x0a, 0x00, 0x00, 0x00,
];

/// The fixture, or the file that `SCORE_CASES` names (see `fixtures/score/README.md`).
fn cases() -> Vec<Value> {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/score/cases.json");
    let path = std::env::var("SCORE_CASES").unwrap_or_else(|_| fixture.into());
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A line without its last setting, the version of the program.
fn versionless(line: &str) -> String {
    let (signature, rest) = line.split_once(" = ").unwrap();
    let (settings, version) = signature.rsplit_once('|').unwrap();
    assert!(version.starts_with("version:"), "{line}");
    format!("{settings} = {rest}")
}

/// How `score` differs from what the case expects under `key`, if it does.
fn difference(case: &Value, key: &str, score: &Score) -> Option<String> {
    let expected = case[key].as_f64().unwrap();
    let line = versionless(case[format!("{key}_line")].as_str().unwrap());
    let close = (score.score - expected).abs() <= 1e-9;
    if close && versionless(&score.to_string()) == line {
        return None;
    }
    Some(format!("{}: {} ({score})\n  expected {expected} ({line})", case["name"], score.score))
}

#[test]
fn scores_and_lines_equal_sacrebleu() {
    let mut differences = Vec::new();
    let cases = cases();
    for case in &cases {
        let hypotheses = strings(&case["hypotheses"]);
        let references: Vec<_> =
            case["references"].as_array().unwrap().iter().map(strings).collect();
        let bleu = bleu(&hypotheses, &references).unwrap();
        let chrf = chrf(&hypotheses, &references).unwrap();
        differences.extend(difference(case, "bleu", &bleu));
        differences.extend(difference(case, "chrf", &chrf));
    }
    assert!(!cases.is_empty());
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn signatures_name_settings_and_version() {
    let (hypotheses, references) = (["a b c d"], vec![vec!["a b c d"], vec!["a b c"]]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        bleu(&hypotheses, &references).unwrap().to_string(),
        format!(
            "BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:a2d-{version} = 100.0 \
             100.0/100.0/100.0/100.0 (BP = 1.000 ratio = 1.000 hyp_len = 4 ref_len = 4)"
        )
    );
    assert_eq!(
        format!("{:.2}", chrf(&hypotheses, &references).unwrap()),
        format!(
            "chrF2|nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:a2d-{version} = 100.00"
        )
    );
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
        assert_eq!(tokenize_13a(line).join(" "), tokens, "{line:?}");
    }
}

#[test]
fn streams_of_different_lengths_are_refused_by_count() {
    for result in [
        bleu(&["a", "b"], &[vec!["a", "b"], vec!["a"]]),
        chrf(&["a", "b"], &[vec!["a", "b"], vec!["a"]]),
    ] {
        let expected = "2 hypotheses, but 1 lines in reference 2";
        assert_eq!(result, Err(Error::misuse(expected)));
    }
    assert!(matches!(bleu(&["a"], &[]), Err(Error::Misuse(_))));
    assert!(matches!(chrf::<&str>(&[], &[vec![]]), Err(Error::Misuse(_))));
}

/// A folder of files to score.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

fn request(hypothesis: &Path, references: &[&Path], metrics: &[&str]) -> Request {
    Request {
        hypothesis: hypothesis.into(),
        references: references.iter().map(PathBuf::from).collect(),
        metrics: metrics.iter().map(|name| name.to_string()).collect(),
        json: false,
    }
}

fn output(request: &Request) -> Result<String, Error> {
    let mut out = Vec::new();
    command::run(request, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The message of a request that must be refused with exit code 2.
fn refusal(request: &Request) -> String {
    let error = output(request).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn lines_end_at_newlines_only() {
    let files = Files::new();
    let path = files.write("text", "a\u{2028}b\u{85}c\x0bd\re\r\n\n  f \r\r\nlast");
    let expected = ["a\u{2028}b\u{85}c\x0bd\re", "", "  f \r", "last"];
    assert_eq!(read_lines(&path).unwrap(), expected);
    assert_eq!(read_lines(&files.write("unix", "a\n\n")).unwrap(), ["a", ""]);
    assert!(read_lines(&files.write("empty", "")).unwrap().is_empty());
}

#[test]
fn gzipped_files_are_decompressed() {
    let files = Files::new();
    let once = files.write("once.gz", GZIPPED);
    let twice = files.write("twice.gz", [GZIPPED, GZIPPED].concat());
    assert_eq!(read_lines(&once).unwrap(), ["Ja.", "Nein."]);
    assert_eq!(read_lines(&twice).unwrap(), ["Ja.", "Nein.", "Ja.", "Nein."]);
    let cut = read_lines(&files.write("cut.gz", &GZIPPED[..20])).unwrap_err();
    assert!(cut.to_string().contains("cut.gz") && cut.exit_code() == 2, "{cut}");
}

#[test]
fn command_prints_a_line_for_each_metric_in_the_order_asked() {
    let files = Files::new();
    let hypothesis = files.write("hyp", "Das ist ein Satz .\r\nNein .\r\n");
    let reference = files.write("ref", "Das ist ein Satz.\nNein.");
    let text = output(&request(&hypothesis, &[&reference, &reference], &["chrf", "bleu"])).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("chrF2|nrefs:2|") && lines[0].ends_with(" = 100.0"), "{text}");
    assert!(lines[1].starts_with("BLEU|nrefs:2|"), "{text}");
    assert!(lines[1].contains(" = 100.0 100.0/100.0/100.0/100.0 "), "{text}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn command_writes_unrounded_scores_as_json() {
    let files = Files::new();
    let hypothesis = files.write("hyp", "Das ist ein guter Satz.\n");
    let reference = files.write("ref", "Das ist ein langer Satz.\n");
    let request = request(&hypothesis, &[&reference], &["bleu", "chrf"]);
    let list: Value =
        serde_json::from_str(&output(&Request { json: true, ..request }).unwrap()).unwrap();
    let score = bleu(&["Das ist ein guter Satz."], &[vec!["Das ist ein langer Satz."]]).unwrap();
    assert_eq!(list[0]["name"], "BLEU");
    assert_eq!(list[0]["signature"], score.signature);
    assert!((list[0]["score"].as_f64().unwrap() - score.score).abs() < 1e-12);
    assert_eq!(list[1]["name"], "chrF2");
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[0].as_object().unwrap().len(), 3);
}

#[test]
fn command_refuses_with_the_reason() {
    let files = Files::new();
    let two = files.write("two", "a\nb\n");
    let three = files.write("three", "a\nb\nc\n");
    let empty = files.write("empty", "");
    let latin = files.write("latin", b"a\nStra\xdfe\n");
    let missing = files.path("missing");
    let stdin = PathBuf::from("-");
    let shown = |path: &Path| path.display().to_string();
    for (request, expected) in [
        (
            request(&two, &[&two, &three], &["bleu"]),
            format!("different numbers of lines: 2 in {}, 3 in {}", shown(&two), shown(&three)),
        ),
        (request(&two, &[&empty], &["chrf"]), format!("nothing to score in {}", shown(&empty))),
        (request(&empty, &[&two], &["chrf"]), format!("nothing to score in {}", shown(&empty))),
        (request(&latin, &[&two], &["bleu"]), format!("{}:2: not UTF-8", shown(&latin))),
        (
            request(&two, &[&missing], &["bleu"]),
            format!("cannot read {}: no such file or directory", shown(&missing)),
        ),
        (
            request(&two, &[&two], &["bleu", "rouge"]),
            "unknown metric `rouge`; known are bleu, chrf".into(),
        ),
        (request(&two, &[&two], &[]), "no metric; known are bleu, chrf".into()),
        (
            request(&stdin, &[&two, &stdin], &["bleu"]),
            "only one of the files can be `-` (standard input)".into(),
        ),
    ] {
        assert_eq!(refusal(&request), expected);
    }
}

#[test]
fn unknown_metrics_are_refused_before_files_are_read() {
    let missing = PathBuf::from("missing");
    assert!(refusal(&request(&missing, &[&missing], &["ter"])).contains("`ter`"));
}
