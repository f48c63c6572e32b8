//! The command line as types; its names are a contract that scripts rely on.

use crate::config::{OnNan, Precision, Setting};
use crate::device::{Backend, Device};
use crate::error::{Error, Result};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

mod scoring;

pub use scoring::{CompareArgs, MetricArgs, ScoreArgs, SmoothMethod};

/// Distils small translation models from large ones: prepare, train, distill, translate, score.
#[derive(Debug, Parser)]
#[command(name = "host", version, after_help = EXAMPLE)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLE: &str = "Example: two text files to a small model
  host distill fixtures/quickstart/distill.toml
  echo 'Ein Hund läuft.' | host translate runs/quickstart";

/// What holds for every verb.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Threads to compute with [default: one for each core]
    #[arg(long, global = true, value_name = "N", value_parser = threads, display_order = 900)]
    pub threads: Option<NonZeroUsize>,
    /// Show no progress, only results and errors
    #[arg(long, short, global = true, display_order = 901)]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // one lives, once
pub enum Verb {
    /// Learn a vocabulary from text, check the corpus, write token files
    Prepare(PrepareArgs),
    /// Train a model by itself: a teacher, or a student with no teacher
    Train(TrainArgs),
    /// Train a student from a teacher, and the teacher first where there is none
    Distill(DistillArgs),
    /// Translate text: one line out for each line in
    Translate(TranslateArgs),
    /// Translate a test set and score the result
    Evaluate(EvaluateArgs),
    /// Score translations: BLEU, chrF and TER as sacreBLEU has them
    Score(ScoreArgs),
    /// Average the last checkpoints of a run into one model
    Average(AverageArgs),
    /// Compare systems with a baseline: how significant are differences of their scores?
    Compare(CompareArgs),
    /// Measure speed: one JSON line a measurement
    Bench(BenchArgs),
    /// List the backends of this machine and which one `auto` takes
    Devices(DevicesArgs),
    /// Show one run or several as a page: curves, alignment, attention, translations, settings
    Report(ReportArgs),
    /// Follow a running job in the terminal
    Watch(WatchArgs),
}

/// Where the model runs.
#[derive(Debug, Clone, Default, Args)]
pub struct DeviceArgs {
    /// The backend to compute with: auto (the fastest there is), cpu or gpu
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    pub backend: Backend,
    /// One device of it: cpu, cuda:N or wgpu:N
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,
}

/// `host prepare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host prepare --source-lang de --target-lang en --train corpus/train --valid corpus/valid \\
      --vocab-size 8000 --out data/de-en
reads corpus/train.de and corpus/train.en (or .de.gz, .en.gz), one sentence a line.")]
pub struct PrepareArgs {
    /// The language translated from: the ending of the source files
    #[arg(long, value_name = "LANG")]
    pub source_lang: String,
    /// The language translated to: the ending of the target files
    #[arg(long, value_name = "LANG")]
    pub target_lang: String,
    /// Prefix of the training files
    #[arg(long, value_name = "PREFIX")]
    pub train: String,
    /// Prefix of the validation files
    #[arg(long, value_name = "PREFIX")]
    pub valid: String,
    /// Prefix of the test files
    #[arg(long, value_name = "PREFIX")]
    pub test: Option<String>,
    /// Subwords in the joint vocabulary
    #[arg(long, value_name = "N", default_value = "8000", value_parser = positive)]
    pub vocab_size: usize,
    /// Pairs with more subwords on either side are dropped and counted
    #[arg(long, value_name = "N", default_value = "250", value_parser = positive)]
    pub max_length: usize,
    /// Leave out the training pairs that have a flaw: copies, duplicates, sides of very different
    /// length, sentences of the other splits, garbled or foreign text, lines that are not UTF-8
    #[arg(long)]
    pub clean: bool,
    /// Write nothing but the report, and fail, where more than PERCENT of the pairs of a split have
    /// a flaw that --clean does not leave out; 0 without a number
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true,
        default_missing_value = "0", value_parser = not_negative)]
    pub strict: Option<f64>,
    /// Folder for the vocabulary and the token files
    #[arg(long, value_name = "DATA")]
    pub out: PathBuf,
    /// Print the corpus report as JSON
    #[arg(long)]
    pub json: bool,
}

/// The run that `train` and `distill` make.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration
    #[arg(value_name = "CONFIG.toml")]
    pub config: PathBuf,
    /// Prepared data [default: the key data.dir, or RUN/data]
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// Folder of the run [default: the key out, or runs/CONFIG]
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// What products are computed with, f32, tf32, bf16 or f16, the teacher's too; the same as
    /// --set train.precision=P --set teacher.train.precision=P
    #[arg(long, value_name = "P", value_enum, hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Largest padded batch, the teacher's too: a number, or what fills the device (auto)
    #[arg(long, value_name = "N|auto", value_parser = max_tokens)]
    pub max_tokens: Option<MaxTokens>,
    /// Where a loss is no number: stop, or go back to the last good checkpoint with half the learning rate (retry), the
    /// teacher's too; the same as --set train.on_nan=HOW --set teacher.train.on_nan=HOW
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true)]
    pub on_nan: Option<OnNan>,
    /// Set a key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the student's random numbers start; the same as --set train.seed=N
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Continue from the last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

/// The size of a batch, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokens {
    /// What fills the device.
    Auto,
    /// Rows times the longest.
    Number(usize),
}

/// `host train`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host train fixtures/quickstart/distill.toml --out runs/alone --set train.max_epoch=5
  A2D_TRAIN__LR=1e-3 host train config.toml --out runs/alone --resume")]
pub struct TrainArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `host distill`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host distill fixtures/quickstart/distill.toml
  host distill config.toml --teacher runs/teacher --method word-kd --out runs/word-kd --seed 2")]
pub struct DistillArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// The teacher's finished run; the same as --set teacher.run=RUN
    #[arg(long, value_name = "RUN")]
    pub teacher: Option<PathBuf>,
    /// What the teacher gives: a2d, word-kd, seq-kd or none; the same as --set distill.method=METHOD
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
}

/// How translations are searched for.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Hypotheses kept at every step; 1: greedy
    #[arg(long, value_name = "N", default_value = "5", value_parser = beam)]
    pub beam: usize,
    /// Exponent of the length that a score is divided by
    #[arg(long, value_name = "X", default_value = "1.0", value_parser = not_negative)]
    pub length_penalty: f64,
    /// Longest translation: this times the source's length ...
    #[arg(long, value_name = "A", default_value = "1.2", value_parser = not_negative)]
    pub max_length_a: f64,
    /// ... plus this, in tokens; never more than 1024
    #[arg(long, value_name = "B", default_value = "10", value_parser = not_negative)]
    pub max_length_b: f64,
}

/// `host translate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo 'Ein Hund läuft.' | host translate runs/quickstart
  host translate runs/quickstart --input test.de --output test.en --beam 1
  host translate runs/quickstart --input train.de --output train.en --resume")]
pub struct TranslateArgs {
    /// The run
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
    /// Largest padded batch: sentences times the longest of them
    #[arg(long, value_name = "N", default_value = "4096", value_parser = positive)]
    pub max_tokens: usize,
    /// Keep what is translated in OUTPUT.partial, and go on with what is there
    #[arg(long)]
    pub resume: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `host evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host evaluate runs/quickstart --source test.de --reference test.en")]
pub struct EvaluateArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Text to translate; - is standard input
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// Its reference translations, one file or more
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub reference: Vec<PathBuf>,
    /// Also keep the translations here
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The search.
    #[command(flatten)]
    pub search: SearchArgs,
    /// The scores wanted
    #[arg(long, value_name = "NAMES", default_value = "bleu,chrf", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Largest padded batch: sentences times the longest of them
    #[arg(long, value_name = "N", default_value = "4096", value_parser = positive)]
    pub max_tokens: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `host average`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host average runs/quickstart --last 3
  host translate runs/quickstart/average --input test.de")]
pub struct AverageArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// How many of its last checkpoints; it keeps as many as the key train.keep_last says
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub last: usize,
    /// Folder for the averaged model [default: RUN/average]
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
}

/// `host bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host bench distill --batches batches.safetensors --max-tokens 4096 --threads 2 --json
  host bench train --model teacher --profile
  host bench translate --beam 5 --shape paper")]
pub struct BenchArgs {
    /// What is measured
    #[arg(value_enum)]
    pub what: BenchWhat,
    /// Token batches to measure on, as MAX_TOKENS.NUMBER.src, .prev and .tgt [default: a random one]
    #[arg(long, value_name = "FILE.safetensors")]
    pub batches: Option<PathBuf>,
    /// Sentences for translate: one a line, as token ids that end with 2 [default: those of --batches]
    #[arg(long, value_name = "FILE")]
    pub sources: Option<PathBuf>,
    /// Which of the batches, or the size of the random one: rows times the longest
    #[arg(long, value_name = "N", default_value = "4096", value_parser = positive)]
    pub max_tokens: usize,
    /// The sizes of the models
    #[arg(long, value_enum, default_value_t)]
    pub shape: BenchShape,
    /// The model that train trains
    #[arg(long, value_enum, default_value_t)]
    pub model: BenchModel,
    /// The losses of distill
    #[arg(long, value_enum, default_value_t)]
    pub preset: BenchPreset,
    /// The beam of translate [default: 1, then 5]
    #[arg(long, value_name = "N", value_parser = beam)]
    pub beam: Option<usize>,
    /// Repetitions whose median is told; one more goes before them
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub repeats: usize,
    /// What products are computed with: f32, tf32, bf16 or f16
    #[arg(long, value_name = "P", value_enum, default_value_t, hide_possible_values = true)]
    pub precision: Precision,
    /// Tell the time of each operation too
    #[arg(long)]
    pub profile: bool,
    /// Where random weights and batches start
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Steps of a model trained alone.
    Train,
    /// Steps of a student with its teacher.
    Distill,
    /// Translation.
    Translate,
}

/// The sizes that `bench` measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchShape {
    /// V 8000, width 256, 4 heads, teacher of 6 + 6 layers, student of 3 + 3.
    #[default]
    Base,
    /// V 10000, width 512, 4 heads, teacher of 6 + 6 layers, student of 3 + 3.
    Paper,
    /// V 32000, width 1024, 16 heads, teacher of 12 + 12 layers, student of 4 + 4.
    Large,
    /// As small as can be: to see that it runs.
    #[value(hide = true)]
    Tiny,
}

/// The model that `bench train` trains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchModel {
    /// The large one.
    Teacher,
    /// The small one.
    #[default]
    Student,
}

/// The losses of `bench distill`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchPreset {
    /// As the authors' code.
    #[default]
    Official,
    /// Attention maps without padding and future.
    Masked,
    /// Attention maps row by row.
    Rows,
    /// The teacher's words alone.
    WordKd,
}

/// `host devices`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host devices --json")]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `host report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host report runs/quickstart --out report.html
  host report runs/a2d runs/word-kd runs/alone --sentences 3,17,40 --out compared.html
The teacher and the baseline of a run are shown beside it where they are found.")]
pub struct ReportArgs {
    /// The runs to show, side by side
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// The page; - is standard output
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// Lines of the test set, or else of the validation set, to show [default: some]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = positive)]
    pub sentences: Vec<usize>,
    /// Show lines of this text instead
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
}

/// `host watch`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  host watch runs/quickstart
  host watch runs/quickstart --once --json")]
pub struct WatchArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Tell how it stands, and end
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub interval: f64,
    /// Print JSON, one line each time that something is new
    #[arg(long)]
    pub json: bool,
}

/// What the parser says against a command line, as one line.
pub fn refusal(error: &clap::Error, arguments: impl IntoIterator<Item = String>) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let told = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told: Vec<_> = told.map(|line| line.replacen("tip: ", "- ", 1)).collect();
    let verbs = Cli::command();
    let is_verb = |text: &String| verbs.get_subcommands().any(|verb| verb.get_name() == text);
    let verb = arguments.into_iter().skip(1).find(is_verb).map(|verb| format!(" {verb}"));
    format!("{}; see `host{} --help`", told.join(" "), verb.unwrap_or_default())
}

impl RunArgs {
    /// The settings that the arguments ask for; `--set` comes last and wins.
    fn settings(&self, flags_of_verb: Vec<Option<Setting>>) -> Result<Vec<Setting>> {
        let data = self.data.as_ref().map(|path| Setting::path("--data", "data.dir", path));
        let seed = self.seed.map(|seed| Setting::flag("--seed", "train.seed", seed));
        let precision = |key| self.precision.map(|p| Setting::flag("--precision", key, p));
        let precision = ["train.precision", "teacher.train.precision"].map(precision);
        let max_tokens = |key| match self.max_tokens {
            Some(MaxTokens::Number(n)) => Some(Setting::flag("--max-tokens", key, n)),
            Some(MaxTokens::Auto) | None => None,
        };
        let max_tokens = ["train.max_tokens", "teacher.train.max_tokens"].map(max_tokens);
        let on_nan = |key| self.on_nan.map(|how| Setting::flag("--on-nan", key, how));
        let on_nan = ["train.on_nan", "teacher.train.on_nan"].map(on_nan);
        let flags = [data.transpose()?, seed].into_iter().chain(precision);
        let flags = flags.chain(max_tokens).chain(on_nan).chain(flags_of_verb);
        let flags = flags.flatten().map(Ok);
        flags.chain(self.set.iter().map(|text| Setting::parse(text))).collect()
    }
}

impl TrainArgs {
    /// The settings that the arguments ask for.
    ///
    /// Errors: a `--set` without `=`, a path that is not UTF-8.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        self.run.settings(Vec::new())
    }
}

impl DistillArgs {
    /// The settings that the arguments ask for.
    ///
    /// Errors: a `--set` without `=`, a path that is not UTF-8.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        let teacher = self.teacher.as_ref();
        let teacher = teacher.map(|path| Setting::path("--teacher", "teacher.run", path));
        let method = self.method.as_ref();
        let method = method.map(|name| Setting::flag("--method", "distill.method", name));
        self.run.settings(vec![teacher.transpose()?, method])
    }
}

impl TranslateArgs {
    /// How many translations of each line are wanted.
    ///
    /// Errors (misuse): more than the beam keeps.
    pub fn wanted(&self) -> Result<usize> {
        let (wanted, beam) = (self.n_best.unwrap_or(1), self.search.beam);
        let text = || format!("--n-best {wanted} needs --beam {wanted} or more, found {beam}");
        if wanted <= beam { Ok(wanted) } else { Err(Error::misuse(text())) }
    }
}

impl Globals {
    /// Sets the number of threads of this process.
    ///
    /// Errors: the system refuses to start them.
    pub fn start_threads(&self) -> Result<()> {
        let count = self.threads.map_or(0, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
        pool.map_err(|e| Error::failed(format!("cannot start the threads: {e}")))
    }
}

/// More threads than any machine has are a slip.
const MOST_THREADS: usize = 1024;

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = positive(text).ok().filter(|&count| count <= MOST_THREADS);
    count.and_then(NonZeroUsize::new).ok_or(format!("expected 1 to {MOST_THREADS}"))
}

/// A wider beam is a slip: its memory alone would end the program.
const WIDEST_BEAM: usize = 1000;

fn beam(text: &str) -> Result<usize, String> {
    let beam = positive(text).ok().filter(|&beam| beam <= WIDEST_BEAM);
    beam.ok_or(format!("expected 1 to {WIDEST_BEAM}"))
}

fn positive(text: &str) -> Result<usize, String> {
    let number = usize::from_str(text).ok().filter(|&number| number > 0);
    number.ok_or("expected a whole number, 1 or more".to_owned())
}

fn max_tokens(text: &str) -> Result<MaxTokens, String> {
    if text == "auto" {
        return Ok(MaxTokens::Auto);
    }
    positive(text).map(MaxTokens::Number).map_err(|text| format!("{text}, or auto"))
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = f64::from_str(text).ok().filter(|x| x.is_finite() && *x >= 0.0);
    number.ok_or("expected a number, 0 or more".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = f64::from_str(text).ok().filter(|x| (0.01..=86400.0).contains(x));
    number.ok_or("expected seconds, 0.01 to 86400".to_owned())
}
