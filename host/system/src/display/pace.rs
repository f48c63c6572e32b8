//! When plain lines are written.

use std::time::Duration;

/// Time of the first plain line. Shorter work shows none.
pub(super) const FIRST: Duration = Duration::from_secs(2);

/// The longest time between two plain lines. Until then it doubles.
const LONGEST: Duration = Duration::from_secs(60);

/// The times of plain lines.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time of the next line.
    next: Duration,
}

impl Pace {
    pub const START: Self = Self { next: FIRST };

    /// Whether a line is due, which is then taken as written.
    pub fn is_due(&mut self, elapsed: Duration) -> bool {
        let is_due = elapsed >= self.next;
        if is_due {
            self.next = elapsed + elapsed.min(LONGEST);
        }
        is_due
    }

    /// Whether a line was written.
    pub fn has_begun(&self) -> bool {
        self.next > FIRST
    }
}
