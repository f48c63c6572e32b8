//! The device program as a process that uses only system calls: no `std`, no allocator, no C library.

#![no_std]
#![no_main]
#![deny(clippy::undocumented_unsafe_blocks)]

mod memory;
mod system;

use a2d_demo::{Sink, decimal, run};
use a2d_device_data::{ARENA, IMAGE, LAYERS, LIMITS, Memory, SENTENCES};
use core::panic::PanicInfo;

/// Standard output.
struct Output {
    failed: bool,
}

impl Sink for Output {
    fn write(&mut self, bytes: &[u8]) {
        self.failed |= !system::write(bytes);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    system::exit(101)
}

/// The entry point. The arena is on the stack.
fn main() -> ! {
    let mut out = Output { failed: false };
    let mut arena = Memory::new();
    let done = run::<LAYERS>(IMAGE, &mut arena, &SENTENCES, LIMITS, &mut out);
    match &done {
        Ok(summary) => {
            out.write(b"arena=");
            decimal(&mut out, ARENA as u64);
            out.write(b"\n");
            summary.write(&mut out);
        }
        Err(error) => {
            out.write(error.words().as_bytes());
            out.write(b"\n");
        }
    }
    system::exit(i32::from(done.is_err() || out.failed))
}
