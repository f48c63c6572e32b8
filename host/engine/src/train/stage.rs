//! A single training of a command that runs several.

use super::memory::Need;
use super::ranks::{Ranks, Sums};
use super::{Job, train};
use crate::backend::device::Chosen;
use crate::backend::work::Work;
use a2d_core::backend::Train;
use a2d_run::config::RunConfig;
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::lock::Held;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// The device, ranks and memory of a command's trainings.
pub struct Place<'a> {
    device: Chosen,
    ranks: &'a Ranks,
    /// Free device memory in bytes before the first training.
    free: Option<u64>,
    /// Whether batches fill the device's memory (`--max-tokens auto`).
    fill: bool,
    /// The folder locked before its data were prepared.
    held: OnceCell<(PathBuf, Held)>,
}

impl<'a> Place<'a> {
    /// Selects the device of this rank. Call this before the first computation on it. With `fill`, batches fill the
    /// device's memory.
    ///
    /// # Errors
    ///
    /// Misuse: `fill` is set and the device's memory is unknown.
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

    /// Creates and locks a run's folder before anything is written in it.
    ///
    /// # Errors
    ///
    /// Misuse: another process trains in the folder, or it has a run and `begun` is false. The folder cannot be
    /// written.
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

    /// Whether this process has locked `folder` by [`Place::hold`].
    pub fn holds(&self, folder: &Path) -> bool {
        self.held.get().is_some_and(|(held, _)| held == folder)
    }

    /// If batches fill the device, takes their size from the earlier part of the run in `folder`.
    ///
    /// # Errors
    ///
    /// Misuse: the configuration in `folder` cannot be read.
    pub fn remember(&self, run: &mut RunConfig, folder: &Path) -> Result<()> {
        let dir = RunDir::at(folder);
        if self.fill && dir.last().is_file() {
            run.train.max_tokens = dir.load_config()?.train.max_tokens;
        }
        Ok(())
    }
}

/// One training.
pub struct Stage<'a> {
    /// Name in the display.
    pub label: &'a str,
    /// The run's configuration.
    pub run: &'a RunConfig,
    /// The data.
    pub data: &'a Prepared,
    /// The output folder.
    pub folder: &'a Path,
    /// Folder of a finished run with whose weights the training begins.
    pub start: Option<&'a Path>,
    /// Whether to resume.
    pub resume: bool,
}

impl Stage<'_> {
    /// Trains in the folder. A finished run is kept if `resume` is set.
    ///
    /// # Errors
    ///
    /// Errors of training; a single pair does not fit the device's memory.
    pub fn train(
        &self,
        place: &Place<'_>,
        teacher: Option<PathBuf>,
        display: &mut Display,
    ) -> Result<()> {
        let Self { label, data, folder, resume, .. } = *self;
        let ranks = place.ranks;
        ranks.go_on()?;
        let sums = (ranks.size() > 1).then(|| Sums::choose(&place.device, ranks)).transpose()?;
        let joined = sums.as_ref().map_or(0, Sums::memory);
        let free = place.free.map(|free| free.saturating_sub(joined));
        let room = ranks.agree(self.room(place, free, teacher.as_deref()))?;
        let run = self.sized(place, free, room, display);
        let dir = RunDir::at(folder);
        let _lock = ranks.agree(self.begin(place))?;
        let device = place.device.device();
        if let Some(note) = place.device.note(run.train.precision) {
            display.line(&format!("{label}: {note}"));
        }
        if let Some(sums) = &sums {
            display.line(&format!("{label}: {sums}"));
        }
        let (dir, run, start) = (&dir, &run, self.start.map(Path::to_owned));
        let job = Job { label, dir, run, data, teacher, start, resume, device, room, ranks };
        let seat = sums.as_ref().and_then(Sums::seat);
        place.device.run_joined(run.train.precision, seat, Training { job, display })
    }

    /// Creates and locks the folder, on rank 0 only.
    fn begin(&self, place: &Place<'_>) -> Result<Option<Held>> {
        if !place.ranks.is_first() {
            return Ok(None);
        }
        let folder = self.folder;
        let dir = if self.resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
        if place.holds(folder) { Ok(None) } else { dir.lock().map(Some) }
    }

    /// Whether batches fill the devices and no earlier part of the run has set their size.
    fn fills(&self, place: &Place<'_>) -> bool {
        place.fill && !RunDir::at(self.folder).last().is_file()
    }

    /// Longest sentence on either side, in tokens.
    fn longest(&self) -> usize {
        let lengths = self.data.train.all_lengths();
        lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0)
    }

    /// Padded tokens that fit the `free` bytes of the device of this rank.
    ///
    /// # Errors
    ///
    /// A single pair does not fit; the teacher's configuration cannot be read.
    fn room(&self, place: &Place<'_>, free: Option<u64>, teacher: Option<&Path>) -> Result<usize> {
        let Some(free) = free else { return Ok(usize::MAX) };
        let Self { label, run, .. } = *self;
        let beside = run.distill.method.needs().teacher_beside();
        let teacher = teacher.filter(|_| beside);
        let teacher = teacher.map(|folder| RunDir::open(folder)?.load_config()).transpose()?;
        let longest = self.longest();
        let longest = if self.fills(place) { longest } else { longest.min(run.train.max_tokens) };
        let need = Need::new(run, teacher.as_ref(), self.data.vocab.sizes(), longest)?;
        need.most_tokens(free).ok_or_else(|| {
            let (needed, free) = (gib(need.bytes(longest)), gib(free));
            let text = format!("a pair of {longest} tokens may take {needed}");
            let device = place.device.device();
            Error::failed(format!(
                "{label}: {text}, {device} has {free} free: lower `data.max_length`"
            ))
        })
    }

    /// The run's configuration, with batches that fill the devices of all ranks if requested.
    fn sized(
        &self,
        place: &Place<'_>,
        free: Option<u64>,
        room: usize,
        display: &Display,
    ) -> RunConfig {
        let mut run = self.run.clone();
        let Some(free) = free else { return run };
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
