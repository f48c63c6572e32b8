//! A program in a pseudo-terminal: keys go in, a screen comes out.

use pty_process::Size;
use pty_process::blocking::{self, Pty};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The key Ctrl-C, which interrupts.
pub const CTRL_C: &str = "\x03";

/// The key Ctrl-D, which ends the input at the start of a line.
pub const CTRL_D: &str = "\x04";

/// How long [`Terminal::wait_until`] and [`Terminal::end`] wait.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that runs in a pseudo-terminal of its own.
pub struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    output: Arc<Output>,
    reader: JoinHandle<()>,
}

/// What a program came to.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The last screen; see [`Terminal::screen`].
    pub screen: String,
}

/// What the program has written.
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    screen: vt100::Parser,
    written: Vec<u8>,
}

impl Terminal {
    /// Starts a command in a terminal of this many columns and rows. The command's program, arguments, folder and
    /// variables are taken; its streams are the terminal.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let (pty, slave) = blocking::open().expect("a pseudo-terminal");
        pty.resize(Size::new(rows, columns)).expect("a terminal that can be resized");
        let child = of(command).spawn(slave).expect("a program that starts");
        let state = State {
            screen: vt100::Parser::new(size(rows), size(columns), 10_000),
            written: Vec::new(),
        };
        let output = Arc::new(Output { state: Mutex::new(state), changed: Condvar::new() });
        let pty = Arc::new(pty);
        let reader = {
            let (pty, output) = (pty.clone(), output.clone());
            std::thread::spawn(move || output.read(&pty))
        };
        Self { child, pty, output, reader }
    }

    /// Types `text`; `\r` is the Enter key.
    pub fn keys(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).expect("a terminal that takes keys");
    }

    /// The screen: its rows without trailing blanks, joined by `\n`, without empty rows at the end.
    pub fn screen(&self) -> String {
        self.output.state.lock().unwrap().shown()
    }

    /// All that the program has written, with what a terminal obeys.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.output.state.lock().unwrap().written).into_owned()
    }

    /// Waits until the screen satisfies `holds`, and returns it. A screen that is soon overwritten may be missed.
    #[track_caller]
    pub fn wait_until(&self, holds: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut state = self.output.state.lock().unwrap();
        loop {
            let screen = state.shown();
            if holds(&screen) {
                return screen;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the screen that is waited for did not come:\n{screen}");
            state = self.output.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the screen contains `text`, and returns it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(|screen| screen.contains(text))
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status.code();
            }
            if Instant::now() > until {
                let _ = self.child.kill();
                panic!("the program did not end:\n{}", self.screen());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.reader.join().expect("a terminal that can be read");
        let screen = self.output.state.lock().unwrap().shown();
        Ended { code, screen }
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal with a size")
}

/// The command as the pseudo-terminal starts it.
fn of(command: &Command) -> blocking::Command {
    let mut of = blocking::Command::new(command.get_program()).args(command.get_args());
    of = of.env("TERM", "xterm-256color");
    if let Some(folder) = command.get_current_dir() {
        of = of.current_dir(folder);
    }
    for (key, value) in command.get_envs() {
        of = match value {
            Some(value) => of.env(key, value),
            None => of.env_remove(key),
        };
    }
    of
}

impl Output {
    /// Reads until the last process that holds the terminal has ended.
    fn read(&self, mut pty: &Pty) {
        let mut bytes = [0; 4096];
        // Linux reports the end as an error.
        while let Ok(read @ 1..) = pty.read(&mut bytes) {
            let mut state = self.state.lock().unwrap();
            state.screen.process(&bytes[..read]);
            state.written.extend(&bytes[..read]);
            self.changed.notify_all();
        }
    }
}

impl State {
    fn shown(&self) -> String {
        let screen = self.screen.screen();
        let rows = screen.rows(0, screen.size().1.get());
        let rows: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}
