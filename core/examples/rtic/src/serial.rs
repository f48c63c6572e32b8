//! The serial port of the nRF51, 115,200 baud, with an interrupt for each received byte.

use nrf51_hal::pac::UART0;
use nrf51_hal::pac::uart0::baudrate::BAUDRATE_A;

/// The serial port, in use.
pub struct Serial(UART0);

impl Serial {
    /// Starts the port on the pins of these numbers, which must be an output and an input.
    pub fn new(port: UART0, output: u8, input: u8) -> Self {
        // SAFETY: both numbers select a pin, as no number of 5 bits does otherwise.
        port.pseltxd.write(|w| unsafe { w.bits(u32::from(output & 31)) });
        // SAFETY: as above.
        port.pselrxd.write(|w| unsafe { w.bits(u32::from(input & 31)) });
        port.baudrate.write(|w| w.baudrate().variant(BAUDRATE_A::BAUD115200));
        port.enable.write(|w| w.enable().enabled());
        port.intenset.write(|w| w.rxdrdy().set());
        // SAFETY: 1 starts a task.
        port.tasks_starttx.write(|w| unsafe { w.bits(1) });
        // SAFETY: 1 starts a task.
        port.tasks_startrx.write(|w| unsafe { w.bits(1) });
        Self(port)
    }

    /// The next received byte.
    pub fn read(&mut self) -> Option<u8> {
        if self.0.events_rxdrdy.read().bits() == 0 {
            return None;
        }
        self.0.events_rxdrdy.reset();
        Some(self.0.rxd.read().rxd().bits())
    }

    /// Sends a byte, which takes 87 µs.
    pub fn write(&mut self, byte: u8) {
        self.0.txd.write(|w| w.txd().variant(byte));
        while self.0.events_txdrdy.read().bits() == 0 {}
        self.0.events_txdrdy.reset();
    }
}
