//! Compares beam search token for token.

use a2d_core::backend::Train;
use a2d_core::batch::Layout;
use a2d_core::search::Search;
use serde_json::Value;

use super::case::Case;
use super::problem;
use crate::helpers::compare::Findings;
use crate::helpers::model::{Hypothesis, search};
use crate::helpers::padded::Side;

/// The tolerance of scores.
const SCORE: f64 = 1e-5;

/// Checks all hypotheses of a case; returns the number of searches.
pub fn check<B: Train>(b: &mut B, case: &Case, findings: &mut Findings) -> usize {
    let searches = [&case.json["beam"], &case.json["hyp"]];
    let searches: Vec<_> = searches.iter().filter_map(|s| s.as_object()).flatten().collect();
    if searches.is_empty() {
        return 0;
    }
    let source = Side::new(case.array("batch.src_tokens"));
    let model = problem::model(b, case, "student");
    // fairseq has one length limit for the whole batch, from its padded width.
    let most = (1.2 * source.width as f64) as usize + 5;
    for (name, expected) in &searches {
        for layout in [Layout::Padded, Layout::Packed] {
            let found = search(b, &model, how(name), &source.sentences, layout, |_| most);
            let place = format!("{} {layout:?} {name}", case.name);
            compare(findings, &place, &found, expected);
        }
    }
    searches.len()
}

/// Parses `beam4`, with a length penalty of 1, or `beam4_lenpen0.6`.
fn how(name: &str) -> Search {
    let (beam, penalty) = name.split_once("_lenpen").unwrap_or((name, "1.0"));
    let beam = beam.strip_prefix("beam").and_then(|n| n.parse().ok());
    match (beam, penalty.parse()) {
        (Some(beam), Ok(length_penalty)) => Search { beam, length_penalty, ..Search::GREEDY },
        _ => panic!("a search named {name}"),
    }
}

fn compare(findings: &mut Findings, place: &str, found: &[Vec<Hypothesis>], expected: &Value) {
    let expected = expected.as_array().expect("a list of sentences");
    if found.len() != expected.len() {
        findings.fail(format!("{place}: {} sentences, not {}", found.len(), expected.len()));
    }
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let expected = expected.as_array().expect("a list of hypotheses");
        if found.len() != expected.len() {
            let counts = (found.len(), expected.len());
            findings
                .fail(format!("{place} sentence {i}: {} hypotheses, not {}", counts.0, counts.1));
        }
        for (rank, ((tokens, score), expected)) in found.iter().zip(expected).enumerate() {
            let place = format!("{place} sentence {i} hypothesis {rank}");
            let wanted: Vec<u64> = expected["tokens"].as_array().map_or(vec![], |list| {
                list.iter().map(|token| token.as_u64().expect("a token is a number")).collect()
            });
            if !tokens.iter().map(|t| u64::from(*t)).eq(wanted.iter().copied()) {
                findings.fail(format!("{place}: {tokens:?}, expected {wanted:?}"));
            }
            let wanted = expected["score"].as_f64().expect("a score is a number");
            let off = (f64::from(*score) - wanted).abs();
            let described = format!("{place}: score {score}, expected {wanted}");
            findings.check("beam score", off / (SCORE * wanted.abs().max(1.0)), described);
        }
    }
}
