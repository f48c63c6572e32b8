//! The terminal that bars are drawn on.

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Columns that a bar leaves free. A terminal shows `^C` there, twice if need be: on the next line, it would move the
/// cursor away from the bar, which could not be cleared.
const FREE: u16 = 4;
/// Drawings a second.
const HERTZ: u8 = 20;

/// Whether a bar is on the screen.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Standard error, less the columns that stay free.
#[derive(Debug)]
struct Screen(Term);

/// The target of a bar on standard error.
pub(super) fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Term::stderr())), HERTZ)
}

/// Columns of a bar: those of the terminal on standard error, or of one of 80, less the free ones.
pub(super) fn width() -> usize {
    Screen(Term::stderr()).width().into()
}

/// Clears the bar of a process that ends at once.
pub(crate) fn clear() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        // The process ends: nobody hears of an error.
        let _ = Term::stderr().clear_line();
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let columns = self.0.size_checked().map_or(80, |(_, columns)| columns);
        columns.saturating_sub(FREE).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        SHOWN.store(true, Ordering::SeqCst);
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        SHOWN.store(false, Ordering::SeqCst);
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
