//! Scores of classifications and of vectors equal those of scikit-learn and scipy.

use a2d_host::score::significance::difference_intervals;
use a2d_host::score::{
    Accuracy, Confusion, MacroF1, Table, Watch, calibration_error, corpus, cosine, mcnemar, recall,
    spearman,
};
use serde_json::Value;

use crate::answers::{close, fixture, list};

/// The cases of a kind; there are some.
fn cases(kind: &str) -> Vec<Value> {
    let cases = list(&fixture("labels.json", "SCORE_LABELS")[kind]).to_vec();
    assert!(!cases.is_empty(), "{kind}");
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

fn bools(value: &Value) -> Vec<bool> {
    list(value).iter().map(|value| value.as_bool().unwrap()).collect()
}

fn labels(value: &Value) -> Vec<u32> {
    list(value).iter().map(|value| value.as_u64().unwrap() as u32).collect()
}

fn names(value: &Value) -> Vec<String> {
    labels(value).iter().map(u32::to_string).collect()
}

#[test]
fn classifications_equal_scikit_learns() {
    for case in cases("classifications") {
        let (truth, predicted) = (labels(&case["truth"]), labels(&case["predicted"]));
        let count = case["labels"].as_u64().unwrap() as usize;
        let found = Confusion::new(count, &truth, &predicted);
        assert!(close(found.accuracy(), number(&case["accuracy"])), "{case}");
        assert!(close(found.macro_f1(), number(&case["macro_f1"])), "{case}");
        let all: Vec<u32> = (0..count as u32).collect();
        let rows = found.rows(&all);
        assert_eq!(serde_json::json!(rows), case["confusion"]);
        assert_eq!(found.confused(count), all);
        let of_pair = |([i, k], texts): ([u32; 2], u64)| rows[i as usize][k as usize] == texts;
        assert!(found.pairs().all(of_pair), "{case}");
        let wrong: u64 = found.confusions(count * count).iter().map(|(_, texts)| texts).sum();
        let right: u64 = (0..count).map(|label| rows[label][label]).sum();
        assert_eq!(wrong + right, truth.len() as u64);
        let all: u64 = (0..count).map(|label| found.texts(label)).sum();
        assert_eq!(all, truth.len() as u64);
        let (truth, predicted) = ([names(&case["truth"])], names(&case["predicted"]));
        let score = corpus(&Accuracy, &predicted, &truth).unwrap();
        assert!(close(score.score, 100.0 * number(&case["accuracy"])), "{case}");
        let all: Vec<_> = (0..count).map(|label| label.to_string()).collect();
        let score = corpus(&MacroF1::new(&all), &predicted, &truth).unwrap();
        assert!(close(score.score, 100.0 * number(&case["macro_f1"])), "{case}");
    }
}

#[test]
fn the_most_confused_labels_come_first() {
    // One text of 4 is taken for 2 and two of 0 for 4: 4 has three errors, 0 two, 2 one.
    let found = Confusion::new(5, &[4, 0, 0, 1, 3], &[2, 4, 4, 1, 3]);
    assert_eq!((found.confused(1), found.confused(2)), (vec![4], vec![0, 4]));
    assert_eq!(found.confused(3), [0, 2, 4]);
    assert_eq!(found.rows(&[0, 4]), [[0, 2], [0, 0]]);
    assert_eq!(found.confusions(9), [([0, 4], 2), ([4, 2], 1)]);
    // Memory is that of the texts, not of all pairs.
    assert_eq!(Confusion::new(1 << 22, &[0], &[1]).pairs().count(), 1);
}

#[test]
fn no_text_has_no_score() {
    let none = Confusion::new(3, &[], &[]);
    assert_eq!((none.accuracy(), none.macro_f1(), none.f1(1)), (0.0, 0.0, None));
    assert_eq!(calibration_error(&[]), 0.0);
    assert_eq!(spearman(&[], &[]), None);
    assert_eq!(recall(&[], &[], 4, &[], 1), 0.0);
}

#[test]
fn calibration_errors_equal_scikit_learns() {
    for case in cases("calibration") {
        let probabilities = numbers(&case["probabilities"]).into_iter();
        let predictions: Vec<_> = probabilities.zip(bools(&case["right"])).collect();
        let found = calibration_error(&predictions);
        assert!(close(found, number(&case["error"])), "{found}, not {}", case["error"]);
    }
    // The ends belong to the first and to the last bin.
    assert_eq!(calibration_error(&[(0.0, false), (1.0, true)]), 0.0);
    assert_eq!(calibration_error(&[(0.0, true), (1.0, false)]), 1.0);
}

#[test]
fn mcnemars_test_equals_scipys() {
    for case in cases("mcnemar") {
        let [first, second] = ["first", "second"].map(|key| case[key].as_u64().unwrap());
        let found = [mcnemar(first, second), mcnemar(second, first)];
        assert!(found.iter().all(|p| close(*p, number(&case["p"]))), "{found:?}: {case}");
    }
}

#[test]
fn intervals_of_a_difference_equal_numpys() {
    for case in cases("bootstrap") {
        let table = |key: &str| {
            let names: Vec<String> = bools(&case[key]).iter().map(bool::to_string).collect();
            let reference = vec!["true".to_owned(); names.len()];
            Table::of(&Accuracy, &names, &[reference]).unwrap()
        };
        let tables = [table("baseline"), table("system")];
        let (resamples, seed) =
            (case["resamples"].as_u64().unwrap() as usize, case["seed"].as_u64().unwrap());
        let found = difference_intervals(&Accuracy, &tables, resamples, seed, Watch::Nobody);
        let [found] = found.unwrap()[..] else { panic!("an interval for the system alone") };
        assert!(close(found.mean, number(&case["mean"])), "{found:?}");
        assert!(close(found.half_width, number(&case["half_width"])), "{found:?}");
    }
}

#[test]
fn rank_correlations_equal_scipys() {
    for case in cases("spearman") {
        let found = spearman(&numbers(&case["a"]), &numbers(&case["b"]));
        match (found, case["rho"].as_f64()) {
            (Some(found), Some(rho)) => assert!(close(found, rho), "{found}, not {rho}"),
            (found, rho) => assert_eq!(found, rho, "{case}"),
        }
    }
    assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
}

#[test]
fn recalls_equal_scikit_learns() {
    let floats = |value: &Value| numbers(value).iter().map(|x| *x as f32).collect::<Vec<_>>();
    for case in cases("search") {
        let [width, k] = ["width", "k"].map(|key| case[key].as_u64().unwrap() as usize);
        let truth: Vec<_> = labels(&case["truth"]).iter().map(|key| *key as usize).collect();
        let found = recall(&floats(&case["queries"]), &floats(&case["keys"]), width, &truth, k);
        assert!(close(found, number(&case["recall"])), "{found}, not {}", case["recall"]);
    }
    // Of equal keys the first is nearer; a vector of zeros is near to none.
    let keys = [0.0, 0.0, 1.0, 0.0, 2.0, 0.0];
    let at = |neighbour, k| recall(&[3.0, 0.0], &keys, 2, &[neighbour], k);
    assert_eq!([at(1, 1), at(2, 1), at(2, 2), at(0, 2), at(0, 3)], [1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
}
