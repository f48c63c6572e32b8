//! The progress of scoring.

use a2d_system::display::{Throughput, Total};
use a2d_system::error::Result;
use a2d_system::signals;
use std::borrow::Cow;

/// Who watches the work of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nobody: nothing is displayed, and signals are left to the caller.
    Nobody,
    /// A command: work that takes seconds is displayed unless `quiet`, and a signal ends it.
    Command {
        /// Whether nothing is displayed.
        quiet: bool,
    },
}

impl Watch {
    /// Records signals from now on. Before, they end a command that waits for its standard input.
    ///
    /// # Errors
    ///
    /// Those of [`signals::install`].
    pub(super) fn begin(self) -> Result<()> {
        if self == Self::Nobody { Ok(()) } else { signals::install() }
    }

    /// Starts work of `all` units. `verb` says what is done with them: `BLEU: scored`.
    pub(super) fn start(self, verb: String, unit: &'static str, all: usize) -> Work {
        let shown = |quiet| Throughput::of(quiet, Cow::Owned(verb), unit, Total::Lines(all));
        Work(match self {
            Self::Nobody => None,
            Self::Command { quiet } => Some(shown(quiet)),
        })
    }
}

/// Work that is watched. Its display ends when it is dropped.
pub(super) struct Work(Option<Throughput>);

impl Work {
    /// Adds units that are done.
    ///
    /// # Errors
    ///
    /// [`Interrupted`](a2d_system::error::Error::Interrupted): a signal was received.
    pub fn add(&self, units: usize) -> Result<()> {
        let Some(shown) = &self.0 else { return Ok(()) };
        shown.add(units);
        signals::go_on()
    }
}
