//! The `host` command.

use a2d_host::cli::{Cli, Verb};
use a2d_host::error::{Error, Result};
use a2d_host::{commands, output, panics, score};
use clap::Parser;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::install();
    let cli = Cli::parse();
    match panics::guard(|| run(cli)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
        None => ExitCode::FAILURE,
    }
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
        Verb::Score(args) => score::command::run(&args.into(), &mut out)?,
        Verb::Bench(args) => commands::bench::run(args, &globals, &mut out)?,
        Verb::Devices(args) => commands::devices::run(args, &globals, &mut out)?,
    }
    out.flush().map_err(|e| Error::output("write", Path::new("the result"), &e))
}
