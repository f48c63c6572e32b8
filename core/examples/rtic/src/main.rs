//! Translates the lines that come in over a serial port, in the idle task of RTIC, on a micro:bit (nRF51822: Cortex-M0,
//! 256 KiB of flash, 16 KiB of memory).
//!
//! The idle task has the lowest priority: every other task interrupts a translation at once. Between two steps of a
//! translation the idle task feeds the watchdog. A step takes at most a second or two on this chip, which has no
//! floating-point unit.

#![no_std]
#![no_main]

mod serial;
mod student;
mod words;

use core::panic::PanicInfo;

/// Waits for the watchdog to reset the board. No code here panics, so the linker drops this function.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

#[rtic::app(device = nrf51_hal::pac, peripherals = true)]
mod app {
    use crate::serial::Serial;
    use crate::student::{ARENA_BYTES, IMAGE, LAYERS, LIMITS, STREAM_BYTES};
    use crate::words::{decimal, words};
    use a2d_core::micro::{Arena, Error, Model, Options, Translator};
    use a2d_dsp::Dsp;
    use core::task::Poll;
    use embedded_hal::digital::OutputPin;
    use heapless::Vec;
    use heapless::spsc::{Consumer, Producer, Queue};
    use nrf51_hal::gpio::{Level, Output, Pin, PushPull, p0};
    use nrf51_hal::pac::{TIMER0, WDT};
    use nrf51_hal::timer::{Periodic, Timer};
    use nrf51_hal::wdt::handles::Hdl0;
    use nrf51_hal::wdt::{Watchdog, WatchdogHandle, count};
    use rtic::Mutex as _;

    /// Maximum bytes of a line.
    const LINE: usize = 96;
    /// The watchdog's period: 8 seconds of a clock of 32,768 Hz. A step of a translation must be shorter.
    const PERIOD: u32 = 8 * 32_768;
    /// The tick of [`tick`]: 10 ms of a clock of 1 MHz.
    const TICK: u32 = 10_000;

    #[shared]
    struct Shared {
        serial: Serial,
        ticks: u32,
    }

    #[local]
    struct Local {
        led: Pin<Output<PushPull>>,
        timer: Timer<TIMER0, Periodic>,
        received: Producer<'static, u8>,
        typed: Consumer<'static, u8>,
        watchdog: Option<WatchdogHandle<Hdl0>>,
    }

    #[init(local = [queue: Queue<u8, LINE> = Queue::new()])]
    fn init(cx: init::Context) -> (Shared, Local) {
        let board = cx.device;
        let pins = p0::Parts::new(board.GPIO);
        let mut timer = Timer::periodic(board.TIMER0);
        timer.enable_interrupt();
        timer.start(TICK);
        let output = pins.p0_24.into_push_pull_output(Level::High).degrade();
        let input = pins.p0_25.into_floating_input().degrade();
        let serial = Serial::new(board.UART0, output.pin(), input.pin());
        pins.p0_04.into_push_pull_output(Level::Low); // the column of the LED
        let led = pins.p0_13.into_push_pull_output(Level::Low).degrade();
        let (received, typed) = cx.local.queue.split();
        let watchdog = watchdog(board.WDT);
        (Shared { serial, ticks: 0 }, Local { led, timer, received, typed, watchdog })
    }

    /// Starts the watchdog, or takes over the one that runs since before a reset.
    fn watchdog(device: WDT) -> Option<WatchdogHandle<Hdl0>> {
        let parts = match Watchdog::try_new(device) {
            Ok(mut idle) => {
                idle.set_lfosc_ticks(PERIOD);
                Some(idle.activate::<count::One>())
            }
            Err(device) => Watchdog::try_recover::<count::One>(device).ok(),
        };
        parts.map(|parts| parts.handles.0)
    }

    /// The rest of the firmware: a blinking LED. It keeps its pace while the idle task translates.
    #[task(binds = TIMER0, priority = 3, local = [led, timer], shared = [ticks])]
    fn tick(mut cx: tick::Context) {
        cx.local.timer.reset_event();
        let ticks = cx.shared.ticks.lock(|ticks| {
            *ticks = ticks.wrapping_add(1);
            *ticks
        });
        let _ = cx.local.led.set_state((ticks & 64 != 0).into());
    }

    /// Stores what comes in. Bytes that the queue has no room for are lost.
    #[task(binds = UART0, priority = 2, local = [received], shared = [serial])]
    fn receive(mut cx: receive::Context) {
        cx.shared.serial.lock(|serial| {
            while let Some(byte) = serial.read() {
                let _ = cx.local.received.enqueue(byte);
            }
        });
    }

    /// Translates line by line, for ever.
    #[idle(local = [arena: Arena<ARENA_BYTES> = Arena::new(), typed, watchdog], shared = [serial, ticks])]
    fn idle(cx: idle::Context) -> ! {
        let idle::LocalResources { arena, typed, watchdog, .. } = cx.local;
        let mut terminal = Terminal { typed, watchdog, shared: cx.shared };
        // Borrowed from their `Result`: a move would put a second copy on the stack.
        let model = Model::<LAYERS>::new(IMAGE);
        let translator = match &model {
            Ok(model) => {
                let translator = Translator::new(model, arena, LIMITS, Options::default());
                translator.map(|translator| (model, translator.computing(&Dsp)))
            }
            Err(error) => Err(Error::Image(*error)),
        };
        match translator {
            Ok((model, translator)) => serve(model, translator, &mut terminal),
            Err(error) => terminal.complain(&error),
        }
        loop {
            terminal.wait();
        }
    }

    /// Answers each line with its translation and the ticks that it took.
    fn serve(
        model: &Model<'_, LAYERS>,
        mut translator: Translator<'_, '_, LAYERS>,
        terminal: &mut Terminal<'_>,
    ) {
        let mut line = Vec::<u8, LINE>::new();
        loop {
            terminal.read_line(&mut line);
            let start = terminal.ticks();
            let text = core::str::from_utf8(&line);
            let text = text.map_err(|error| Error::Utf8 { at: error.valid_up_to() });
            match text.and_then(|text| translate(model, &mut translator, text, terminal)) {
                Ok(()) => terminal.tell_ticks(start),
                Err(error) => terminal.complain(&error),
            }
        }
    }

    /// Translates a line, and writes each word as soon as it is found.
    fn translate(
        model: &Model<'_, LAYERS>,
        translator: &mut Translator<'_, '_, LAYERS>,
        line: &str,
        terminal: &mut Terminal<'_>,
    ) -> Result<(), Error> {
        let mut stream = model.target().ok_or(Error::Tokenizer)?.stream();
        let mut text = [0; STREAM_BYTES];
        let mut job = translator.start(line)?;
        loop {
            terminal.feed_watchdog();
            let (len, ended) = match job.poll()? {
                Poll::Pending => (0, false),
                Poll::Ready(Some(token)) => (stream.push(token, &mut text)?, false),
                Poll::Ready(None) => (stream.finish(&mut text)?, true),
            };
            terminal.write(text.get(..len).unwrap_or_default());
            if ended {
                return Ok(());
            }
        }
    }

    /// What the idle task shares with the others.
    struct Terminal<'a> {
        typed: &'a mut Consumer<'static, u8>,
        watchdog: &'a mut Option<WatchdogHandle<Hdl0>>,
        shared: idle::SharedResources<'a>,
    }

    impl Terminal<'_> {
        /// Resets the watchdog's counter.
        fn feed_watchdog(&mut self) {
            if let Some(watchdog) = self.watchdog {
                watchdog.pet();
            }
        }

        /// Sleeps until the next interrupt.
        fn wait(&mut self) {
            self.feed_watchdog();
            cortex_m::asm::wfi();
        }

        /// Ticks since the start.
        fn ticks(&mut self) -> u32 {
            self.shared.ticks.lock(|ticks| *ticks)
        }

        /// Waits for a line. What is too long for `line` is cut.
        fn read_line(&mut self, line: &mut Vec<u8, LINE>) {
            line.clear();
            loop {
                match self.typed.dequeue() {
                    None => self.wait(),
                    Some(b'\n' | b'\r') => return,
                    Some(byte) => drop(line.push(byte)),
                }
            }
        }

        /// Writes bytes. The port is locked for one byte at a time, so that no received byte is missed.
        fn write(&mut self, text: &[u8]) {
            for byte in text {
                self.shared.serial.lock(|serial| serial.write(*byte));
            }
        }

        /// Ends a translation with the ticks since `start`.
        fn tell_ticks(&mut self, start: u32) {
            let ticks = self.ticks().wrapping_sub(start);
            self.write(b" [");
            decimal(ticks, |digit| self.write(&[digit]));
            self.write(b" ticks]\n");
        }

        /// Writes why a line is not translated.
        fn complain(&mut self, error: &Error) {
            self.write(words(error).as_bytes());
            self.write(b"\n");
        }
    }
}
