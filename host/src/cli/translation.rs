//! `translate`, `evaluate`.

use super::DeviceArgs;
use super::values::{beam, not_negative, positive};
use crate::config::BeamSearch;
use crate::score::tokenize::Tokenizer;
use crate::system::error::{Error, Result};
use crate::translate::packed::Arithmetic;
use crate::translate::source::OnBadInput;
use crate::translate::{MOST_BATCH, SearchOptions};
use a2d_packed::Isa;
use clap::Args;
use std::path::PathBuf;

/// How translations are searched for.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Hypotheses kept at every step; 1: greedy
    #[arg(long, value_name = "N", default_value_t = BeamSearch::DEFAULT.beam, value_parser = beam)]
    pub beam: usize,
    /// Exponent of the length that a score is divided by
    #[arg(long, value_name = "X", default_value_t = BeamSearch::DEFAULT.length_penalty, value_parser = not_negative)]
    pub length_penalty: f64,
    /// Longest translation: this times the source's length ...
    #[arg(long, value_name = "A", default_value_t = BeamSearch::DEFAULT.max_length_a, value_parser = not_negative)]
    pub max_length_a: f64,
    /// ... plus this, in tokens; never more than 1024
    #[arg(long, value_name = "B", default_value_t = BeamSearch::DEFAULT.max_length_b, value_parser = not_negative)]
    pub max_length_b: f64,
}

/// `a2d translate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo 'Ein Hund läuft.' | a2d translate runs/quickstart
  a2d translate runs/quickstart --input test.de --output test.en --beam 1
  a2d translate runs/quickstart --input train.de --output train.en --resume
  a2d translate runs/quickstart --input paragraphs.de --split-sentences
  a2d translate student.a2d --input test.de
Lines come out as they are translated, also from a pipe that stays open. In a terminal, each line that you type is
answered; Ctrl-D ends.")]
pub struct TranslateArgs {
    /// The run, or an image that `a2d export` wrote
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Text to translate; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// Where translations go; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// The search.
    #[command(flatten)]
    pub search: SearchArgs,
    /// Write the N best translations of each line, one a line: line number, score, text
    #[arg(long, value_name = "N", value_parser = positive)]
    pub n_best: Option<usize>,
    /// Largest padded batch: sentences times the longest of them; on the CPU, for each thread
    #[arg(long, value_name = "N", default_value_t = MOST_BATCH, value_parser = positive)]
    pub max_tokens: usize,
    /// What to do with a line that is not UTF-8: fail (once the lines before it are translated), replace (its wrong bytes
    /// become U+FFFD) or skip-line (its translation is an empty line)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, hide_possible_values = true)]
    pub on_bad_input: OnBadInput,
    /// Keep what is translated in OUTPUT.partial, and go on with what is there
    #[arg(long)]
    pub resume: bool,
    /// Translate each sentence of a line by itself: training mostly saw lines of one
    #[arg(long, conflicts_with = "n_best")]
    pub split_sentences: bool,
    /// How an image is computed.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// How an image is computed.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Keep keys and values of attention in bytes, as a device may; for images only
    #[arg(long)]
    pub int8_cache: bool,
    /// Vector instructions, which change the speed but no translation; for images only [default: the fastest that the
    /// processor has]
    #[arg(long, value_name = "NAME")]
    pub isa: Option<Isa>,
}

impl ImageArgs {
    /// The arithmetic of an image.
    pub fn arithmetic(&self) -> Arithmetic {
        Arithmetic { int8_cache: self.int8_cache, isa: self.isa.unwrap_or_else(Isa::best) }
    }

    /// An option that was given.
    pub fn given(&self) -> Option<&'static str> {
        let isa = self.isa.map(|_| "--isa");
        if self.int8_cache { Some("--int8-cache") } else { isa }
    }
}

/// `a2d evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d evaluate runs/quickstart --source test.de --reference test.en
  a2d evaluate student.a2d --source test.de --reference test.en --json
  a2d evaluate runs/intents --source test.tsv
  a2d evaluate intents.a2d --source test.tsv --int8-cache
  a2d evaluate runs/embedder --source test.txt --teacher runs/teacher
  a2d evaluate runs/embedder --pairs pairs.tsv")]
pub struct EvaluateArgs {
    /// The run, or an image that `a2d export` wrote
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Text to translate; - is standard input. Of a classifier: lines of a label, a tab and a text; of an embedder: texts
    #[arg(long, value_name = "FILE", required_unless_present = "pairs")]
    pub source: Option<PathBuf>,
    /// Its reference translations, one file or more
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub reference: Vec<PathBuf>,
    /// Of an embedder: the run, or image, whose vectors its own are compared with
    #[arg(long, value_name = "RUN", conflicts_with = "reference")]
    pub teacher: Option<PathBuf>,
    /// Of an embedder: lines of two texts and a similarity, tabs between, whose ranks are compared with those of the cosines
    #[arg(long, value_name = "FILE", conflicts_with = "reference")]
    pub pairs: Option<PathBuf>,
    /// Also keep the translations here
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The search.
    #[command(flatten)]
    pub search: SearchArgs,
    /// The scores wanted
    #[arg(long, value_name = "NAMES", default_value = "bleu,chrf", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// What splits lines into the words of BLEU [default: what suits the run's target language; for
    /// an image 13a]
    #[arg(long, value_enum, value_name = "NAME")]
    pub tokenize: Option<Tokenizer>,
    /// Largest padded batch: sentences times the longest of them; on the CPU, for each thread
    #[arg(long, value_name = "N", default_value_t = MOST_BATCH, value_parser = positive)]
    pub max_tokens: usize,
    /// How an image is computed.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl TranslateArgs {
    /// How many translations of each line are wanted.
    ///
    /// # Errors
    ///
    /// Misuse: more than the beam keeps.
    pub fn wanted(&self) -> Result<usize> {
        let (wanted, beam) = (self.n_best.unwrap_or(1), self.search.beam);
        let text = || format!("--n-best {wanted} needs --beam {wanted} or more, found {beam}");
        if wanted <= beam { Ok(wanted) } else { Err(Error::misuse(text())) }
    }
}

impl SearchArgs {
    /// The search that the arguments ask for.
    pub fn options(&self, n_best: usize, max_tokens: usize) -> SearchOptions {
        let &Self { beam, length_penalty, max_length_a, max_length_b } = self;
        let search = BeamSearch { beam, length_penalty, max_length_a, max_length_b };
        SearchOptions::new(search, max_tokens, n_best)
    }
}
