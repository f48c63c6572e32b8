//! `a2d bench`.

use crate::bench::{self, Measurement, Peaks};
use crate::cli::{BenchArgs, Globals};
use crate::system::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Measures and prints one line per measurement.
///
/// # Errors
///
/// Batches that cannot be used (misuse), a lost device, `out` cannot be written.
pub fn run(args: BenchArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let device = args.device.choose(globals)?;
    args.precision.iter().try_for_each(|&of| device.check("--precision", of))?;
    let threads = globals.threads.map_or_else(rayon::current_num_threads, usize::from);
    let mut peaks = Peaks::default();
    for request in args.requests() {
        for measurement in bench::measure(&request, &device, threads, &mut peaks)? {
            write(&measurement, args.json, out)
                .map_err(|e| Error::output("write", Path::new("the measurements"), &e))?;
        }
    }
    Ok(())
}

fn write(of: &Measurement, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if json { writeln!(out, "{}", of.json()) } else { writeln!(out, "{of}") }
}
