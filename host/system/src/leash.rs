//! Processes that end with the one that started them.
//!
//! The standard input of such a process is a pipe that nothing is written to. It is closed when the other process lets go
//! of it or ends, however it ends; then the process receives SIGTERM from itself, so a training saves before it stops.

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::raise;
use std::io::Read;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The variable that marks such a process.
const VARIABLE: &str = "A2D_STUDY_LEASH";

/// Bytes of the stack of the thread that waits.
const STACK: usize = 1 << 17;

/// A started process. It stops when the value is dropped or [`Leashed::let_go`] was called.
#[derive(Debug)]
pub struct Leashed {
    /// The process.
    pub child: Child,
    pipe: Option<ChildStdin>,
}

impl Leashed {
    /// Starts `command`. Ctrl-C in the terminal does not reach it.
    ///
    /// # Errors
    ///
    /// The process cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut child = command.stdin(Stdio::piped()).env(VARIABLE, "1").spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Stops the process: it receives SIGTERM.
    pub fn let_go(&mut self) {
        self.pipe = None;
    }
}

/// In a process that [`Leashed::start`] started, waits on a thread until the other process lets go. Does nothing in any
/// other process.
pub fn obey() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let wait = || {
        let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
        let _ = raise(SIGTERM);
    };
    // Without the thread the process only ends later, by itself.
    let _ = std::thread::Builder::new().stack_size(STACK).spawn(wait);
}
