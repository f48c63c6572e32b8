//! The timer of the processor core, extended to 64 bits.

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{Peripherals, SYST};

/// The timer counts 24 bits down and wraps.
const LARGEST: u32 = 0x00ff_ffff;

/// The timer's frequency in megahertz, as text, from `build.rs`.
const MEGAHERTZ: &str = env!("MEGAHERTZ");

/// Converts ticks to instructions, rounded to thousands. In QEMU with `-icount shift=0`, every instruction takes one
/// nanosecond. On a real core the times differ.
pub fn instructions(ticks: u64) -> u64 {
    let megahertz = MEGAHERTZ.bytes().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
    u64::from(ticks.checked_div(megahertz).unwrap_or(0)) * 1000
}

/// The ticks since the start. It must be read at least once in 2^24 ticks.
pub struct Clock {
    timer: Option<SYST>,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts the timer. A second clock always stays at 0.
    pub fn new() -> Self {
        let timer = Peripherals::take().map(|peripherals| {
            let mut timer = peripherals.SYST;
            timer.set_clock_source(SystClkSource::Core);
            timer.set_reload(LARGEST);
            timer.clear_current();
            timer.enable_counter();
            timer
        });
        let last = SYST::get_current();
        Self { timer, last, ticks: 0 }
    }

    /// Reads the timer.
    pub fn ticks(&mut self) -> u64 {
        if self.timer.is_some() {
            let now = SYST::get_current();
            let passed = self.last.wrapping_sub(now) & LARGEST;
            self.last = now;
            self.ticks = self.ticks.saturating_add(u64::from(passed));
        }
        self.ticks
    }
}
