//! One training among several of a command.

use super::memory::Need;
use super::ranks::Ranks;
use super::{Job, train};
use crate::backend::device::{Chosen, Work};
use a2d_core::backend::Train;
use a2d_run::config::Run;
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::lock::Held;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// Where trainings are computed, and how much there is room for.
pub struct Place<'a> {
    device: Chosen,
    ranks: &'a Ranks,
    /// Bytes that were free before the first of them.
    free: Option<u64>,
    /// Whether batches are to fill the device.
    fill: bool,
    /// The folder that is this process's own since before its data were prepared.
    held: OnceCell<(PathBuf, Held)>,
}

impl<'a> Place<'a> {
    /// The device of this rank, as it is before anything is computed there. `fill` says whether batches are to fill it.
    ///
    /// # Errors
    ///
    /// Misuse: batches are to fill a device whose memory is not known.
    pub fn new(device: Chosen, fill: bool, ranks: &'a Ranks) -> Result<Self> {
        let device = device.of_rank(ranks.local());
        let free = device.free_memory();
        if fill && free.is_none() {
            let device = device.device();
            let text = format!("{device} does not tell its memory: give a number");
            return Err(Error::misuse(format!("--max-tokens auto: {text}")));
        }
        Ok(Self { device, ranks, free, fill, held: OnceCell::new() })
    }

    /// The device.
    pub fn device(&self) -> &Chosen {
        &self.device
    }

    /// Begins a run's folder before anything is written there: from now on it is this process's own.
    ///
    /// # Errors
    ///
    /// Another process trains there, or has trained what was not `begun` (misuse); it cannot be written.
    pub fn hold(&self, folder: &Path, begun: bool) -> Result<()> {
        if !self.ranks.is_first() || self.held.get().is_some() {
            return Ok(());
        }
        let dir = RunDir::resume(folder)?;
        let held = dir.lock()?;
        if !begun {
            RunDir::free(folder)?;
        }
        self.held.get_or_init(|| (folder.to_owned(), held));
        Ok(())
    }

    /// Whether the folder is this process's own since then.
    pub fn holds(&self, folder: &Path) -> bool {
        self.held.get().is_some_and(|(held, _)| held == folder)
    }

    /// What batches are to fill the device keep the size that they had in an earlier part of the run in `folder`.
    ///
    /// # Errors
    ///
    /// Misuse: the configuration there cannot be read.
    pub fn remember(&self, run: &mut Run, folder: &Path) -> Result<()> {
        let dir = RunDir::at(folder);
        if self.fill && dir.last().is_file() {
            run.train.max_tokens = dir.load_config()?.train.max_tokens;
        }
        Ok(())
    }
}

/// One training.
pub struct Stage<'a> {
    /// What the display calls it.
    pub label: &'a str,
    /// The run.
    pub run: &'a Run,
    /// The data.
    pub data: &'a Prepared,
    /// Where it goes.
    pub folder: &'a Path,
    /// Whether to go on with it.
    pub resume: bool,
}

impl Stage<'_> {
    /// Trains into the folder, unless a finished run is there to be resumed.
    ///
    /// # Errors
    ///
    /// What training meets; not even one pair has room on the device.
    pub fn train(
        &self,
        place: &Place<'_>,
        teacher: Option<PathBuf>,
        display: &mut Display,
    ) -> Result<()> {
        let Self { label, data, folder, resume, .. } = *self;
        let ranks = place.ranks;
        ranks.go_on()?;
        let room = ranks.agree(self.room(place, teacher.as_deref()))?;
        let run = self.sized(place, room, display);
        let dir = RunDir::at(folder);
        let _lock = ranks.agree(self.begin(place))?;
        let device = place.device.device();
        if let Some(note) = place.device.note(run.train.precision) {
            display.line(&format!("{label}: {note}"));
        }
        let job = Job { label, dir: &dir, run: &run, data, teacher, resume, device, room, ranks };
        place.device.run(run.train.precision, Training { job, display })
    }

    /// Makes the folder, for the rank that writes there, and keeps others away from it.
    fn begin(&self, place: &Place<'_>) -> Result<Option<Held>> {
        if !place.ranks.is_first() {
            return Ok(None);
        }
        let folder = self.folder;
        let dir = if self.resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
        if place.holds(folder) { Ok(None) } else { dir.lock().map(Some) }
    }

    /// Whether batches are to fill the devices, and no earlier part of the run has chosen their size.
    fn fills(&self, place: &Place<'_>) -> bool {
        place.fill && !RunDir::at(self.folder).last().is_file()
    }

    /// Tokens of the longest sentence on either side.
    fn longest(&self) -> usize {
        let lengths = self.data.train.all_lengths();
        lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0)
    }

    /// The tokens that the device of this rank has room for.
    ///
    /// # Errors
    ///
    /// Not even for one pair; the teacher's configuration cannot be read.
    fn room(&self, place: &Place<'_>, teacher: Option<&Path>) -> Result<usize> {
        let Some(free) = place.free else { return Ok(usize::MAX) };
        let Self { label, run, .. } = *self;
        let beside = run.distill.method.needs().teacher_beside();
        let teacher = teacher.filter(|_| beside);
        let teacher = teacher.map(|folder| RunDir::open(folder)?.load_config()).transpose()?;
        let longest = self.longest();
        let longest = if self.fills(place) { longest } else { longest.min(run.train.max_tokens) };
        let need = Need::new(run, teacher.as_ref(), self.data.vocab.len(), longest)?;
        need.most_tokens(free).ok_or_else(|| {
            let (needed, free) = (gib(need.bytes(longest)), gib(free));
            let text = format!("a pair of {longest} tokens may take {needed}");
            let device = place.device.device();
            Error::failed(format!(
                "{label}: {text}, {device} has {free} free: lower `data.max_length`"
            ))
        })
    }

    /// The run with batches that fill the devices of all ranks, where that is wanted.
    fn sized(&self, place: &Place<'_>, room: usize, display: &Display) -> Run {
        let mut run = self.run.clone();
        let Some(free) = place.free else { return run };
        let (label, device, ranks) = (self.label, place.device.device(), place.ranks.size());
        if self.fills(place) {
            let together = ranks.saturating_mul(place.ranks.smallest(room as u64) as usize);
            let lengths = self.data.train.all_lengths();
            let all: usize = lengths.iter().map(|&(s, t)| s.max(t) as usize).sum();
            run.train.max_tokens = together.min(all.max(self.longest()));
            let text = format!("max_tokens {} fills {device}", run.train.max_tokens);
            display.line(&format!("{label}: {text} ({} free)", gib(free)));
        } else if room < run.train.max_tokens.div_ceil(ranks) {
            let (max_tokens, free) = (run.train.max_tokens, gib(free));
            let text = format!("{device} ({free} free) has no room for max_tokens {max_tokens}");
            display.line(&format!("{label}: {text}: batches are computed {room} at a time"));
        }
        run
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

struct Training<'a> {
    job: Job<'a>,
    display: &'a mut Display,
}

impl Work for Training<'_> {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        train(b, &self.job, self.display).map(drop)
    }
}
