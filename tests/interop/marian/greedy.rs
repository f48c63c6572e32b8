//! Greedy translations, and the log-probability of each token.

use super::Marian;
use super::searches::{SCORE, Scored, each, tie};
use a2d_tests::helpers::compare::Findings;
use serde_json::Value;

#[test]
fn greedy_translations_are_those_of_transformers() {
    let mut findings = Findings::default();
    each(true, |search, b| {
        let [expected, found] = search.best(b);
        let (mut ties, tie) = (0, tie(search.marian));
        for ((row, expected), found) in search.rows.iter().zip(&expected).zip(&found) {
            let place = search.place(row);
            check_probabilities(&place, search.marian, row, expected, &mut findings);
            let at = expected.tokens.iter().zip(&found.tokens).position(|(x, y)| x != y);
            match at {
                None => search.check_text(row, found, &mut findings),
                // All before is equal.
                Some(at) => match found.probabilities[at] - expected.probabilities[at] {
                    gap if gap.abs() < tie => ties += 1,
                    gap => findings.fail(format!("{place}: another token {at}, better by {gap}")),
                },
            }
        }
        println!("{}: {} translations, {ties} ties", search.name, found.len());
    });
    findings.finish();
}

fn check_probabilities(
    place: &str,
    marian: &Marian,
    row: &Value,
    expected: &Scored,
    findings: &mut Findings,
) {
    let wanted = row["token_logprobs"].as_array().unwrap();
    assert_eq!(wanted.len(), expected.probabilities.len(), "{place}");
    for (at, (wanted, found)) in wanted.iter().zip(&expected.probabilities).enumerate() {
        let wanted = wanted.as_f64().unwrap();
        let described = format!("{place} token {at}: {found}, expected {wanted}");
        let share = (found - wanted).abs() / (SCORE * marian.slack());
        findings.check("log-probability", share, described);
    }
}
