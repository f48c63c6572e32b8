//! The device program on an RV32IMAC, which has no floats: QEMU's machine `virt`, whose serial port gets the output.

#![no_std]
#![no_main]
#![deny(clippy::undocumented_unsafe_blocks)]

mod machine;
#[path = "../../firmware/src/stack.rs"]
mod stack;

use a2d_demo::{Sink, decimal, run};
use a2d_device_data::{ARENA, IMAGE, LAYERS, LIMITS, Memory, SENTENCES};
use core::panic::PanicInfo;
use machine::Serial;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    machine::exit(false)
}

/// The start code calls it once.
#[unsafe(no_mangle)]
extern "C" fn a2d_main(memory: &'static mut Memory) -> ! {
    let done = run::<LAYERS>(IMAGE, memory, &SENTENCES, LIMITS, &mut Serial);
    match &done {
        Ok(summary) => {
            for (name, number) in [
                ("arena=", ARENA as u64),
                (" stack=", stack::high_water() as u64),
                (" of ", stack::room() as u64),
                (" virtual-instructions/token=", summary.ticks_per_token()),
            ] {
                Serial.write(name.as_bytes());
                decimal(&mut Serial, number);
            }
            Serial.write(b"\n");
            summary.write(&mut Serial);
        }
        Err(error) => {
            Serial.write(error.words().as_bytes());
            Serial.write(b"\n");
        }
    }
    machine::exit(done.is_ok() && stack::high_water() < stack::room())
}
