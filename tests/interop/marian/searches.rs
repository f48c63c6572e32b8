//! Translations of `expected.json`: the lists `greedy`, `beam4`, `nbest6`, with options such as `_max_length_8` and the end of
//! the model's name.
//!
//! `</s>` at the longest length is forced: in transformers with a log-probability of 0, here with its own. With
//! `early_stopping` = false, transformers goes on as long as a better hypothesis seems possible; here a search ends with K
//! finished hypotheses, as in fairseq and CTranslate2.

use super::cases;
use super::{Marian, probabilities};
use crate::values::{ids, line, text};
use a2d_core::config::token::EOS;
use a2d_host::backend::cpu::Cpu;
use a2d_host::translate::{Hypothesis, SearchOptions, translate_tokens};
use a2d_tests::helpers::compare::Findings;
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;

/// Log-probabilities and scores: six decimals, of sums in 32 bits.
const SCORE: f64 = 1e-4;
/// The largest share of translations that differ in a list without options. 12 of 99 of CTranslate2's do.
const MOST: f64 = 0.2;
/// With fewer translations, the share says little.
const FEW: usize = 20;
/// The difference of scores that is a tie.
const TIE: f64 = 1e-5;

/// What the name of a list says.
struct How {
    beam: usize,
    max_length: Option<usize>,
    length_penalty: Option<f64>,
    /// Whether `<pad>` has a probability.
    has_padding: bool,
    /// Whether there are no options.
    is_plain: bool,
}

impl How {
    /// `Err` is what is not supported.
    fn parse(name: &str) -> Result<Self, &str> {
        let (head, mut rest) = name.split_once('_').unwrap_or((name, ""));
        let number = |prefix: &str| head.strip_prefix(prefix).and_then(|n| n.parse().ok());
        let beam = number("beam").or(number("nbest")).or((head == "greedy").then_some(1));
        let beam = beam.ok_or(name)?;
        let is_plain = rest.is_empty();
        let mut how =
            Self { beam, max_length: None, length_penalty: None, has_padding: false, is_plain };
        while !rest.is_empty() {
            let option = |name: &str| {
                let rest = rest.strip_prefix(name)?;
                Some(rest.split_once('_').unwrap_or((rest, "")))
            };
            if let Some((number, after)) = option("max_length_") {
                (how.max_length, rest) = (Some(number.parse().unwrap()), after);
            } else if let Some((number, after)) = option("length_penalty_") {
                (how.length_penalty, rest) = (Some(number.parse().unwrap()), after);
            } else if let Some((_, after)) = option("early_stopping") {
                rest = after;
            } else if let Some((_, after)) = option("no_renormalize") {
                (how.has_padding, rest) = (true, after);
            } else {
                return Err(rest);
            }
        }
        Ok(how)
    }
}

/// The translations of a list by its model.
struct Search<'c> {
    name: String,
    marian: &'c Marian,
    rows: &'c [Value],
    how: How,
    sources: Vec<Vec<u32>>,
    found: Vec<Vec<Hypothesis>>,
    /// Whether the texts are those of the model's own special tokens.
    texts: bool,
}

/// A translation, EOS included.
struct Scored {
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
    score: f64,
}

impl Search<'_> {
    fn run(&mut self, b: &mut Cpu) {
        let mut run = self.marian.imported.run_config();
        run.train.beam = self.how.beam;
        run.train.length_penalty = self.length_penalty();
        (run.train.max_length_a, run.train.max_length_b) = (0.0, (self.max_length() - 2) as f64);
        let mut options = SearchOptions::of(&run.train);
        // transformers may end at once.
        options.search.min_length = 0;
        options.n_best = self.how.beam;
        let model = self.marian.on(b);
        self.found = translate_tokens(b, &model, &self.sources, &options, &mut |_| Ok(())).unwrap();
    }

    fn max_length(&self) -> usize {
        self.how.max_length.unwrap_or(self.marian.max_length())
    }

    fn length_penalty(&self) -> f64 {
        let own = self.marian.imported.generation.length_penalty;
        self.how.length_penalty.or(own).unwrap_or(1.0)
    }

    /// Scores translations as transformers does.
    fn score(&self, b: &mut Cpu, tokens: Vec<Vec<u32>>) -> Vec<Scored> {
        let model = self.marian.on(b);
        let padding = self.how.has_padding || !self.marian.renormalizes();
        let padding = padding.then(|| self.marian.padding());
        let probabilities = probabilities::of(b, &model, &self.sources, &tokens, padding);
        let scored = |(tokens, mut probabilities): (Vec<u32>, Vec<f64>)| {
            if tokens.len() + 1 == self.max_length() {
                *probabilities.last_mut().unwrap() = 0.0;
            }
            let length = (tokens.len() as f64).powf(self.length_penalty());
            let score = probabilities.iter().sum::<f64>() / length;
            Scored { tokens, probabilities, score }
        };
        tokens.into_iter().zip(probabilities).map(scored).collect()
    }

    /// The tokens of the best translations of the file, and of those found.
    fn best(&self, b: &mut Cpu) -> [Vec<Scored>; 2] {
        let expected = self.rows.iter().map(|row| self.tokens(&best(row)["ids"]));
        let found = self.found.iter().map(|found| {
            let mut tokens = found[0].tokens.clone();
            tokens.push(EOS);
            tokens
        });
        let (expected, found) = (expected.collect(), found.collect());
        [self.score(b, expected), self.score(b, found)]
    }

    fn tokens(&self, list: &Value) -> Vec<u32> {
        let (start, ids) = ids(list).split_first().map(|(s, ids)| (*s, ids.to_vec())).unwrap();
        assert_eq!(start, self.marian.start(), "{}", self.name);
        let tokens: Vec<u32> = ids.into_iter().map(|id| self.marian.target[id]).collect();
        assert_eq!(tokens.last(), Some(&EOS), "{}", self.name);
        tokens
    }

    fn place(&self, row: &Value) -> String {
        format!("{} {}", self.name, row["src"])
    }
}

/// Runs `check` on every list with a beam of 1, or with a larger one.
fn each(greedy: bool, mut check: impl FnMut(&Search<'_>, &mut Cpu)) {
    for case in cases::all() {
        let lists = case
            .expected
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, rows)| rows[0]["src"].is_string());
        for (name, rows) in lists {
            let Some((marian, before)) = case.model_of(name) else {
                skipped(&format!("{name}: the values of no model"));
                continue;
            };
            let how = match How::parse(before) {
                Ok(how) => how,
                Err(option) => {
                    skipped(&format!("{name} of {}: {option} is not supported", marian.name));
                    continue;
                }
            };
            if (how.beam == 1) != greedy {
                continue;
            }
            let rows = rows.as_array().unwrap();
            let mut b = Cpu::new(2);
            let sources = rows.iter().map(|row| marian.encode(text(row, "src"))).collect();
            let name = format!("{} {name}", marian.name);
            let texts = marian.has_own_padding();
            let mut search = Search { name, marian, rows, how, sources, found: Vec::new(), texts };
            search.run(&mut b);
            check(&search, &mut b);
        }
    }
}

#[test]
fn greedy_translations_are_those_of_transformers() {
    let mut findings = Findings::default();
    each(true, |search, b| {
        let [expected, found] = search.best(b);
        let mut ties = 0;
        for ((row, expected), found) in search.rows.iter().zip(&expected).zip(&found) {
            let place = search.place(row);
            check_probabilities(&place, search.marian, row, expected, &mut findings);
            let at = expected.tokens.iter().zip(&found.tokens).position(|(x, y)| x != y);
            match at {
                None => check_text(search, row, found, &mut findings),
                // All before is equal.
                Some(at) if found.probabilities[at] - expected.probabilities[at] < TIE => ties += 1,
                Some(at) => findings.fail(format!("{place}: other tokens from {at} on")),
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

fn check_text(search: &Search<'_>, row: &Value, found: &Scored, findings: &mut Findings) {
    let decoded = search.marian.vocab.target().decode(&found.tokens).unwrap();
    let expected = line(text(best(row), "text"));
    if search.texts && decoded != expected {
        findings.fail(format!("{}: {decoded:?}, expected {expected:?}", search.place(row)));
    }
}

/// The best translation of a row.
fn best(row: &Value) -> &Value {
    row.get("hyps").map_or(row, |hyps| &hyps[0])
}

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
}

impl Differences {
    fn count(&self) -> usize {
        self.ties + self.better + self.later + self.forced
    }

    /// Adds a translation unless it is equal. `last` are the tokens of the longest hypothesis found; returns `false` if
    /// the difference has no reason.
    fn add(&mut self, expected: &Scored, found: &Scored, last: usize, max_length: usize) -> bool {
        let gap = found.score - expected.score;
        let reason = match expected.tokens.len() {
            _ if found.tokens == expected.tokens => return true,
            _ if gap.abs() < TIE => &mut self.ties,
            _ if gap > 0.0 => &mut self.better,
            length if length + 1 == max_length => &mut self.forced,
            length if length > last => &mut self.later,
            _ => return false,
        };
        *reason += 1;
        true
    }
}

#[test]
fn beam_searches_are_those_of_transformers() {
    let mut findings = Findings::default();
    each(false, |search, b| {
        let [expected, found] = search.best(b);
        let mut differences = Differences::default();
        for (at, row) in search.rows.iter().enumerate() {
            let place = search.place(row);
            let (expected, found) = (&expected[at], &found[at]);
            check_score(&place, search.marian, row, expected, &mut findings);
            // EOS included.
            let last = search.found[at].iter().map(|found| found.tokens.len() + 1).max().unwrap();
            if !differences.add(expected, found, last, search.max_length()) {
                let [found, expected] = [found, expected].map(|it| (it.score, &it.tokens));
                findings.fail(format!("{place}: {found:?}, expected {expected:?}"));
            }
            if found.tokens == expected.tokens {
                check_text(search, row, found, &mut findings);
            }
        }
        println!("{}: {} translations, {differences:?}", search.name, found.len());
        let many = search.how.is_plain && found.len() >= FEW;
        if many && differences.count() as f64 > MOST * found.len() as f64 {
            findings.fail(format!("{}: {differences:?} of {}", search.name, found.len()));
        }
    });
    findings.finish();
}

fn check_score(
    place: &str,
    marian: &Marian,
    row: &Value,
    expected: &Scored,
    findings: &mut Findings,
) {
    let wanted = best(row)["score"].as_f64().unwrap();
    let described = format!("{place}: score {}, expected {wanted}", expected.score);
    let share = (expected.score - wanted).abs() / (SCORE * marian.slack());
    findings.check("score", share, described);
}
