//! The arguments of `a2d score` and `a2d compare`. The settings of metrics have sacreBLEU's names.

use super::values::positive;
use crate::score::command;
use crate::score::compare::{self, Test};
use crate::score::significance::{RESAMPLES, SEED};
use crate::score::tokenize::{Tercom, Tokenizer};
use crate::score::triples::Export;
use crate::score::{Bleu, Chrf, MetricOptions, Smoothing, Ter};
use crate::system::error::{Error, Result};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `a2d score`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d score --hypothesis out.en --reference test.en
  a2d translate runs/quickstart --input test.de | a2d score --hypothesis - --reference test.en
  a2d score --hypothesis out.en --reference a.en b.en --metrics bleu,chrf++,ter --tokenize intl
  a2d score --hypothesis out.en --reference test.en --sentence --score-only --metrics chrf
  a2d score --hypothesis labels.tsv --reference test.tsv --metrics accuracy")]
pub struct ScoreArgs {
    /// The translations or labels; - is standard input
    #[arg(long, value_name = "FILE")]
    pub hypothesis: PathBuf,
    /// Reference translations or true labels, one file or more
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub reference: Vec<PathBuf>,
    /// The metrics.
    #[command(flatten)]
    pub metric: MetricArgs,
    /// Score every line; several metrics are separated by tabs
    #[arg(long, alias = "sentence-level")]
    pub sentence: bool,
    /// Print a JSON list of name, score and signature
    #[arg(long)]
    pub json: bool,
    /// Print only the scores
    #[arg(long, short = 'b', conflicts_with = "json")]
    pub score_only: bool,
    /// Decimal places
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = places, conflicts_with = "json")]
    pub width: usize,
    /// The source text, for --export-triples
    #[arg(long, value_name = "FILE", requires = "export_triples")]
    pub source: Option<PathBuf>,
    /// Also write source, translation and reference for COMET: one JSON object of src, mt and ref per line
    #[arg(long, value_name = "FILE.jsonl", requires = "source")]
    pub export_triples: Option<PathBuf>,
}

/// `a2d compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d compare --reference test.en --hypothesis baseline.en --hypothesis distilled.en
  a2d compare --reference test.en --hypothesis a.en b.en c.en --metrics bleu,chrf,ter --json
  a2d compare --reference test.en --hypothesis a.en b.en --approximate-randomisation --seed 7
  a2d compare --reference test.tsv --hypothesis a.tsv b.tsv --metrics accuracy
gives sacreBLEU's numbers for the same seed; accuracy is tested by McNemar's exact test, too.")]
pub struct CompareArgs {
    /// The translations or labels of two or more systems; the first is the baseline
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub hypothesis: Vec<PathBuf>,
    /// Reference translations or true labels, one file or more
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub reference: Vec<PathBuf>,
    /// The metrics.
    #[command(flatten)]
    pub metric: MetricArgs,
    /// Paired bootstrap resampling; the default
    #[arg(long, alias = "paired-bs", conflicts_with = "approximate_randomisation")]
    pub paired_bootstrap: bool,
    /// Paired approximate randomisation
    #[arg(long, aliases = ["approximate-randomization", "paired-ar"])]
    pub approximate_randomisation: bool,
    /// Number of resamples [default: 1000] or of random permutations [default: 10000]
    #[arg(long, value_name = "N", aliases = ["trials", "paired-bs-n", "paired-ar-n"], value_parser = resamples)]
    pub resamples: Option<usize>,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub seed: u64,
    /// Print a JSON list of systems and their scores
    #[arg(long)]
    pub json: bool,
    /// Decimal places
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = places, conflicts_with = "json")]
    pub width: usize,
    /// The source text, for --export-triples
    #[arg(long, value_name = "FILE", requires = "export_triples")]
    pub source: Option<PathBuf>,
    /// Also write source, translation and reference for COMET, one file per system: one JSON
    /// object of src, mt and ref per line
    #[arg(long, value_name = "FILE.jsonl", num_args = 1.., requires = "source")]
    pub export_triples: Vec<PathBuf>,
}

/// The metrics and their settings.
#[derive(Debug, Clone, Args)]
pub struct MetricArgs {
    /// The metrics: bleu, chrf, chrf++, ter, or accuracy, which compares lines up to the first tab
    #[arg(long, short, value_name = "NAMES", default_value = "bleu,chrf", value_delimiter = ',', num_args = 1..)]
    pub metrics: Vec<String>,
    /// The tokeniser of BLEU: none, 13a, char, intl or zh
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "NAME",
        help_heading = "BLEU"
    )]
    pub tokenize: Tokenizer,
    /// Ignore case
    #[arg(long, help_heading = "BLEU")]
    pub lowercase: bool,
    /// The smoothing of orders without a match: none, floor, add-k or exp
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "NAME",
        help_heading = "BLEU"
    )]
    pub smooth_method: SmoothMethod,
    /// The floor [default: 0.1] or k [default: 1] of the smoothing
    #[arg(long, value_name = "X", value_parser = super::not_negative, help_heading = "BLEU")]
    pub smooth_value: Option<f64>,
    /// Longest character n-grams, up to 6
    #[arg(long, value_name = "N", default_value = "6", value_parser = char_order, help_heading = "chrF")]
    pub chrf_char_order: usize,
    /// Longest word n-grams, up to 4; with 2, chrf equals chrf++
    #[arg(long, value_name = "N", default_value = "0", value_parser = word_order, help_heading = "chrF")]
    pub chrf_word_order: usize,
    /// Weight of recall relative to precision
    #[arg(long, value_name = "N", default_value = "2", value_parser = beta, help_heading = "chrF")]
    pub chrf_beta: usize,
    /// Include white space
    #[arg(long, help_heading = "chrF")]
    pub chrf_whitespace: bool,
    /// Ignore case
    #[arg(long, help_heading = "chrF")]
    pub chrf_lowercase: bool,
    /// Average the F-scores of all orders, as chrF++.py does
    #[arg(long, help_heading = "chrF")]
    pub chrf_eps_smoothing: bool,
    /// Respect case
    #[arg(long, help_heading = "TER")]
    pub ter_case_sensitive: bool,
    /// Apply --ter-normalized and --ter-no-punct to Chinese and Japanese too
    #[arg(long, help_heading = "TER")]
    pub ter_asian_support: bool,
    /// Remove punctuation
    #[arg(long, help_heading = "TER")]
    pub ter_no_punct: bool,
    /// Separate punctuation from words
    #[arg(long, help_heading = "TER")]
    pub ter_normalized: bool,
}

/// The kinds of smoothing, without their values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SmoothMethod {
    /// None.
    None,
    /// A minimum number of matches.
    Floor,
    /// A constant added to matches and n-grams.
    AddK,
    /// Halves, quarters and so on.
    #[default]
    Exp,
}

impl MetricArgs {
    /// The settings of the metrics.
    ///
    /// # Errors
    ///
    /// Misuse: a value for a kind of smoothing without one.
    pub fn options(&self) -> Result<MetricOptions> {
        let bleu = Bleu {
            tokenizer: self.tokenize,
            lowercase: self.lowercase,
            smoothing: self.smoothing()?,
            effective_order: false,
        };
        let chrf = Chrf {
            char_order: self.chrf_char_order,
            word_order: self.chrf_word_order,
            beta: self.chrf_beta,
            lowercase: self.chrf_lowercase,
            whitespace: self.chrf_whitespace,
            eps_smoothing: self.chrf_eps_smoothing,
        };
        let tercom = Tercom {
            normalized: self.ter_normalized,
            no_punct: self.ter_no_punct,
            asian_support: self.ter_asian_support,
            case_sensitive: self.ter_case_sensitive,
        };
        Ok(MetricOptions { bleu, chrf, ter: Ter { tercom } })
    }

    fn smoothing(&self) -> Result<Smoothing> {
        match (self.smooth_method, self.smooth_value) {
            (SmoothMethod::Floor, value) => Ok(Smoothing::Floor(value.unwrap_or(0.1))),
            (SmoothMethod::AddK, value) => Ok(Smoothing::AddK(value.unwrap_or(1.0))),
            (_, Some(_)) => {
                Err(Error::misuse("--smooth-value needs --smooth-method floor or add-k"))
            }
            (SmoothMethod::None, None) => Ok(Smoothing::None),
            (SmoothMethod::Exp, None) => Ok(Smoothing::Exp),
        }
    }
}

impl TryFrom<ScoreArgs> for command::ScoreRequest {
    type Error = Error;

    fn try_from(args: ScoreArgs) -> Result<Self> {
        Ok(Self {
            hypothesis: args.hypothesis,
            references: args.reference,
            options: args.metric.options()?,
            metrics: args.metric.metrics,
            sentence: args.sentence,
            json: args.json,
            score_only: args.score_only,
            places: args.width,
            export: args.source.map(|source| {
                let files = args.export_triples.into_iter().collect();
                Export { source, files }
            }),
        })
    }
}

impl TryFrom<CompareArgs> for compare::CompareRequest {
    type Error = Error;

    fn try_from(args: CompareArgs) -> Result<Self> {
        let test = if args.approximate_randomisation {
            Test::ApproximateRandomisation(args.resamples.unwrap_or(10_000))
        } else {
            Test::PairedBootstrap(args.resamples.unwrap_or(RESAMPLES))
        };
        Ok(Self {
            hypotheses: args.hypothesis,
            references: args.reference,
            options: args.metric.options()?,
            metrics: args.metric.metrics,
            test,
            seed: args.seed,
            json: args.json,
            places: args.width,
            export: args.source.map(|source| Export { source, files: args.export_triples }),
        })
    }
}

fn char_order(text: &str) -> Result<usize, String> {
    within(text, 1, Chrf::MOST_CHARS)
}

fn word_order(text: &str) -> Result<usize, String> {
    within(text, 0, Chrf::MOST_WORDS)
}

/// A larger value does not change a score.
fn beta(text: &str) -> Result<usize, String> {
    within(text, 1, 1000)
}

/// The most digits that a number has.
fn places(text: &str) -> Result<usize, String> {
    within(text, 0, 17)
}

/// A larger number would only take longer.
const MOST_RESAMPLES: usize = 10_000_000;

fn resamples(text: &str) -> Result<usize, String> {
    let number = positive(text).ok().filter(|&number| number <= MOST_RESAMPLES);
    number.ok_or(format!("expected 1 to {MOST_RESAMPLES}"))
}

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or(format!("expected {least} to {most}"))
}
