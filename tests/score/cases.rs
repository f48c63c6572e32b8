//! Corpus scores and sentence scores of all metrics.

use a2d_host::score::{Score, Watch, bleu, chrf, corpus, sentences};
use a2d_host::system::error::Error;
use serde_json::Value;

use crate::answers::{close, fixture, list, metric, streams, strings, text, versionless};

/// The differences of the scores of a case from what `answer` expects.
fn differences(case: &Value, answer: &Value) -> Vec<String> {
    let hypotheses = strings(&case["hypotheses"]);
    let references = streams(&case["references"]);
    let options = text(&answer["options"]);
    let at = format!("{} by {options}", case["name"]);
    let whole = corpus(&*metric(options, false), &hypotheses, &references).unwrap();
    let alone =
        sentences(&*metric(options, true), &hypotheses, &references, Watch::Nobody).unwrap();
    let mut differences = Vec::new();
    let expected = answer["score"].as_f64().unwrap();
    let line = versionless(text(&answer["line"]));
    if !close(whole.score, expected) || versionless(&whole.to_string()) != line {
        differences.push(format!("{at}: {} ({whole})\n  not {expected} ({line})", whole.score));
    }
    for (k, score) in alone.iter().enumerate() {
        let expected = answer["sentences"][k].as_f64().unwrap();
        let detail = answer.get("details").map_or("", |details| text(&details[k]));
        if !same_sentence(score, expected, detail) {
            let found = format!("{} {}", score.score, score.detail);
            differences.push(format!("{at}, line {k}: {found}\n  not {expected} {detail}"));
        }
    }
    differences
}

/// Whether a sentence has the expected score, also as printed with up to six decimal places.
fn same_sentence(score: &Score, expected: f64, detail: &str) -> bool {
    let printed = |x: f64| [1, 2, 4, 6].map(|places| format!("{x:.places$}"));
    close(score.score, expected)
        && printed(score.score) == printed(expected)
        && score.detail == detail
}

#[test]
fn scores_and_lines_equal_sacrebleu() {
    let cases = fixture("cases.json", "SCORE_CASES");
    let (mut differences_found, mut lines, mut scores) = (Vec::new(), 0, 0);
    for case in list(&cases) {
        for answer in list(&case["scores"]) {
            differences_found.extend(differences(case, answer));
            scores += 1 + list(&answer["sentences"]).len();
        }
        lines += list(&case["hypotheses"]).len();
    }
    eprintln!("{lines} lines, {scores} scores, {} differ", differences_found.len());
    assert!(lines > 0);
    differences_found.truncate(20);
    assert!(differences_found.is_empty(), "{}", differences_found.join("\n"));
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
fn streams_of_different_lengths_are_refused_by_count() {
    for options in ["bleu", "chrf", "chrf++", "ter"] {
        let metric = metric(options, false);
        let result = corpus(&*metric, &["a", "b"], &[vec!["a", "b"], vec!["a"]]);
        assert_eq!(result, Err(Error::misuse("2 hypotheses, but 1 lines in reference 2")));
        assert!(matches!(corpus(&*metric, &["a"], &[]), Err(Error::Misuse(_))));
        assert!(matches!(corpus::<&str>(&*metric, &[], &[vec![]]), Err(Error::Misuse(_))));
        assert!(matches!(sentences(&*metric, &["a"], &[], Watch::Nobody), Err(Error::Misuse(_))));
    }
}

#[test]
fn huge_lines_take_their_time_but_end() {
    let words =
        |step: usize| -> String { (0..3000).map(|k| format!("w{} ", k * step % 700)).collect() };
    let (hypothesis, reference) = (words(7), words(11));
    for options in ["bleu", "chrf++", "ter"] {
        let lines = [hypothesis.as_str(), "", "x"];
        let references = vec![vec![reference.as_str(), hypothesis.as_str(), ""]];
        let scores =
            sentences(&*metric(options, true), &lines, &references, Watch::Nobody).unwrap();
        assert!(scores.iter().all(|score| score.score.is_finite()), "{scores:?}");
    }
}
