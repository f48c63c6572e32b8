//! Agreement between ranks: on a signal, the time limit or a due checkpoint, all ranks act at the same update.

use super::due::Due;
use super::trainer::Trainer;
use a2d_core::backend::Train;
use a2d_run::model::stored;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::signals;

impl<B: Train> Trainer<'_, B> {
    /// Agrees on the due actions. An action that is due on one rank is due on all.
    pub(super) fn keep_step(&mut self) {
        let limit = self.job.run.train.time_limit_seconds;
        // The first rank's clock decides: its seconds are logged, and a resumed run continues from them.
        let time_is_up = limit > 0.0 && self.seconds >= limit && self.job.ranks.is_first();
        let own = [self.due_to_look(), self.due_to_save(), time_is_up].map(u64::from);
        let signal = signals::stop_requested().unwrap_or(0) as u64;
        let [signal, look, save, end] = self.job.ranks.largest([signal, own[0], own[1], own[2]]);
        let stop = (signal != 0).then_some(signal as i32);
        self.due = Due { stop, look: look != 0, save: save != 0, end: end != 0 };
    }

    /// Checks that all ranks have the same configuration and data and start from the same checkpoint.
    ///
    /// # Errors
    ///
    /// Misuse: they differ.
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

    /// Checks that all ranks have the same parameters, because the first rank's are saved for all.
    ///
    /// # Errors
    ///
    /// The parameters differ; the device was lost.
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
