//! Lines of a text as they arrive. A thread reads them, so that a signal ends the wait for a pipe that stays open.

use crate::error::{Error, Result};
use crate::signals;
use crate::text::{self, Lines, Reader};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that a line takes of the room, besides its text.
const LINE: usize = 32;

/// How long a signal may remain unnoticed.
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes of the thread's stack.
const STACK: usize = 1 << 18;

/// The lines of a text, in the order in which they arrive.
pub struct Arrivals {
    shared: Arc<Shared>,
    /// Whether the text is a regular file. Its lines do not depend on the speed of reading.
    at_hand: bool,
}

/// The lines between the thread that reads and the one that takes.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something arrived.
    arrived: Condvar,
    /// There is room again.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    lines: Lines,
    /// Bytes up to which lines are read ahead; see [`Arrivals::next`].
    room: usize,
    /// How reading ended.
    end: Option<Result<()>>,
    /// Whether nobody takes lines any more.
    closed: bool,
}

impl State {
    fn is_full(&self) -> bool {
        room(self.lines.bytes(), self.lines.len()) >= self.room
    }
}

/// The room that some lines take, given the number of their bytes.
pub fn room(bytes: usize, lines: usize) -> usize {
    bytes + LINE * lines
}

impl Arrivals {
    /// Opens a text, as [`Reader::open`]. Nothing is read before the first call of [`Arrivals::next`].
    ///
    /// # Errors
    ///
    /// As [`Reader::open`]; the system refuses to start a thread.
    pub fn open(path: &Path) -> Result<Self> {
        let (reader, shared) = (Reader::open(path)?, Arc::<Shared>::default());
        let thread = std::thread::Builder::new().name("lines".into()).stack_size(STACK);
        let at = shared.clone();
        let started = thread.spawn(move || at.read(reader));
        started.map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
        Ok(Self { shared, at_hand: text::is_at_hand(path) })
    }

    /// Whether the next call of [`Arrivals::next`] has to wait for lines.
    pub fn is_waiting(&self) -> bool {
        let state = self.shared.lock();
        state.lines.is_empty() && state.end.is_none()
    }

    /// Waits for a line and returns all that have arrived; of a regular file, as many as there is room for. A line
    /// takes its bytes and a few more. No lines: the text has ended.
    ///
    /// # Errors
    ///
    /// A signal. When the lines before it were taken: the text cannot be read.
    pub fn next(&mut self, room: usize) -> Result<Lines> {
        let mut state = self.shared.lock();
        state.room = room;
        self.shared.taken.notify_one();
        while state.end.is_none() && !self.is_enough(&state) {
            signals::go_on()?;
            let waited = self.shared.arrived.wait_timeout(state, PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let lines = std::mem::take(&mut state.lines);
        match &state.end {
            Some(Err(error)) if lines.is_empty() => Err(error.clone()),
            _ => Ok(lines),
        }
    }

    fn is_enough(&self, state: &State) -> bool {
        if self.at_hand { state.is_full() } else { !state.lines.is_empty() }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.taken.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the text or the interest in it ends.
    fn read(&self, mut reader: Reader) {
        let mut line = Lines::default();
        loop {
            let state = self.lock();
            let wait = |state: &mut State| state.is_full() && !state.closed;
            let waited = self.taken.wait_while(state, wait);
            if waited.unwrap_or_else(PoisonError::into_inner).closed {
                return;
            }
            let read = reader.next(&mut line);
            let mut state = self.lock();
            match read {
                Ok(true) => state.lines.append(&mut line),
                end => state.end = Some(end.map(drop)),
            }
            let ended = state.end.is_some();
            drop(state);
            self.arrived.notify_one();
            if ended {
                return;
            }
        }
    }
}
