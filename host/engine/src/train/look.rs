//! Reads, shows and logs the numbers of pending updates.

use super::due::Unseen;
use super::trainer::Trainer;
use super::window::Window;
use super::{Unread, Update};
use a2d_core::backend::Train;
use a2d_core::kd::{Losses, Term, WORDS};
use a2d_system::display::{Display, Step};
use a2d_system::error::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Updates are looked at when so many are unseen ...
const MOST_UNSEEN: usize = 100;
/// ... or after this time, so that the progress display moves.
const LONGEST_UNSEEN: Duration = Duration::from_secs(10);

impl<B: Train> Trainer<'_, B> {
    /// Whether to read the pending updates. If reads stall the device, they are batched, but for the first, which has waited
    /// for the compilation of kernels.
    pub(super) fn due_to_look(&self) -> bool {
        B::READS_ARE_FREE
            || self.compiles
            || self.progress.update.is_multiple_of(self.job.run.train.log_interval)
            || self.unseen.len() >= MOST_UNSEEN
            || self.looked.elapsed() >= LONGEST_UNSEEN
    }

    /// Reads, shows and logs the pending updates.
    ///
    /// # Errors
    ///
    /// The device was lost; an update has a NaN or infinite loss or gradient; the log cannot be written.
    pub(super) fn look(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        let start = Instant::now();
        let unseen = std::mem::take(&mut self.unseen);
        let unread = unseen.iter().map(|one| &one.unread);
        let updates = Unread::read_over(b, unread, self.job.ranks)?;
        self.looked = Instant::now();
        self.seconds += start.elapsed().as_secs_f64();
        let last = unseen.last().map(|one| one.number);
        unseen.iter().zip(&updates).try_for_each(|(one, update)| {
            // Updates that were read together are displayed as one: only the last is of this moment.
            let display = (Some(one.number) == last).then_some(&mut *display);
            self.take_in(one, update, display)
        })
    }

    fn take_in(
        &mut self,
        one: &Unseen<B::Tensor>,
        update: &Update,
        display: Option<&mut Display>,
    ) -> Result<()> {
        let Unseen { number, epoch, lr, .. } = *one;
        for (what, x) in [("loss", update.losses.get("loss")), ("gradient", update.gradient_norm)] {
            if !x.is_finite() {
                return Err(self.not_a_number(&format!("{what} of update {number}"), x, lr));
            }
        }
        self.window.add(update);
        if let Some(display) = display {
            let (terms, seconds) = (&self.shown(&update.losses)[..], self.seconds);
            let tokens_per_second = self.window.tokens_per_second();
            display.step(&Step { update: number, epoch, terms, lr, tokens_per_second, seconds });
        }
        if number.is_multiple_of(self.job.run.train.log_interval) {
            let mut line = self.window.line(number, epoch, lr, self.seconds);
            self.name_drawn_layers(epoch, &mut line);
            self.window = Window::from(Default::default());
            self.log.write(&line)?;
        }
        Ok(())
    }

    /// Adds the layers that methods drew for `epoch` to a line of the log.
    fn name_drawn_layers(&self, epoch: u64, line: &mut Value) {
        let Some(teacher) = &self.teacher else { return };
        let (student, teacher) = (self.learner.plan.config(), &teacher.teacher.model.config);
        for term in self.objective.terms.iter() {
            if let Some((name, layers)) = term.drawn(epoch, student, teacher) {
                line[name] = json!(layers.iter().collect::<Vec<_>>());
            }
        }
    }

    fn shown(&self, losses: &Losses) -> Vec<(&'static str, f64)> {
        let words = if self.teacher.is_some() { &WORDS[..] } else { &WORDS[..2] };
        let own = self.objective.terms.iter().flat_map(Term::names);
        let shown = words.iter().copied().chain(own).map(|named| named.name);
        shown.map(|name| (name, losses.get(name))).collect()
    }
}
