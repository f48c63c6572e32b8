//! Lines over the serial port, and the watchdog that is fed while one waits for them.

use core::fmt::{Arguments, Write as _};
use embassy_nrf::buffered_uarte::BufferedUarte;
use embassy_nrf::wdt::WatchdogHandle;
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::Write as _;
use heapless::String;

/// How long to wait before the watchdog is fed again.
const REST: Duration = Duration::from_secs(1);

/// What a translation needs of the board.
pub struct Terminal {
    serial: BufferedUarte<'static>,
    watchdog: Option<WatchdogHandle>,
}

impl Terminal {
    /// A terminal at a serial port.
    pub fn new(serial: BufferedUarte<'static>, watchdog: Option<WatchdogHandle>) -> Self {
        Self { serial, watchdog }
    }

    /// Resets the watchdog's counter.
    pub fn feed_watchdog(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.pet();
        }
    }

    /// Feeds the watchdog and waits.
    pub async fn rest(&mut self) {
        self.feed_watchdog();
        Timer::after(REST).await;
    }

    /// Waits for a line. What is too long for `line` is cut.
    pub async fn read_line<'l>(&mut self, line: &'l mut [u8]) -> &'l [u8] {
        let mut len = 0;
        loop {
            let mut byte = [0];
            match with_timeout(REST, self.serial.read(&mut byte)).await {
                Err(_) => self.feed_watchdog(),
                Ok(Err(_)) => self.rest().await,
                Ok(Ok(_)) if matches!(byte, [b'\n' | b'\r']) => {
                    return line.get(..len).unwrap_or_default();
                }
                Ok(Ok(read)) => {
                    if let Some(place) = line.get_mut(len) {
                        *place = byte[0];
                        len += read;
                    }
                }
            }
        }
    }

    /// Writes bytes. Other tasks run while the port's buffer is full.
    pub async fn write(&mut self, text: &[u8]) {
        let _ = self.serial.write_all(text).await;
    }

    /// Writes a text of up to 96 bytes.
    pub async fn print(&mut self, text: Arguments<'_>) {
        let mut line = String::<96>::new();
        let _ = line.write_fmt(text);
        self.write(line.as_bytes()).await;
    }
}
