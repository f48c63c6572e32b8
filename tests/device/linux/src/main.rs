//! The device program as an ordinary process: translates the sentences, or chooses them with the argument `choose`. With
//! `isa NAME` it runs them with packed weights, and `isa` names the instruction sets of the processor.

#![forbid(unsafe_code)]

#[cfg(not(feature = "text"))]
mod choose;
#[cfg(not(feature = "text"))]
mod packed;
#[cfg(feature = "text")]
#[path = "packed_texts.rs"]
mod packed;

use a2d_demo::{Error, Sink, UNIT, run};
use a2d_device_data::{ARENA, IMAGE, LAYERS, LIMITS, Memory, SENTENCES};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Standard output, and a clock in nanoseconds.
struct Terminal {
    out: io::StdoutLock<'static>,
    start: Instant,
    failed: Option<io::Error>,
}

impl Sink for Terminal {
    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.out.write_all(bytes) {
            self.failed.get_or_insert(error);
        }
    }

    fn ticks(&mut self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => translate(),
        #[cfg(not(feature = "text"))]
        ["choose"] => choose::choose(),
        ["isa"] => {
            names();
            Ok(())
        }
        ["isa", name] => pack(name),
        _ => Err(format!("not known: {} (choose, isa, isa NAME, or nothing)", words.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the names of the instruction sets of this processor.
fn names() {
    a2d_packed::Isa::all().for_each(|isa| println!("{isa}"));
}

fn terminal() -> Terminal {
    Terminal { out: io::stdout().lock(), start: Instant::now(), failed: None }
}

fn pack(isa: &str) -> Result<(), String> {
    let mut out = terminal();
    packed::run(isa)?.write(&mut out);
    out.failed.map_or(Ok(()), |error| Err(format!("standard output: {error}")))
}

fn translate() -> Result<(), String> {
    let mut out = terminal();
    let mut arena = Box::new(Memory::new());
    let summary = run::<LAYERS>(IMAGE, &mut arena[..], &SENTENCES, LIMITS, &mut out);
    let summary = summary.map_err(|error| explain(&error))?;
    out.write(format!("arena={ARENA} ns/{UNIT}={}\n", summary.ticks_per_token()).as_bytes());
    summary.write(&mut out);
    out.failed.map_or(Ok(()), |error| Err(format!("standard output: {error}")))
}

fn explain(error: &Error) -> String {
    match error {
        Error::Arithmetic => error.words().into(),
        Error::Begin(why) => format!("{}: {why}", error.words()),
        Error::Sentence { number, error: why } => format!("sentence {number}: {why}"),
    }
}
