//! The `host` command.

use a2d_host::cli::{Cli, DeviceArgs, Verb};
use a2d_host::error::{Error, Result};
use a2d_host::{commands, device, output, panics};
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
        Verb::Prepare(_) | Verb::Score(_) => unbuilt(&DeviceArgs::default())?,
        Verb::Train(args) => unbuilt(&args.run.device)?,
        Verb::Distill(args) => unbuilt(&args.run.device)?,
        Verb::Translate(args) => unbuilt(&args.device)?,
        Verb::Evaluate(args) => unbuilt(&args.device)?,
        Verb::Bench(args) => unbuilt(&args.device)?,
        Verb::Devices(args) => commands::devices::run(args, &globals, &mut out)?,
    }
    out.flush().map_err(|e| Error::output("write", Path::new("the result"), &e))
}

fn unbuilt(args: &DeviceArgs) -> Result<()> {
    device::choose(args.backend, args.device)?;
    Err(Error::failed("not built yet"))
}
