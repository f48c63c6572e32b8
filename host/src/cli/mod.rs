//! The command line as types; its names are a contract that scripts rely on.

use crate::backend::device::{Backend, Chosen, Device, choose, wish};
use crate::data::task::Task;
use crate::data::vocab::LineForm;
use crate::system::error::{Error, Result};
use crate::system::program;
use crate::version;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

mod bench;
mod configuration;
mod exporting;
mod importing;
mod naming;
mod scoring;
mod study;
mod texts;
mod training;
mod translation;
mod values;

pub use bench::BenchArgs;
pub use configuration::{ConfigArgs, InitArgs};
pub use exporting::{ExportArgs, Quantise, Target};
pub use importing::ImportArgs;
pub use naming::{command, parse};
pub use scoring::{CompareArgs, MetricArgs, ScoreArgs, SmoothMethod};
pub use study::StudyArgs;
pub use texts::{EmbedArgs, LineArgs, PredictArgs, VectorForm};
pub use training::{AverageArgs, DistillArgs, MaxTokens, RunArgs, TrainArgs};
pub use translation::{EvaluateArgs, ImageArgs, SearchArgs, TranslateArgs};

use values::{not_negative, pattern, positive, seconds, threads};

/// Distils small translation models from large ones: prepare, train, distill, translate, score.
#[derive(Debug, Parser)]
#[command(name = "a2d", version, long_version = version::long(), after_help = EXAMPLE)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub globals: Globals,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLE: &str = "Example: two text files to a small model
  a2d distill fixtures/quickstart/distill.toml
  echo 'Ein Hund läuft.' | a2d translate runs/quickstart";

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Threads to compute with [default: one for each core; processes of a launcher share them]
    #[arg(long, global = true, value_name = "N", value_parser = threads, display_order = 900)]
    pub threads: Option<NonZeroUsize>,
    /// Show no progress, only results and errors
    #[arg(long, short, global = true, display_order = 901)]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one value per process
pub enum Verb {
    /// Survey two text files and write a configuration that suits them
    Init(InitArgs),
    /// Print every key of a configuration with its default and meaning, or the values of one file
    Config(ConfigArgs),
    /// Learn a vocabulary from text, check the corpus, write token files
    Prepare(PrepareArgs),
    /// Train one model: a teacher, or a student without a teacher
    Train(TrainArgs),
    /// Train a student from a teacher; train the teacher first if there is none
    Distill(DistillArgs),
    /// Translate text: one line out for each line in
    Translate(TranslateArgs),
    /// Label texts: one line out for each line in
    Predict(PredictArgs),
    /// Turn texts into vectors
    Embed(EmbedArgs),
    /// Translate, label or embed a test set and score the result
    Evaluate(EvaluateArgs),
    /// Score translations: BLEU, chrF and TER, equal to sacreBLEU
    Score(ScoreArgs),
    /// Average the last checkpoints of a run into one model
    Average(AverageArgs),
    /// Make a run of a model of another toolkit: OPUS-MT, Hugging Face Marian, Marian
    Import(ImportArgs),
    /// Write a model as an image, which a device runs in place, or for another toolkit
    Export(ExportArgs),
    /// Test whether systems differ from a baseline significantly
    Compare(CompareArgs),
    /// Run a grid of methods, students, teachers, data and seeds from one file, and compare all results
    Study(StudyArgs),
    /// Measure speed: one line per measurement
    Bench(BenchArgs),
    /// List the backends of this machine, and the choice of `auto`
    Devices(DevicesArgs),
    /// Write a page about one or more runs: curves, alignment, attention, translations, settings
    Report(ReportArgs),
    /// Follow a running job in the terminal
    Watch(WatchArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page per verb
    Man(ManArgs),
}

impl Verb {
    /// Whether standard output is data or terminal control sequences, rather than text for people.
    pub fn writes_data(&self) -> bool {
        match self {
            Self::Translate(_) | Self::Predict(_) | Self::Embed(_) => {
                !std::io::stdout().is_terminal()
            }
            Self::Report(_) | Self::Watch(_) | Self::Completions(_) | Self::Man(_) => true,
            _ => false,
        }
    }
}

/// The device to compute on.
#[derive(Debug, Clone, Default, Args)]
pub struct DeviceArgs {
    /// The backend: auto (the fastest available), cpu or gpu
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    pub backend: Backend,
    /// The device: cpu, cuda:N or wgpu:N
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,
}

impl DeviceArgs {
    /// The requested device.
    ///
    /// # Errors
    ///
    /// Misuse: the arguments contradict each other, or there is no such device.
    pub fn choose(&self, globals: &Globals) -> Result<Chosen> {
        choose(wish(self.backend, self.device)?, globals.count(), globals.quiet)
    }
}

/// The languages and the training text of `init`.
#[derive(Debug, Clone, Args)]
pub struct CorpusArgs {
    /// Source language, and extension of the source files
    #[arg(long, value_name = "LANG")]
    pub source_lang: String,
    /// Target language, and extension of the target files
    #[arg(long, value_name = "LANG")]
    pub target_lang: String,
    /// Prefix of the training files
    #[arg(long, value_name = "PREFIX")]
    pub train: String,
}

/// The help of `--protect`: expressions in a doc comment would be links to rustdoc.
const PROTECT: &str = r"A regular expression of text to keep whole, such as placeholders: each text that matches in the training text becomes one token; repeatable. For strings of user interfaces: '\{[^{}]*\}' '%([0-9]+\$)?[sSd@]' '</?[a-zA-Z][^<>]*>' '&[a-zA-Z0-9#]+;'";

/// The options that name an existing vocabulary.
const GIVEN: &str = "given";

/// `a2d prepare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d prepare --source-lang de --target-lang en --train corpus/train --valid corpus/valid \\
      --vocab-size 8000 --out data/de-en
  a2d prepare --source-lang de --target-lang en --train corpus/train --valid corpus/valid \\
      --tokenizer source.spm,target.spm --out data/spm
  a2d prepare --task classify --train intents/train.tsv --valid intents/valid.tsv --out data/intents
Reads corpus/train.de and corpus/train.en (or .de.gz, .en.gz), one sentence per line.")]
pub struct PrepareArgs {
    /// What the data are for: translate (two parallel files of each split), classify (one file, label, tab, text a line) or
    /// embed (one file of texts)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    pub task: Task,
    /// Source language, and extension of the source files
    #[arg(long, value_name = "LANG", required_unless_present = "task")]
    pub source_lang: Option<String>,
    /// Target language, and extension of the target files
    #[arg(long, value_name = "LANG", required_unless_present = "task")]
    pub target_lang: Option<String>,
    /// Prefix of the training files, or the file of texts
    #[arg(long, value_name = "PREFIX")]
    pub train: String,
    /// Prefix of the validation files, or the file
    #[arg(long, value_name = "PREFIX")]
    pub valid: String,
    /// Prefix of the test files, or the file
    #[arg(long, value_name = "PREFIX")]
    pub test: Option<String>,
    /// Subwords in the joint vocabulary
    #[arg(
        long,
        value_name = "N",
        default_value = "8000",
        value_parser = positive,
        conflicts_with = GIVEN
    )]
    pub vocab_size: usize,
    /// Use these SentencePiece models and learn no vocabulary: those of source and target, or one for both. The
    /// vocabulary is joint, the tokens of both models
    #[arg(long, value_name = "SOURCE.spm,TARGET.spm", value_delimiter = ',', group = GIVEN)]
    pub tokenizer: Vec<PathBuf>,
    /// Use the vocabulary of a run; the same as --vocab RUN/tokenizer.json
    #[arg(long, value_name = "RUN", group = GIVEN)]
    pub like: Option<PathBuf>,
    /// Use the vocabulary of a run or of other data, its tokenizer.json, and learn none: text for a teacher that is
    /// there already, its own translations for one
    #[arg(long, value_name = "FILE", group = GIVEN)]
    pub vocab: Option<PathBuf>,
    /// How lines are normalised before they become subwords: nfc (spaces of every kind are one, what is invisible is
    /// dropped, letters and their accents are one character), nfkc (and characters that mean the same are the same) or
    /// none
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "nfc",
        hide_possible_values = true,
        conflicts_with = GIVEN
    )]
    pub normalization: LineForm,
    /// Regular expressions of texts to keep whole.
    #[arg(long, value_name = "REGEX", value_parser = pattern, conflicts_with = GIVEN, help = PROTECT)]
    pub protect: Vec<String>,
    /// Drop and count pairs with more subwords on either side; texts are cut
    #[arg(long, value_name = "N", default_value = "250", value_parser = positive)]
    pub max_length: usize,
    /// Drop the training pairs that have a flaw: copies, duplicates, sides of very different
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

/// `a2d devices`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d devices --json")]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `a2d report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d report runs/quickstart --out report.html
  a2d report runs/a2d runs/word-kd runs/alone --sentences 3,17,40 --out compared.html
The teacher and the baseline of a run are shown beside it if they are found.")]
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
    /// Show lines of this text instead of the test set
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
}

/// `a2d watch`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d watch runs/quickstart
  a2d watch runs/quickstart --once --json
Ends with the run: exit code 0 if the run finished, 1 if it was stopped, killed or failed.")]
pub struct WatchArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Print the state once and exit
    #[arg(long)]
    pub once: bool,
    /// Seconds between updates of the display
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub interval: f64,
    /// Print JSON, one line per change
    #[arg(long)]
    pub json: bool,
}

/// `a2d completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d completions bash > ~/.local/share/bash-completion/completions/a2d
  a2d completions zsh > ~/.zfunc/_a2d  (a folder of fpath)
  a2d completions fish > ~/.config/fish/completions/a2d.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// `a2d man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d man | man -l -
  a2d man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for the pages, one for each verb
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The parser's error about a command line, as one line.
pub fn refusal(error: &clap::Error, arguments: impl IntoIterator<Item = String>) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let told = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told: Vec<_> = told.map(|line| line.replacen("tip: ", "- ", 1)).collect();
    let verbs = command();
    let is_verb = |text: &String| verbs.get_subcommands().any(|verb| verb.get_name() == text);
    let verb = arguments.into_iter().skip(1).find(is_verb).map(|verb| format!(" {verb}"));
    format!("{}; see `{}{} --help`", told.join(" "), program::name(), verb.unwrap_or_default())
}

/// Bytes of a thread's stack.
const STACK: usize = 2 << 20;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Globals {
    /// The number of threads that is asked for; 0: none is.
    pub fn count(&self) -> usize {
        self.threads.map_or(0, NonZeroUsize::get)
    }

    /// Sets the number of threads of this process.
    ///
    /// # Errors
    ///
    /// The system refuses to start them.
    pub fn start_threads(&self) -> Result<()> {
        // Neither is left to the environment, whose numbers may be of any size.
        let count = self.threads.map_or_else(cores, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).stack_size(STACK);
        let pool = pool.build_global();
        pool.map_err(|e| Error::failed(format!("cannot start the threads: {e}")))
    }
}
