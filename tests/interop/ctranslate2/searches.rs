//! Translations of `expected.json`, whose `runs` say model, numbers and options.
//!
//! CTranslate2 takes `</s>` out of the softmax of the first token, and does not end a hypothesis at the longest length.

use super::Converted;
use crate::folders::{self, label};
use crate::marian::{Marian, probabilities};
use crate::values::{rows, text};
use a2d_core::config::token::EOS;
use a2d_host::backend::cpu::Cpu;
use a2d_host::translate::{Hypothesis, SearchOptions, translate_tokens};
use a2d_interop::Foreign;
use a2d_tests::helpers::compare::Findings;
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;
use std::path::Path;

/// The tolerance of scores.
const SCORE: f64 = 1e-4;
/// The difference of scores that is a tie.
const TIE: f64 = 1e-5;
/// The most tokens, if a run does not say them.
const LONGEST: u64 = 256;

/// What a run may say.
const KNOWN: [&str; 6] = [
    "model",
    "compute_type",
    "beam_size",
    "num_hypotheses",
    "length_penalty",
    "max_decoding_length",
];

/// The translations of a run.
struct Run<'v> {
    name: String,
    settings: &'v Value,
    rows: &'v [Value],
    marian: Marian,
}

impl<'v> Run<'v> {
    /// `None` if the run is not one of 32-bit floats with known options.
    fn new(folder: &Path, name: &str, settings: &'v Value, rows: &'v [Value]) -> Option<Self> {
        let name = format!("{} {name}", label(folder));
        if let Some(option) =
            settings.as_object()?.keys().find(|key| !KNOWN.contains(&key.as_str()))
        {
            skipped(&format!("{name}: {option} is not supported"));
            return None;
        }
        let converted = Converted::read(folder, text(settings, "model"))?;
        let numbers = [&settings["compute_type"], &converted.listed["quantization"]];
        if numbers.iter().any(|numbers| *numbers != "float32") {
            skipped(&format!("{name}: weights or arithmetic other than float32"));
            return None;
        }
        Some(Self { name, settings, rows, marian: Marian::read(&converted.source) })
    }

    fn longest(&self) -> usize {
        self.settings["max_decoding_length"].as_u64().unwrap_or(LONGEST) as usize
    }

    fn length_penalty(&self) -> f64 {
        self.settings["length_penalty"].as_f64().unwrap_or(1.0)
    }

    fn options(&self) -> SearchOptions {
        let mut run = self.marian.imported.run_config();
        run.train.beam = self.settings["beam_size"].as_u64().unwrap() as usize;
        run.train.length_penalty = self.length_penalty();
        (run.train.max_length_a, run.train.max_length_b) = (0.0, self.longest() as f64);
        let n_best = self.settings["num_hypotheses"].as_u64().unwrap_or(1) as usize;
        SearchOptions { n_best, ..SearchOptions::of(&run.train) }
    }

    /// The tokens of the sources, which must be those of CTranslate2.
    fn sources(&self) -> Vec<Vec<u32>> {
        let source = |row: &Value| {
            let found = self.marian.encode(text(row, "src"));
            let expected = tokens(&self.marian.imported.pieces.source, &row["source_tokens"]);
            assert_eq!(found, expected, "{}: {}", self.name, row["src"]);
            found
        };
        self.rows.iter().map(source).collect()
    }

    fn check(&self, findings: &mut Findings) {
        let mut b = Cpu::new(2);
        let (model, sources) = (self.marian.on(&mut b), self.sources());
        let found =
            translate_tokens(&mut b, &model, &sources, &self.options(), &|_| Ok(())).unwrap();
        let nothing = vec![vec![EOS]; sources.len()];
        let ends = probabilities::of(&mut b, &model, &sources, &nothing, None);
        let mut counts = [0; 3];
        for ((row, found), end) in self.rows.iter().zip(&found).zip(&ends) {
            let expected = row["nbest"].as_array().map_or(std::slice::from_ref(row), Vec::as_slice);
            assert!(expected.len() <= found.len(), "{}: {row}", self.name);
            let without_end = -(-end[0].exp()).ln_1p();
            for (expected, found) in expected.iter().zip(found) {
                counts[self.compare(row, found, expected, without_end, findings) as usize] += 1;
            }
        }
        let [equal, tie, cut] = counts;
        println!("{}: {equal} equal, {tie} ties, {cut} as long as possible", self.name);
        if equal == 0 && cut == 0 {
            findings.fail(format!("{}: nothing was compared", self.name));
        }
    }

    /// Compares a hypothesis. `without_end` is the log-probability that its first token gains without `</s>`.
    fn compare(
        &self,
        row: &Value,
        found: &Hypothesis,
        expected: &Value,
        without_end: f64,
        findings: &mut Findings,
    ) -> Outcome {
        let place = format!("{}: {}", self.name, row["src"]);
        let wanted = tokens(&self.marian.imported.pieces.target, &expected["tokens"]);
        if wanted.len() == self.longest() || found.tokens.len() == self.longest() {
            if self.settings["beam_size"] == 1 && wanted != found.tokens {
                findings.fail(format!("{place}: {:?}, expected {wanted:?}", found.tokens));
            }
            return Outcome::Cut;
        }
        // EOS included.
        let length = ((found.tokens.len() + 1) as f64).powf(self.length_penalty());
        let score = f64::from(found.score) + without_end / length;
        let off = (score - expected["score"].as_f64().unwrap()).abs();
        if wanted != found.tokens && off < TIE {
            return Outcome::Tie;
        }
        if wanted != found.tokens {
            findings.fail(format!("{place}: {found:?}, expected {wanted:?} {expected}"));
        }
        let described = format!("{place}: {score}, expected {}", expected["score"]);
        findings.check("score", off / SCORE, described);
        Outcome::Equal
    }
}

/// What a comparison found, unless it failed.
enum Outcome {
    Equal,
    Tie,
    /// A hypothesis is as long as possible. Those of CTranslate2 have no end, and other scores.
    Cut,
}

/// The tokens of a list of texts.
fn tokens(pieces: &[String], list: &Value) -> Vec<u32> {
    let token = |text: &Value| {
        let at = pieces.iter().position(|piece| piece == text);
        at.unwrap_or_else(|| panic!("no piece {text}")) as u32
    };
    list.as_array().unwrap().iter().map(token).collect()
}

#[test]
fn translations_are_those_of_ctranslate2() {
    let mut findings = Findings::default();
    for (folder, expected) in folders::expected(|value| value["runs"].is_object()) {
        for (name, settings) in expected["runs"].as_object().unwrap() {
            if let Some(run) = Run::new(&folder, name, settings, rows(&expected, name)) {
                run.check(&mut findings);
            }
        }
    }
    findings.finish();
}
