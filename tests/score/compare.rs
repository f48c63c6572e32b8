//! `host compare`: input, output and errors.

use std::fs;

use a2d_host::cli::{Cli, Verb};
use a2d_host::score::Watch;
use a2d_host::score::compare::{self, CompareRequest};
use a2d_host::system::error::Error;
use clap::Parser;
use serde_json::Value;

use crate::files::Files;

const REFERENCE: &str =
    "the cat sat on the mat\na dog ran\nit is a good day\nno\nyes we can do it\n";
const BASELINE: &str = "the cat sat on a mat\na dog ran off\nit is good day\nno\nyes we do it\n";
const BETTER: &str = "the cat sat on the mat\na dog ran\nit is a good day\nno\nyes we do it\n";

/// A reference `ref`, and the systems `a`, `b` and `a2`, which is a copy of `a`.
fn desk() -> Files {
    let files = Files::new();
    files.write("ref", REFERENCE);
    files.write("a", BASELINE);
    files.write("a2", BASELINE);
    files.write("b", BETTER);
    files
}

/// The request of a command line; `./name` is a file of the folder.
fn request(files: &Files, line: &str) -> CompareRequest {
    let mut words = vec!["host".to_owned(), "compare".to_owned()];
    words.extend(line.split(' ').map(|word| match word.strip_prefix("./") {
        Some(name) => files.path(name).display().to_string(),
        None => word.to_owned(),
    }));
    let Verb::Compare(args) = Cli::try_parse_from(words).unwrap().verb else { panic!() };
    args.try_into().unwrap()
}

fn output(request: &CompareRequest) -> Result<String, Error> {
    let mut out = Vec::new();
    compare::run(request, Watch::Nobody, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn systems_are_rows_and_metrics_columns() {
    let files = desk();
    let line = "--reference ./ref --hypothesis ./a ./b --metrics bleu,ter --seed 3 --resamples 50";
    let text = output(&request(&files, line)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    let cells: Vec<Vec<_>> = lines[..3]
        .iter()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(cells[0], ["System", "BLEU", "TER"]);
    assert!(cells[1][0].starts_with("Baseline: ") && cells[1][0].ends_with("/a"), "{text}");
    assert!(cells[1][1].contains(" ± ") && !cells[1][1].contains("p ="), "{text}");
    assert!(cells[2][1].contains(" ± ") && cells[2][1].contains("(p = 0."), "{text}");
    assert!(lines[4].starts_with("BLEU|nrefs:1|bs:50|seed:3|case:mixed|eff:no|"), "{text}");
    assert!(lines[5].starts_with("TER|nrefs:1|bs:50|seed:3|case:lc|tok:tercom|"), "{text}");
}

#[test]
fn lists_have_unrounded_numbers() {
    let files = desk();
    let line = "--reference ./ref --hypothesis ./a --hypothesis ./b ./a2 --json --metrics chrf";
    let bootstrap = output(&request(&files, line)).unwrap();
    let list: Value = serde_json::from_str(&bootstrap).unwrap();
    let systems = list.as_array().unwrap();
    assert_eq!(systems.len(), 3);
    assert_eq!(systems[0]["baseline"], true);
    assert_eq!(systems[2]["baseline"], false);
    assert!(systems[1]["system"].as_str().unwrap().ends_with("/b"));
    let [baseline, better, same] = [0, 1, 2].map(|k| &systems[k]["scores"][0]);
    assert_eq!(baseline["name"], "chrF2");
    assert_eq!(baseline["p_value"], Value::Null);
    assert!(better["score"].as_f64().unwrap() > baseline["score"].as_f64().unwrap());
    assert!(better["p_value"].as_f64().unwrap() < 1.0);
    assert_eq!(same["mean"], baseline["mean"]);
    assert!(better["signature"].as_str().unwrap().contains("|bs:1000|seed:12345|"));

    let randomised =
        output(&request(&files, &format!("{line} --approximate-randomization"))).unwrap();
    let list: Value = serde_json::from_str(&randomised).unwrap();
    let better = &list[1]["scores"][0];
    assert_eq!(better["mean"], Value::Null);
    assert!(better["signature"].as_str().unwrap().contains("|ar:10000|seed:12345|"));
}

/// A difference of 0 has the p-value of sacreBLEU, but no significance star.
#[test]
fn the_same_translations_have_no_star() {
    let files = desk();
    // A text with other white space has the same BLEU.
    files.write("spaced", BASELINE.replace(' ', "  "));
    for test in ["--paired-bootstrap", "--approximate-randomisation"] {
        let line =
            format!("--reference ./ref --hypothesis ./a ./a2 ./b ./spaced --metrics bleu {test}");
        let text = output(&request(&files, &line)).unwrap();
        let rows: Vec<_> = text.lines().collect();
        let p = if test == "--paired-bootstrap" { "(p = 0.0010)" } else { "(p = 0.0001)" };
        for row in [2, 4] {
            assert!(rows[row].ends_with(p), "{text}");
        }
        assert!(rows[6].ends_with("/a2: the same lines as the baseline's"), "{text}");
        let spaced = "/spaced: no line differs from the baseline's in BLEU";
        assert!(rows[7].ends_with(spaced) && rows[8].starts_with("BLEU|"), "{text}");

        let list = output(&request(&files, &format!("{line} --json"))).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let told = [1, 2, 3].map(|k| (&list[k]["same"], &list[k]["scores"][0]["alike"]));
        let bools = told.map(|(same, alike)| (same.as_bool(), alike.as_bool()));
        let [yes, no] = [Some(true), Some(false)];
        assert_eq!(bools, [(yes, yes), (no, no), (no, yes)]);
        assert!(list[1]["scores"][0]["p_value"].as_f64().unwrap() < 0.05);
    }
}

/// A star marks a significant difference.
#[test]
fn a_significant_difference_has_a_star() {
    let files = Files::new();
    let reference = REFERENCE.repeat(20);
    files.write("ref", &reference);
    files.write("a", reference.replace("day", "night").replace("sat", "lay"));
    files.write("b", &reference);
    let line = "--reference ./ref --hypothesis ./a ./b --metrics bleu";
    let text = output(&request(&files, line)).unwrap();
    assert!(text.lines().nth(2).unwrap().ends_with(")*") && !text.contains("baseline's"), "{text}");
}

/// Labels are compared up to the first tab: six texts that only the other system has right against one, 16 / 128.
#[test]
fn labels_have_an_exact_test() {
    let files = Files::new();
    let lines = |wrong: std::ops::Range<usize>, rest: &str| -> String {
        (0..20)
            .map(|i| format!("{}{rest}\n", if wrong.contains(&i) { "no" } else { "yes" }))
            .collect()
    };
    files.write("ref", lines(0..0, "\tsome text"));
    files.write("a", lines(0..6, "\t0.9"));
    files.write("b", lines(6..7, ""));
    files.write("c", lines(0..0, ""));
    let line = "--reference ./ref --hypothesis ./a ./b ./c --metrics accuracy";
    let text = output(&request(&files, line)).unwrap();
    let rows: Vec<_> = text.lines().collect();
    assert!(rows[1].contains("70.0 (") && !rows[1].contains("McNemar"), "{text}");
    assert!(rows[2].contains("95.0 (") && rows[2].ends_with("(McNemar p = 0.1250)"), "{text}");
    assert!(rows[3].contains("100.0 (") && rows[3].contains("(McNemar p = 0.031"), "{text}");
    assert!(rows[5].starts_with("accuracy|nrefs:1|bs:1000|seed:12345|case:mixed|"), "{text}");
    let list = output(&request(&files, &format!("{line},chrf --json"))).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let scores = &list[1]["scores"];
    let exact = scores[0]["mcnemar_p_value"].as_f64().unwrap();
    assert!((exact - 0.125).abs() < 1e-12 && scores[1]["mcnemar_p_value"].is_null(), "{scores}");
}

#[test]
fn threads_change_nothing() {
    let files = desk();
    for test in ["--paired-bootstrap", "--approximate-randomisation"] {
        let line = format!("--reference ./ref --hypothesis ./a ./b --metrics chrf {test}");
        let request = request(&files, &line);
        let outputs = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| output(&request).unwrap())
        });
        assert_eq!(outputs[0], outputs[1]);
        assert_eq!(outputs[0], outputs[2]);
    }
}

#[test]
fn each_system_has_its_triples() {
    let files = desk();
    files.write("src", "1\n2\n3\n4\n5\n");
    let line = "--reference ./ref --hypothesis ./a ./b --source ./src --resamples 1";
    output(&request(&files, &format!("{line} --export-triples ./a.jsonl ./b.jsonl"))).unwrap();
    for (name, text) in [("a", BASELINE), ("b", BETTER)] {
        let triples = fs::read_to_string(files.path(&format!("{name}.jsonl"))).unwrap();
        let lines: Vec<Value> =
            triples.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let translations: Vec<_> = lines.iter().map(|line| line["mt"].as_str().unwrap()).collect();
        assert_eq!(translations, text.lines().collect::<Vec<_>>());
        assert_eq!(lines[1]["src"], "2");
        assert_eq!(lines[3]["ref"], "no");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let files = desk();
    files.write("short", "one\n");
    files.write("empty", "");
    files.write("src", "1\n2\n3\n4\n5\n");
    let triples = "--reference ./ref --hypothesis ./a ./b --source ./src --export-triples";
    for (line, expected) in [
        ("--reference ./ref --hypothesis ./a", "give --hypothesis twice or more"),
        ("--reference ./ref --hypothesis ./a ./b ./a", "/a is given twice"),
        ("--reference ./ref --hypothesis ./a ./short", "different numbers of lines: 5 in "),
        ("--reference ./short --hypothesis ./a ./b", "different numbers of lines: 5 in "),
        ("--reference ./ref --hypothesis ./empty ./b", "nothing to score in "),
        ("--reference ./ref --hypothesis ./a ./missing", "no such file or directory"),
        ("--reference - --hypothesis ./a -", "only one of the files can be `-`"),
        ("--reference ./ref --hypothesis ./a ./b --metrics bleurt", "unknown metric `bleurt`"),
        (&format!("{triples} ./a.jsonl"), "needs a file for each of 2 hypotheses, found 1"),
        (&format!("{triples} ./a.jsonl ./a.jsonl"), "twice"),
        (&format!("{triples} - ./a.jsonl"), "standard output is for the scores"),
    ] {
        let error = output(&request(&files, line)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(!files.path("a.jsonl").exists());
}
