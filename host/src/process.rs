//! The program as a process, from its arguments to its exit code. The binaries are names for it.

use crate::cli::{self, Cli, Globals, Verb, refusal};
use crate::commands;
use crate::panics;
use crate::run::provenance;
use crate::system::error::{Error, Result};
use crate::system::leash;
use crate::system::output;
use crate::system::program;
use crate::system::signals;
use crate::train::ranks::{Launch, Ranks};
use clap::error::ErrorKind;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Stack size in bytes, independent of the shell's limit: a model is on the stack while it is built.
const STACK: usize = 16 << 20;

/// Runs the binary `name`, built from `commit`: that of the repository, or an empty text.
pub fn run_as(name: &'static str, commit: &'static str) -> ExitCode {
    program::started_as(name);
    provenance::built_from(commit);
    panics::install();
    leash::obey();
    let refused = |e: std::io::Error| Error::failed(format!("cannot start a thread: {e}"));
    let start = |()| std::thread::Builder::new().stack_size(STACK).spawn(work).map_err(refused);
    match signals::survive().and_then(start) {
        Ok(work) => work.join().unwrap_or(ExitCode::FAILURE),
        Err(error) => ExitCode::from(tell(&error)),
    }
}

fn work() -> ExitCode {
    let launch = Launch::of_environment();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(refused) => return told_once(launch, || refuse(&refused)),
    };
    let ranks = match meet(&cli.verb, launch) {
        Ok(ranks) => ranks,
        Err(error) => return told_once(launch, || ExitCode::from(tell(&error))),
    };
    let code = match panics::guard(|| run(cli, launch, &ranks)) {
        Some(Ok(())) => return ExitCode::SUCCESS,
        Some(Err(error)) => tell(&error),
        None => 1,
    };
    ranks.end(code);
    ExitCode::from(code)
}

/// Prints the error, on the rank where it occurred; returns its exit code.
fn tell(error: &Error) -> u8 {
    if !matches!(error, Error::Elsewhere(_)) {
        say(&error.to_string());
    }
    error.exit_code()
}

/// Prints an error as one line.
fn say(text: &str) {
    let _ = writeln!(output::stderr(), "error: {}", output::one_line(text));
}

/// Runs `show` on the first process of a launcher, before the ranks have met. The others exit with 0: a launcher ends
/// all processes at the first failure, which may be before the message is printed.
fn told_once(launch: Launch, show: impl FnOnce() -> ExitCode) -> ExitCode {
    if launch.is_first() { show() } else { ExitCode::SUCCESS }
}

/// The ranks of a launcher, for verbs that support several processes.
fn meet(verb: &Verb, launch: Launch) -> Result<Ranks> {
    if launch.size > 1 && !matches!(verb, Verb::Train(_) | Verb::Distill(_)) {
        let [train, distill] = ["train", "distill"].map(program::command);
        let text = format!("only {train} and {distill} work in several processes");
        let how = "start it without the launcher";
        return Err(Error::misuse(format!("{text}, this is one of {}: {how}", launch.size)));
    }
    Ranks::start(launch)
}

/// The options of this process: several processes share the cores of a machine, and only the first shows progress.
fn shared(globals: Globals, launch: Launch) -> Globals {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = globals.threads.or_else(|| launch.threads(cores));
    Globals { threads, quiet: globals.quiet || !launch.is_first() }
}

/// Prints help if requested or if there is no verb; otherwise the error as one line.
fn refuse(refused: &clap::Error) -> ExitCode {
    let helps = refused.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if helps || !refused.use_stderr() {
        let _ = refused.print();
    } else {
        let arguments = std::env::args_os().map(|text| text.to_string_lossy().into_owned());
        say(&refusal(refused, arguments));
    }
    ExitCode::from(refused.exit_code() as u8)
}

fn run(Cli { globals, verb }: Cli, launch: Launch, ranks: &Ranks) -> Result<()> {
    let globals = shared(globals, launch);
    globals.start_threads()?;
    let (mut data, mut out);
    let out: &mut dyn Write = if verb.writes_data() {
        data = output::data();
        &mut data
    } else {
        out = output::people();
        &mut out
    };
    match verb {
        Verb::Init(args) => commands::init::run(args, &globals, out)?,
        Verb::Config(args) => commands::config::run(args, out)?,
        Verb::Prepare(args) => commands::prepare::run(args, &globals, out)?,
        Verb::Train(args) => commands::train::run(args, &globals, ranks, out)?,
        Verb::Distill(args) => commands::distill::run(args, &globals, ranks, out)?,
        Verb::Translate(args) => commands::translate::run(args, &globals, out)?,
        Verb::Predict(args) => commands::predict::run(args, &globals, out)?,
        Verb::Embed(args) => commands::embed::run(args, &globals, out)?,
        Verb::Evaluate(args) => commands::evaluate::run(args, &globals, out)?,
        Verb::Score(args) => commands::score::run(args, &globals, out)?,
        Verb::Compare(args) => commands::compare::run(args, &globals, out)?,
        Verb::Study(args) => commands::study::run(args, &globals, out)?,
        Verb::Export(args) => commands::export::run(&args, &globals, out)?,
        Verb::Import(args) => commands::import::run(&args, out)?,
        Verb::Average(args) => commands::average::run(args, out)?,
        Verb::Bench(args) => commands::bench::run(args, &globals, out)?,
        Verb::Devices(args) => commands::devices::run(args, &globals, out)?,
        Verb::Report(args) => commands::report::run(args, &globals, out)?,
        Verb::Watch(args) => commands::watch::run(args, out)?,
        Verb::Completions(args) => commands::completions::run(args, out)?,
        Verb::Man(args) => commands::man::run(&args, out)?,
    }
    out.flush().map_err(|e| Error::output("write", Path::new("the result"), &e))
}
