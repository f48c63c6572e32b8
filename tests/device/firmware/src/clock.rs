//! The core's own timer, made longer.

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{Peripherals, SYST};

/// Counts down 24 bits and begins anew.
const LARGEST: u32 = 0x00ff_ffff;

/// Ticks since it was made, if it is read at least once in 2^24 ticks.
pub struct Clock {
    timer: Option<SYST>,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts the timer; of a second clock nothing is ever heard.
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
