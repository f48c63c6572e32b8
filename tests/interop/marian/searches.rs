//! Translations of `expected.json`. The end of a list's name is that of the model.
//!
//! `</s>` at the longest length is forced: in transformers with a log-probability of 0, here with its own.

use super::how::How;
use super::{Marian, cases, probabilities};
use crate::folders::label;
use crate::values::{ids, line, text};
use a2d_core::config::token::EOS;
use a2d_host::backend::cpu::Cpu;
use a2d_host::translate::{Hypothesis, SearchOptions, translate_tokens};
use a2d_interop::Foreign;
use a2d_tests::helpers::compare::Findings;
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;

/// The tolerance of log-probabilities and scores.
pub const SCORE: f64 = 1e-4;
/// The difference of scores that is a tie.
const TIE: f64 = 1e-5;

/// The translations of a list by its model.
pub struct Search<'c> {
    pub name: String,
    pub marian: &'c Marian,
    pub rows: &'c [Value],
    pub how: How,
    sources: Vec<Vec<u32>>,
    pub found: Vec<Vec<Hypothesis>>,
    /// Whether the texts are those of the model's own special tokens.
    texts: bool,
}

/// A translation, EOS included.
pub struct Scored {
    pub tokens: Vec<u32>,
    pub probabilities: Vec<f64>,
    pub score: f64,
}

impl<'c> Search<'c> {
    fn new(b: &mut Cpu, name: &str, marian: &'c Marian, rows: &'c [Value], how: How) -> Self {
        let sources = rows.iter().map(|row| marian.encode(text(row, "src"))).collect();
        let name = format!("{} {name}", marian.name);
        let texts = marian.has_own_padding();
        let mut search = Self { name, marian, rows, how, sources, found: Vec::new(), texts };
        search.run(b);
        search
    }

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
        self.found = translate_tokens(b, &model, &self.sources, &options, &|_| Ok(())).unwrap();
    }

    pub fn max_length(&self) -> usize {
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
    pub fn best(&self, b: &mut Cpu) -> [Vec<Scored>; 2] {
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

    pub fn place(&self, row: &Value) -> String {
        format!("{} {}", self.name, row["src"])
    }

    /// Compares the text of a translation whose tokens are equal.
    pub fn check_text(&self, row: &Value, found: &Scored, findings: &mut Findings) {
        let decoded = self.marian.vocab.target().decode(&found.tokens).unwrap();
        let expected = line(text(best(row), "text"));
        if self.texts && decoded != expected {
            findings.fail(format!("{}: {decoded:?}, expected {expected:?}", self.place(row)));
        }
    }
}

/// The best translation of a row.
pub fn best(row: &Value) -> &Value {
    row.get("hyps").map_or(row, |hyps| &hyps[0])
}

/// The difference of scores that is a tie: rounded positions move all scores.
pub fn tie(marian: &Marian) -> f64 {
    if marian.slack() > 1.0 { SCORE * marian.slack() } else { TIE }
}

/// Runs `check` on every list with a beam of 1, or with a larger one.
pub fn each(greedy: bool, mut check: impl FnMut(&Search<'_>, &mut Cpu)) {
    for case in cases::all() {
        for (name, rows) in case.expected.as_object().unwrap() {
            let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
            if !rows.first().is_some_and(|row| row["src"].is_string()) {
                continue;
            }
            let found = case.model_of(name).ok_or("it is of no model");
            let parsed = found.and_then(|(marian, list)| Ok((marian, How::parse(list)?)));
            match parsed {
                Ok((_, how)) if (how.beam == 1) != greedy => {}
                Ok((marian, how)) => {
                    let mut b = Cpu::new(2);
                    check(&Search::new(&mut b, name, marian, rows, how), &mut b);
                }
                Err(why) => skipped(&format!("{name} of {}: {why}", label(&case.folder))),
            }
        }
    }
}
