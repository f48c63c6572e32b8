//! The machine: its start, its serial port, its counter of instructions, its end.

use a2d_demo::Sink;
use a2d_device_data::Memory;
use core::arch::{asm, global_asm};

/// The arena, which the start code lends to `a2d_main`.
#[unsafe(no_mangle)]
static mut MEMORY: Memory = Memory::new();

// Paints the stack, as `stack` expects it. QEMU gives memory of zeros.
global_asm!(
    ".pushsection .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    "    la t0, _stack_end",
    "    la sp, _stack_start",
    "    li t1, 0xcccccccc",
    "1:  sw t1, 0(t0)",
    "    addi t0, t0, 4",
    "    bltu t0, sp, 1b",
    "    la a0, {memory}",
    "    j a2d_main",
    ".popsection",
    memory = sym MEMORY,
);

/// The serial port, an NS16550.
pub struct Serial;

/// Its data register.
const PORT: *mut u8 = 0x1000_0000 as *mut u8;

impl Sink for Serial {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: the register takes any byte, at any time.
            unsafe { PORT.write_volatile(*byte) };
        }
    }

    /// Instructions. With QEMU's `-icount shift=0` the counter is exact.
    fn ticks(&mut self) -> u64 {
        loop {
            let (high, low, again): (u32, u32, u32);
            // SAFETY: the counter can be read in machine mode, and nothing else changes.
            unsafe {
                asm!(
                    "csrr {high}, minstreth", "csrr {low}, minstret", "csrr {again}, minstreth",
                    high = out(reg) high, low = out(reg) low, again = out(reg) again,
                    options(nomem, nostack),
                );
            }
            if high == again {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }
}

/// Ends the emulation with success or failure.
pub fn exit(success: bool) -> ! {
    /// The device that ends the machine.
    const FINISHER: *mut u32 = 0x0010_0000 as *mut u32;
    let status = if success { 0x5555 } else { 1 << 16 | 0x3333 };
    loop {
        // SAFETY: the device takes these words.
        unsafe { FINISHER.write_volatile(status) };
    }
}
