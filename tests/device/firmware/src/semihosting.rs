//! Services of the debugger: output, and an exit code.

use crate::clock::Clock;
use a2d_demo::Sink;
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hio::{self, HostStream};

/// The debugger's standard output.
pub struct Debugger {
    out: Option<HostStream>,
    clock: Clock,
    failed: bool,
}

impl Debugger {
    /// Opens the output.
    pub fn new(clock: Clock) -> Self {
        let out = hio::hstdout().ok();
        Self { failed: out.is_none(), out, clock }
    }

    /// Whether any output was not written.
    pub fn failed(&self) -> bool {
        self.failed
    }
}

impl Sink for Debugger {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out {
            self.failed |= out.write_all(bytes).is_err();
        }
    }

    fn ticks(&mut self) -> u64 {
        self.clock.ticks()
    }

    /// A real board feeds its watchdog here. Reads the timer before it wraps.
    fn feed(&mut self) {
        self.clock.ticks();
    }
}

/// Ends the emulation with success or failure.
pub fn exit(success: bool) -> ! {
    let status = if success { EXIT_SUCCESS } else { EXIT_FAILURE };
    loop {
        debug::exit(status);
    }
}
