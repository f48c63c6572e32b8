//! The device program as an ordinary process: translates the sentences, or chooses them with the argument `choose`.

#![forbid(unsafe_code)]

mod choose;

use a2d_demo::{Error, Sink, run};
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
    let done = match std::env::args().nth(1).as_deref() {
        None => translate(),
        Some("choose") => choose::choose(),
        Some(other) => Err(format!("no such word: {other} (choose, or nothing)")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn translate() -> Result<(), String> {
    let mut out = Terminal { out: io::stdout().lock(), start: Instant::now(), failed: None };
    let mut arena = Box::new(Memory::new());
    let summary = run::<LAYERS>(IMAGE, &mut arena[..], &SENTENCES, LIMITS, &mut out);
    let summary = summary.map_err(|error| explain(&error))?;
    out.write(format!("arena={ARENA} ns/token={}\n", summary.ticks_per_token()).as_bytes());
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
