//! The `host` command.

use a2d_host::cli::{Cli, Verb, refusal};
use a2d_host::error::{Error, Result};
use a2d_host::{commands, output, panics, score};
use clap::Parser;
use clap::error::ErrorKind;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return refuse(&refused),
    };
    match panics::guard(|| run(cli)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
        None => ExitCode::FAILURE,
    }
}

/// Shows help where that was asked for or nothing was; says what is wrong in one line otherwise.
fn refuse(refused: &clap::Error) -> ExitCode {
    let helps = refused.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if helps || !refused.use_stderr() {
        let _ = refused.print();
    } else {
        let arguments = std::env::args_os().map(|text| text.to_string_lossy().into_owned());
        let _ = writeln!(std::io::stderr(), "error: {}", refusal(refused, arguments));
    }
    ExitCode::from(refused.exit_code() as u8)
}

fn run(Cli { globals, verb }: Cli) -> Result<()> {
    globals.start_threads()?;
    let mut out = output::stdout();
    match verb {
        Verb::Prepare(args) => commands::prepare::run(args, &globals, &mut out)?,
        Verb::Train(args) => commands::train::run(args, &globals, &mut out)?,
        Verb::Distill(args) => commands::distill::run(args, &globals, &mut out)?,
        Verb::Translate(args) => commands::translate::run(args, &globals, &mut out)?,
        Verb::Evaluate(args) => commands::evaluate::run(args, &globals, &mut out)?,
        Verb::Score(args) => score::command::run(&args.try_into()?, &mut out)?,
        Verb::Compare(args) => score::compare::run(&args.try_into()?, &mut out)?,
        Verb::Export(args) => commands::export::run(&args, &globals, &mut out)?,
        Verb::Average(args) => commands::average::run(&args, &mut out)?,
        Verb::Bench(args) => commands::bench::run(args, &globals, &mut out)?,
        Verb::Devices(args) => commands::devices::run(args, &globals, &mut out)?,
        Verb::Report(args) => commands::report::run(args, &globals, &mut out)?,
        Verb::Watch(args) => commands::watch::run(&args, &mut out)?,
    }
    out.flush().map_err(|e| Error::output("write", Path::new("the result"), &e))
}
