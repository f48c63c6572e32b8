//! One training among several of a command.

use crate::cli::{MaxTokens, RunArgs};
use crate::config::{Method, Run};
use crate::device::{Chosen, Work};
use crate::display::Display;
use crate::error::{Error, Result};
use crate::prepared::Prepared;
use crate::run_dir::RunDir;
use crate::signals;
use crate::train::memory::Need;
use crate::train::{self, Job};
use a2d_core::backend::Train;
use std::path::{Path, PathBuf};

/// Where trainings are computed, and how much there is room for.
pub struct Place {
    device: Chosen,
    /// Bytes that were free before the first of them.
    free: Option<u64>,
    auto: bool,
}

impl Place {
    /// The device, as it is before anything is computed there.
    ///
    /// Errors (misuse): batches are to fill a device whose memory is not known.
    pub fn new(device: Chosen, args: &RunArgs) -> Result<Self> {
        let auto = args.max_tokens == Some(MaxTokens::Auto);
        let free = device.free_memory();
        if auto && free.is_none() {
            let device = device.device();
            let text = format!("{device} does not tell its memory: give a number");
            return Err(Error::misuse(format!("--max-tokens auto: {text}")));
        }
        Ok(Self { device, free, auto })
    }

    /// The device.
    pub fn device(&self) -> &Chosen {
        &self.device
    }

    /// What batches are to fill the device keep the size that they had in an earlier part of the run in `folder`.
    ///
    /// Errors (misuse): the configuration there cannot be read.
    pub fn remember(&self, run: &mut Run, folder: &Path) -> Result<()> {
        let dir = RunDir::at(folder);
        if self.auto && dir.last().is_file() {
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
    /// Errors: what training meets; not even one pair has room on the device.
    pub fn train(
        &self,
        place: &Place,
        teacher: Option<PathBuf>,
        display: &mut Display,
    ) -> Result<()> {
        signals::go_on()?;
        let Self { label, data, folder, resume, .. } = *self;
        let (run, room) = self.fitted(place, teacher.as_deref(), display)?;
        let dir = if resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
        let _lock = dir.lock()?;
        let device = place.device.device();
        let job = Job { label, dir: &dir, run: &run, data, teacher, resume, device, room };
        place.device.run(run.train.precision, Training { job, display })
    }

    /// The run with batches that fill the device, where that is wanted, and the tokens that it has room for.
    fn fitted(
        &self,
        place: &Place,
        teacher: Option<&Path>,
        display: &Display,
    ) -> Result<(Run, usize)> {
        let mut run = self.run.clone();
        let Some(free) = place.free else { return Ok((run, usize::MAX)) };
        let beside = matches!(run.distill.method, Method::A2d | Method::WordKd);
        let teacher = teacher.filter(|_| beside);
        let teacher = teacher.map(|folder| RunDir::open(folder)?.load_config()).transpose()?;
        let lengths = self.data.train.all_lengths();
        let longest = lengths.iter().map(|&(s, t)| s.max(t) as usize).max().unwrap_or(0);
        let auto = place.auto && !RunDir::at(self.folder).last().is_file();
        let longest = if auto { longest } else { longest.min(run.train.max_tokens) };
        let need = Need::new(&run, teacher.as_ref(), self.data.vocab.len(), longest)?;
        let (label, device) = (self.label, place.device.device());
        let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
        let room = need.most_tokens(free).ok_or_else(|| {
            let (needed, free) = (gib(need.bytes(longest)), gib(free));
            let text = format!("a pair of {longest} tokens may take {needed}");
            Error::failed(format!(
                "{label}: {text}, {device} has {free} free: lower `data.max_length`"
            ))
        })?;
        if auto {
            let all: usize = lengths.iter().map(|&(s, t)| s.max(t) as usize).sum();
            run.train.max_tokens = room.min(all.max(longest));
            let text = format!("max_tokens {} fills {device}", run.train.max_tokens);
            display.line(&format!("{label}: {text} ({} free)", gib(free)));
        } else if room < run.train.max_tokens {
            let (max_tokens, free) = (run.train.max_tokens, gib(free));
            let text = format!("{device} ({free} free) has no room for max_tokens {max_tokens}");
            display.line(&format!("{label}: {text}: batches are computed {room} at a time"));
        }
        Ok((run, room))
    }
}

struct Training<'a> {
    job: Job<'a>,
    display: &'a mut Display,
}

impl Work for Training<'_> {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        train::train(b, &self.job, self.display).map(drop)
    }
}
