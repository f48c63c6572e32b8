//! `host score`: input, output and errors.

use std::fs;
use std::path::{Path, PathBuf};

use a2d_host::score::command::{self, ScoreRequest};
use a2d_host::score::triples::Export;
use a2d_host::score::{Bleu, MetricOptions, Watch, bleu, corpus, sentences};
use a2d_host::system::error::Error;
use a2d_host::system::text::read_lines;
use serde_json::Value;

use crate::answers::metric;
use crate::files::Files;

/// `printf 'Ja.\nNein.\n' | gzip -n9`
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xf3, 0x4a, 0xd4, 0xe3, 0xf2, 0x4b,
    0xcd, 0xcc, 0xd3, 0xe3, 0x02, 0x00, 0x62, 0x68, 0xb3, 0xe2, 0x0a, 0x00, 0x00, 0x00,
];

fn request(hypothesis: &Path, references: &[&Path], metrics: &[&str]) -> ScoreRequest {
    ScoreRequest {
        hypothesis: hypothesis.into(),
        references: references.iter().map(PathBuf::from).collect(),
        metrics: metrics.iter().map(|name| name.to_string()).collect(),
        options: MetricOptions::default(),
        sentence: false,
        json: false,
        score_only: false,
        places: 1,
        export: None,
    }
}

/// The printed output.
fn output(request: &ScoreRequest) -> Result<String, Error> {
    let mut out = Vec::new();
    command::run(request, Watch::Nobody, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The message of a request that must be refused with exit code 2.
fn refusal(request: &ScoreRequest) -> String {
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
        serde_json::from_str(&output(&ScoreRequest { json: true, ..request }).unwrap()).unwrap();
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
            "unknown metric `rouge`; known are bleu, chrf, chrf++, ter, accuracy".into(),
        ),
        (
            request(&two, &[&two], &[]),
            "no metric; known are bleu, chrf, chrf++, ter, accuracy".into(),
        ),
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
    assert!(refusal(&request(&missing, &[&missing], &["rouge"])).contains("`rouge`"));
}

#[test]
fn every_line_has_its_scores_with_tabs_between() {
    let files = Files::new();
    let hypothesis = files.write("hyp", "Das ist ein guter Satz.\n\nJa\n");
    let reference = files.write("ref", "Das ist ein langer Satz.\nNein\nJa\n");
    let request = ScoreRequest {
        sentence: true,
        score_only: true,
        places: 2,
        ..request(&hypothesis, &[&reference], &["bleu", "ter"])
    };
    assert_eq!(output(&request).unwrap(), "37.99\t20.00\n0.00\t100.00\n100.00\t0.00\n");
    let lines = output(&ScoreRequest { score_only: false, places: 1, ..request.clone() }).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        format!(
            "BLEU|nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:a2d-{version} = 100.0 \
             100.0/0.0/0.0/0.0 (BP = 1.000 ratio = 1.000 hyp_len = 1 ref_len = 1)\t\
             TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:a2d-{version} = 0.0"
        )
    );
    let list = output(&ScoreRequest { json: true, ..request }).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let hypotheses = read_lines(&hypothesis).unwrap();
    let references = [read_lines(&reference).unwrap()];
    let alone = Bleu { effective_order: true, ..Bleu::default() };
    for (k, score) in
        sentences(&alone, &hypotheses, &references, Watch::Nobody).unwrap().iter().enumerate()
    {
        assert!((list[0]["scores"][k].as_f64().unwrap() - score.score).abs() < 1e-12);
        assert_eq!(list[0]["signature"], score.signature);
    }
    assert_eq!(list[1]["scores"].as_array().unwrap().len(), 3);
}

#[test]
fn settings_change_scores_and_signatures() {
    let (hypotheses, references) = (["Ein SATZ – ja!"], [vec!["ein Satz – ja!"]]);
    for (options, line) in [
        ("bleu --tokenize char --lowercase", "BLEU|nrefs:1|case:lc|eff:no|tok:char|smooth:exp"),
        (
            "bleu --tokenize intl --smooth-method floor",
            "BLEU|nrefs:1|case:mixed|eff:no|tok:intl|smooth:floor[0.10]",
        ),
        (
            "bleu --tokenize zh --smooth-method add-k --smooth-value 2.5",
            "BLEU|nrefs:1|case:mixed|eff:no|tok:zh|smooth:add-k[2.50]",
        ),
        ("chrf++ --chrf-lowercase", "chrF2++|nrefs:1|case:lc|eff:yes|nc:6|nw:2|space:no"),
        (
            "chrf --chrf-char-order 3 --chrf-word-order 1 --chrf-beta 1 --chrf-whitespace \
             --chrf-eps-smoothing",
            "chrF1+|nrefs:1|case:mixed|eff:no|nc:3|nw:1|space:yes",
        ),
        (
            "ter --ter-normalized --ter-no-punct --ter-asian-support --ter-case-sensitive",
            "TER|nrefs:1|case:mixed|tok:tercom|norm:yes|punct:no|asian:yes",
        ),
    ] {
        let score = corpus(&*metric(options, false), &hypotheses, &references).unwrap();
        assert!(score.to_string().starts_with(&format!("{line}|version:a2d-")), "{score}");
    }
}

#[test]
fn triples_are_what_comet_takes() {
    let files = Files::new();
    let hypothesis = files.write("hyp", "one \"two\"\n\n");
    let reference = files.write("ref", "eins\tzwei\nä\n");
    let export = |name: &str, source: &[u8]| Export {
        source: files.write("src", source),
        files: vec![files.path(name)],
    };
    let plain = request(&hypothesis, &[&reference], &["bleu"]);
    let request = ScoreRequest { export: Some(export("out.jsonl", b"a\nb\\\n")), ..plain.clone() };
    assert_eq!(output(&request), output(&plain), "the scores are the same");
    assert_eq!(
        fs::read_to_string(files.path("out.jsonl")).unwrap(),
        "{\"src\":\"a\",\"mt\":\"one \\\"two\\\"\",\"ref\":\"eins\\tzwei\"}\n\
         {\"src\":\"b\\\\\",\"mt\":\"\",\"ref\":\"ä\"}\n"
    );
    let twice = ScoreRequest { references: vec![reference.clone(), reference], ..request };
    assert_eq!(refusal(&twice), "--export-triples takes one reference, found 2");
    let short = ScoreRequest { export: Some(export("out.jsonl", b"a\n")), ..plain.clone() };
    let expected = ["different numbers of lines: 2 in ", "hyp, 1 in ", "src"];
    assert!(expected.iter().all(|part| refusal(&short).contains(part)), "{}", refusal(&short));
    let mut stdout = export("-", b"a\nb\n");
    stdout.files = vec!["-".into()];
    let stdout = ScoreRequest { export: Some(stdout), ..plain.clone() };
    assert!(refusal(&stdout).contains("standard output is for the scores"));
    let nowhere = ScoreRequest { export: Some(export("nowhere/out", b"a\nb\n")), ..plain };
    let error = output(&nowhere).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    assert!(error.to_string().contains("nowhere/out: no such file or directory"), "{error}");
}
