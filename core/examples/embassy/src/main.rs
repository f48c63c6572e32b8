//! Translates the lines that come in over a serial port, under Embassy, on an nRF52840 (Cortex-M4F).
//!
//! Translation runs in the executor of thread mode, which has the lowest priority. Other tasks run in an executor of an
//! interrupt: they go on during a step of a translation. Between two steps, the translation feeds the watchdog and lets
//! the other tasks of its own executor run.

#![no_std]
#![no_main]

mod student;
mod terminal;

use a2d_core::micro::{Arena, Error, Model, Options, Translator};
use a2d_dsp::Dsp;
use core::panic::PanicInfo;
use core::task::Poll;
use embassy_executor::{InterruptExecutor, Spawner};
use embassy_futures::yield_now;
use embassy_nrf::buffered_uarte::{self, BufferedUarte};
use embassy_nrf::gpio::{Level, Output, OutputDrive};
use embassy_nrf::interrupt::{InterruptExt, Priority};
use embassy_nrf::wdt::{self, Watchdog};
use embassy_nrf::{bind_interrupts, interrupt, peripherals, uarte};
use embassy_time::{Instant, Timer};
use static_cell::ConstStaticCell;
use student::{ARENA_BYTES, IMAGE, LAYERS, LIMITS, STREAM_BYTES};
use terminal::Terminal;

/// The working memory of translations. As it is all 0, it takes no flash.
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
/// Received and sent bytes that wait.
static BUFFERS: ConstStaticCell<[[u8; 256]; 2]> = ConstStaticCell::new([[0; 256]; 2]);
/// Tasks that interrupt a translation.
static URGENT: InterruptExecutor = InterruptExecutor::new();

bind_interrupts!(struct Interrupts {
    UARTE0 => buffered_uarte::InterruptHandler<peripherals::UARTE0>;
});

#[interrupt]
fn EGU1_SWI1() {
    // SAFETY: `main` starts the executor before it enables this interrupt, and nothing else calls this function.
    unsafe { URGENT.on_interrupt() }
}

/// Resets the board. `a2d-core` does not panic.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// The rest of the firmware: a blinking LED. It keeps its pace during a translation.
#[embassy_executor::task]
async fn blink(mut led: Output<'static>) {
    loop {
        led.toggle();
        Timer::after_millis(500).await;
    }
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let board = embassy_nrf::init(Default::default());
    interrupt::EGU1_SWI1.set_priority(Priority::P6);
    let led = Output::new(board.P0_13, Level::High, OutputDrive::Standard);
    if let Ok(task) = blink(led) {
        URGENT.start(interrupt::EGU1_SWI1).spawn(task);
    }
    let [received, sent] = BUFFERS.take();
    let serial = BufferedUarte::new(
        board.UARTE0,
        board.TIMER1,
        board.PPI_CH0,
        board.PPI_CH1,
        board.PPI_GROUP0,
        board.P0_08,
        board.P0_06,
        Interrupts,
        uarte::Config::default(),
        received,
        sent,
    );
    let mut period = wdt::Config::default();
    period.timeout_ticks = 4 * 32_768; // 4 seconds: a step of a translation must be shorter
    // If a watchdog with another period runs since before a reset, nothing here can feed it.
    let watchdog = Watchdog::try_new(board.WDT, period).map(|(_, [handle])| handle).ok();
    let mut terminal = Terminal::new(serial, watchdog);
    if let Err(error) = serve(&mut terminal).await {
        terminal.print(format_args!("{error}\r\n")).await;
    }
    loop {
        terminal.rest().await;
    }
}

/// Answers each line with its translation and the time that it took.
async fn serve(terminal: &mut Terminal) -> Result<(), Error> {
    let model = Model::<LAYERS>::new(IMAGE)?;
    let translator = Translator::new(&model, ARENA.take(), LIMITS, Options::default())?;
    let mut translator = translator.computing(&Dsp);
    let mut line = [0; 256];
    loop {
        let line = terminal.read_line(&mut line).await;
        let start = Instant::now();
        match translate(&model, &mut translator, line, terminal).await {
            Ok(()) => {
                let ms = start.elapsed().as_millis();
                terminal.print(format_args!(" [{ms} ms]\r\n")).await;
            }
            Err(error) => terminal.print(format_args!("{error}\r\n")).await,
        }
    }
}

/// Translates a line, and writes each word as soon as it is found.
async fn translate(
    model: &Model<'_, LAYERS>,
    translator: &mut Translator<'_, '_, LAYERS>,
    line: &[u8],
    terminal: &mut Terminal,
) -> Result<(), Error> {
    let line = str::from_utf8(line).map_err(|error| Error::Utf8 { at: error.valid_up_to() })?;
    let mut stream = model.target().ok_or(Error::Tokenizer)?.stream();
    let mut text = [0; STREAM_BYTES];
    let mut job = translator.start(line)?;
    loop {
        terminal.feed_watchdog();
        yield_now().await;
        let (len, ended) = match job.poll()? {
            Poll::Pending => (0, false),
            Poll::Ready(Some(token)) => (stream.push(token, &mut text)?, false),
            Poll::Ready(None) => (stream.finish(&mut text)?, true),
        };
        terminal.write(text.get(..len).unwrap_or_default()).await;
        if ended {
            return Ok(());
        }
    }
}
