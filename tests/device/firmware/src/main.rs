//! The device program on a Cortex-M: the image stays in flash, the arena is a static array of the exact size, and the
//! output goes to the debugger.

#![no_std]
#![no_main]
#![deny(clippy::undocumented_unsafe_blocks)]

mod clock;
mod semihosting;
mod stack;

use a2d_demo::{Error, Sink, Summary, UNIT, decimal, run};
use a2d_device_data::{ARENA, IMAGE, LAYERS, LIMITS, Memory, SENTENCES};
use core::panic::PanicInfo;
use semihosting::Debugger;

/// Linked only if a panic is possible, which `run.sh panics` rejects.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    semihosting::exit(false)
}

/// `cortex-m-rt` calls it once, with exclusive access to its static.
#[cortex_m_rt::entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let mut out = Debugger::new(clock::Clock::new());
    let done = run::<LAYERS>(IMAGE, MEMORY, &SENTENCES, LIMITS, &mut out);
    match &done {
        Ok(summary) => tell(summary, &mut out),
        Err(error) => complain(error, &mut out),
    }
    if stack::high_water() == stack::room() {
        out.write(b"the stack reached down to the arena\n");
        semihosting::exit(false);
    }
    semihosting::exit(done.is_ok() && !out.failed())
}

/// Writes the memory and time of the run.
fn tell(summary: &Summary, out: &mut Debugger) {
    let ticks = summary.ticks_per_token();
    for (name, unit, number) in [
        ("arena=", "", ARENA as u64),
        (" stack=", "", stack::high_water() as u64),
        (" of ", "", stack::room() as u64),
        (" virtual-ticks/", UNIT, ticks),
        (" virtual-instructions/", UNIT, clock::instructions(ticks)),
    ] {
        out.write(name.as_bytes());
        out.write(unit.as_bytes());
        out.write(if unit.is_empty() { b"" } else { b"=" });
        decimal(out, number);
    }
    out.write(b"\n");
    summary.write(out);
}

fn complain(error: &Error, out: &mut Debugger) {
    out.write(error.words().as_bytes());
    if let Error::Sentence { number, .. } = error {
        out.write(b": ");
        decimal(out, *number as u64);
    }
    out.write(b"\n");
}
