//! Ranks in step: what one of them alone knows, a signal or the time, all of them do something about, or none.

use super::trainer::Trainer;
use a2d_core::backend::Train;
use a2d_run::model::stored;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::signals;

/// What is due after an update, the same for all ranks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Due {
    /// The end, asked for by this signal.
    pub(super) stop: Option<i32>,
    /// A look at the updates that nobody has seen.
    pub(super) look: bool,
    /// A checkpoint.
    pub(super) save: bool,
    /// The end, as the time is up.
    pub(super) end: bool,
}

impl<B: Train> Trainer<'_, B> {
    /// Asks all ranks what is due: what is for one of them is for all.
    pub(super) fn keep_step(&mut self) {
        let limit = self.job.run.train.time_limit_seconds;
        // By the clock of the one that writes the log, which a later part goes on from.
        let time_is_up = limit > 0.0 && self.seconds >= limit && self.job.ranks.is_first();
        let own = [self.due_to_look(), self.due_to_save(), time_is_up].map(u64::from);
        let signal = signals::stop_requested().unwrap_or(0) as u64;
        let [signal, look, save, end] = self.job.ranks.largest([signal, own[0], own[1], own[2]]);
        let stop = (signal != 0).then_some(signal as i32);
        self.due = Due { stop, look: look != 0, save: save != 0, end: end != 0 };
    }

    /// Whether all ranks were started alike, and go on from the same checkpoint.
    ///
    /// # Errors
    ///
    /// Misuse: they were not, or do not.
    pub(super) fn check_start(&self, b: &mut B) -> Result<()> {
        let ranks = self.job.ranks;
        if ranks.size() == 1 {
            return Ok(());
        }
        let told = format!("{} {:?}", self.job.label, ranks.agree(self.metadata())?);
        if !ranks.same(hash::bytes(told.as_bytes())) {
            return Err(ranks.alike(Error::misuse(format!(
                "{}: the ranks have different configurations, data or checkpoints: \
                 start all by one command, in folders that all of them see",
                self.job.label
            ))));
        }
        self.check_step(b)
    }

    /// Whether all ranks have the same parameters: what is saved must be everybody's.
    ///
    /// # Errors
    ///
    /// They have not; the device was lost.
    pub(super) fn check_step(&self, b: &mut B) -> Result<()> {
        let ranks = self.job.ranks;
        if ranks.size() == 1 {
            return Ok(());
        }
        let mut hash = hash::Running::new(0);
        for (_, (_, data)) in stored(b, &self.learner.plan, &self.learner.params, "")? {
            data.iter().for_each(|x| hash.add(&x.to_bits().to_le_bytes()));
        }
        if ranks.same(hash.end()) {
            return Ok(());
        }
        let (label, update) = (self.job.label, self.progress.update);
        let last = self.job.dir.last();
        let last = last.display();
        Err(ranks.alike(Error::failed(format!(
            "{label}: the ranks have different parameters after update {update}, so none are saved; \
             {last} is left as it was: start the same program on all machines, \
             in folders that all of them see, with --resume"
        ))))
    }
}
