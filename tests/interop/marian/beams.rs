//! Beam searches: the best translations, and their scores.
//!
//! With `early_stopping` = false, transformers goes on as long as a better hypothesis seems possible; here a search ends with
//! K finished hypotheses, as in fairseq and CTranslate2.

use super::searches::{SCORE, Scored, Search, best, each, tie};
use a2d_tests::helpers::compare::Findings;
use serde_json::Value;

/// The largest share of translations that differ in a list without options. 12 of 99 of CTranslate2's do.
const MOST: f64 = 0.2;
/// With fewer translations, the share says little.
const FEW: usize = 20;
/// At most one of so many translations differs without a reason.
const UNEXPLAINED: usize = 100;

/// How many translations of a list differ, and why.
#[derive(Debug, Default)]
struct Differences {
    /// Their scores are equal.
    ties: usize,
    /// That of transformers has the lower score.
    better: usize,
    /// transformers went on after the end of the search here.
    later: usize,
    /// That of transformers is as long as possible, without the probability of its end.
    forced: usize,
    /// None of these: a tie on the way, if there are few.
    unexplained: usize,
}

impl Differences {
    fn count(&self) -> usize {
        self.ties + self.better + self.later + self.forced + self.unexplained
    }

    /// Adds a translation that differs. `last` is the length of the longest hypothesis found.
    fn add(&mut self, search: &Search<'_>, expected: &Scored, found: &Scored, last: usize) {
        let gap = found.score - expected.score;
        let reason = match expected.tokens.len() {
            _ if gap.abs() < tie(search.marian) => &mut self.ties,
            _ if gap > 0.0 => &mut self.better,
            length if length + 1 == search.max_length() => &mut self.forced,
            length if length > last => &mut self.later,
            _ => &mut self.unexplained,
        };
        *reason += 1;
    }

    /// Whether a list of `len` translations may have these.
    fn are_few(&self, search: &Search<'_>, len: usize) -> bool {
        let rounded = search.marian.slack() > 1.0;
        let explained = rounded || self.unexplained * UNEXPLAINED <= len;
        let many = search.how.is_plain && len >= FEW;
        explained && (!many || self.count() as f64 <= MOST * len as f64)
    }
}

#[test]
fn beam_searches_are_those_of_transformers() {
    let mut findings = Findings::default();
    each(false, |search, b| {
        let [expected, found] = search.best(b);
        let mut differences = Differences::default();
        for (at, row) in search.rows.iter().enumerate() {
            let (expected, found) = (&expected[at], &found[at]);
            check_score(search, row, expected, &mut findings);
            if found.tokens == expected.tokens {
                search.check_text(row, found, &mut findings);
                continue;
            }
            // EOS included.
            let last = search.found[at].iter().map(|found| found.tokens.len() + 1).max().unwrap();
            differences.add(search, expected, found, last);
        }
        let described = format!("{}: {} translations, {differences:?}", search.name, found.len());
        println!("{described}");
        if !differences.are_few(search, found.len()) {
            findings.fail(described);
        }
    });
    findings.finish();
}

fn check_score(search: &Search<'_>, row: &Value, expected: &Scored, findings: &mut Findings) {
    let wanted = best(row)["score"].as_f64().unwrap();
    let described = format!("{}: score {}, expected {wanted}", search.place(row), expected.score);
    let share = (expected.score - wanted).abs() / (SCORE * search.marian.slack());
    findings.check("score", share, described);
}
