//! Significance tests: random numbers equal those of numpy, results equal those of sacreBLEU.

use a2d_host::score::significance::{Outcome, approximate_randomisation, paired_bootstrap};
use a2d_host::score::{Coin, Pcg64, Table, Watch};
use serde_json::Value;

use crate::answers::{close, fixture, list, metric, streams, text};

fn draws(seed: u64, bound: u32) -> Vec<u32> {
    let mut rng = Pcg64::new(seed);
    (0..5).map(|_| rng.below(bound)).collect()
}

#[test]
fn random_numbers_are_numpys() {
    for drawn in list(&fixture("comparisons.json", "SCORE_COMPARISONS")["drawn"]) {
        let seed = drawn["seed"].as_u64().unwrap();
        for (bound, expected) in drawn["below"].as_object().unwrap() {
            let found = draws(seed, bound.parse().unwrap());
            assert_eq!(serde_json::json!(found), *expected, "seed {seed}, below {bound}");
        }
        let mut coin = Coin::new(Pcg64::new(seed));
        let coins: String = (0..70).map(|_| if coin.toss() { '1' } else { '0' }).collect();
        assert_eq!(coins, text(&drawn["coins"]), "seed {seed}");
    }
}

fn outcomes(comparison: &Value, options: &str) -> Vec<Outcome> {
    let metric = metric(options, false);
    let references = streams(&comparison["references"]);
    let hypotheses = streams(&comparison["hypotheses"]);
    let table = |lines: &Vec<String>| Table::of(&*metric, lines, &references).unwrap();
    let tables: Vec<_> = hypotheses.iter().map(table).collect();
    let draws = comparison["draws"].as_u64().unwrap() as usize;
    let seed = comparison["seed"].as_u64().unwrap();
    match text(&comparison["test"]) {
        "bs" => paired_bootstrap(&*metric, &tables, draws, seed, Watch::Nobody),
        _ => approximate_randomisation(&*metric, &tables, draws, seed, Watch::Nobody),
    }
    .unwrap()
}

/// Score, mean, half the width of the interval, and p-value.
fn numbers(outcome: &Outcome) -> [Option<f64>; 4] {
    let interval = outcome.interval;
    [
        Some(outcome.score),
        interval.map(|interval| interval.mean),
        interval.map(|interval| interval.half_width),
        outcome.p_value,
    ]
}

#[test]
fn comparisons_equal_sacrebleu() {
    let fixture = fixture("comparisons.json", "SCORE_COMPARISONS");
    let (mut different, mut count) = (Vec::new(), 0);
    for comparison in list(&fixture["comparisons"]) {
        for result in list(&comparison["results"]) {
            let options = text(&result["options"]);
            for (k, outcome) in outcomes(comparison, options).iter().enumerate() {
                let expected: [_; 4] = std::array::from_fn(|n| result["systems"][k][n].as_f64());
                let found = numbers(outcome);
                let same = found.iter().zip(&expected).all(|pair| match pair {
                    (Some(a), Some(b)) => close(*a, *b),
                    (a, b) => a == b,
                });
                if !same {
                    let (name, test) = (&comparison["name"], &comparison["test"]);
                    let at = format!("{name} {test} by {options}, system {k}");
                    different.push(format!("{at}: {found:?}\n  not {expected:?}"));
                }
                count += 1;
            }
        }
    }
    eprintln!("{count} comparisons, {} differ", different.len());
    assert!(count > 0);
    different.truncate(20);
    assert!(different.is_empty(), "{}", different.join("\n"));
}
