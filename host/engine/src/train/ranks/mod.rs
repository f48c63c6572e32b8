//! Ranks: the processes of one training, started together by a launcher (`mpirun -n 4 host train …`).
//!
//! Each computes its share of every batch, the gradients are added up, and each makes the same step, so that all have
//! the same parameters, bit for bit. The first alone validates and writes. A method that asks the others must be
//! called by all of them, in the same order: what a rank does next may depend on nothing that the others do not know. A rank that meets an error of its own ends them all ([`Ranks::end`]).
//!
//! Without a launcher there is one rank, and nothing of this does anything.

mod launch;
#[cfg_attr(not(feature = "distributed"), path = "no_mpi.rs")]
mod mpi;

pub use launch::Launch;

use a2d_system::error::{Error, Result};
use a2d_system::signals;
use mpi::Engine;
use std::cell::Cell;
use std::ops::Range;

/// Whether this build trains over several processes.
pub const BUILT: bool = cfg!(feature = "distributed");

/// This process among the ranks.
pub struct Ranks {
    launch: Launch,
    /// None is a process by itself.
    engine: Option<Engine>,
    /// Whether all know that it is over.
    over: Cell<bool>,
}

impl Ranks {
    /// A process by itself.
    pub fn alone() -> Self {
        Self { launch: Launch::ALONE, engine: None, over: Cell::new(false) }
    }

    /// Meets the others that were started with this one.
    ///
    /// # Errors
    ///
    /// Misuse: this build has no MPI, or one that does not know this launcher.
    pub fn start(launch: Launch) -> Result<Self> {
        if launch.size == 1 {
            return Ok(Self::alone());
        }
        let ranks = Self { launch, engine: Some(Engine::start()?), over: Cell::new(false) };
        let found = ranks.engine.as_ref().map(|engine| (engine.rank(), engine.size()));
        if found != Some((launch.rank, launch.size)) {
            let found = found.map_or(1, |(_, size)| size);
            return Err(Error::misuse(format!(
                "the launcher started {} processes, but MPI knows of {found}: \
                 use the `mpirun` of the MPI library that `host` was built with",
                launch.size
            )));
        }
        Ok(ranks)
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.launch.size
    }

    /// Whether this one writes and speaks for all.
    pub fn is_first(&self) -> bool {
        self.launch.is_first()
    }

    /// The number of this one among those on the same machine, where there are several ranks and it is known.
    pub fn local(&self) -> Option<usize> {
        self.launch.local.filter(|_| self.engine.is_some()).map(|(rank, _)| rank)
    }

    /// Which of some items in a row are for this one, so that all ranks have about the same of their `weights`.
    pub fn share(&self, weights: &[usize]) -> Range<usize> {
        Self::part(weights, self.launch.rank, self.launch.size)
    }

    /// The share of rank `rank` of `size`: the items of which the middle lies in its part of the sum of all weights.
    pub fn part(weights: &[usize], rank: usize, size: usize) -> Range<usize> {
        let all = weights.iter().sum::<usize>().max(1);
        let mut before = 0;
        let owner = weights.iter().map(|weight| {
            let twice_middle = 2 * before + weight;
            before += weight;
            (size * twice_middle / (2 * all)).min(size - 1)
        });
        let owners: Vec<usize> = owner.collect();
        let begin = |rank| owners.partition_point(|&owner| owner < rank);
        begin(rank)..begin(rank + 1)
    }

    /// Adds up, element by element, over all ranks: the same bits on each.
    pub fn sum(&self, mut values: Vec<f32>) -> Vec<f32> {
        if let Some(engine) = &self.engine {
            engine.sum(&mut values);
        }
        values
    }

    /// As [`Ranks::sum`], for few numbers: in the order of the ranks.
    pub fn total(&self, values: Vec<f64>) -> Vec<f64> {
        let Some(engine) = &self.engine else { return values };
        let all = engine.gather(&values);
        let of = |i| all.iter().skip(i).step_by(values.len()).sum();
        (0..values.len()).map(of).collect()
    }

    /// The largest of each value over all ranks.
    pub fn largest<const N: usize>(&self, mut values: [u64; N]) -> [u64; N] {
        if let Some(engine) = &self.engine {
            engine.largest(&mut values);
        }
        values
    }

    /// The smallest value over all ranks.
    pub fn smallest(&self, value: u64) -> u64 {
        let [most] = self.largest([!value]);
        !most
    }

    /// Whether all ranks have the same value.
    pub fn same(&self, value: u64) -> bool {
        let [most, least] = self.largest([value, !value]);
        most == !least
    }

    /// Waits until all ranks are here.
    pub fn meet(&self) {
        self.largest([0]);
    }

    /// What each rank has, if all have something.
    ///
    /// # Errors
    ///
    /// That of the first rank that has one, which tells of it; on all others [`Error::Elsewhere`].
    pub fn agree<T>(&self, own: Result<T>) -> Result<T> {
        let wrong = |code: u8| ((self.size() - self.launch.rank) as u64) << 8 | u64::from(code);
        let vote = own.as_ref().err().map_or(0, |error| wrong(error.exit_code()));
        let [first] = self.largest([vote]);
        if first == 0 || self.engine.is_none() {
            return own;
        }
        self.over.set(true);
        match own {
            Err(error) if vote == first => Err(error),
            _ => Err(Error::Elsewhere(first as u8)),
        }
    }

    /// An error that every rank has: the first tells of it.
    pub fn alike(&self, error: Error) -> Error {
        self.over.set(self.engine.is_some());
        if self.is_first() { error } else { Error::Elsewhere(error.exit_code()) }
    }

    /// What the first rank finds, on all of them.
    ///
    /// # Errors
    ///
    /// As [`Ranks::agree`].
    pub fn found<const N: usize>(
        &self,
        find: impl FnOnce() -> Result<[f64; N]>,
    ) -> Result<[f64; N]> {
        let own = if self.is_first() { find() } else { Ok([0.0; N]) };
        let own = self.agree(own)?;
        Ok(self.largest(own.map(f64::to_bits)).map(f64::from_bits))
    }

    /// What each rank makes of it once the first has done it.
    ///
    /// # Errors
    ///
    /// As [`Ranks::agree`].
    pub fn after_first<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.is_first() {
            let done = self.agree(work())?;
            return self.agree(Ok(done));
        }
        self.agree(Ok(()))?;
        self.agree(work())
    }

    /// Goes on unless a signal asked any rank for the end.
    ///
    /// # Errors
    ///
    /// One did.
    pub fn go_on(&self) -> Result<()> {
        let own = signals::stop_requested().unwrap_or(0);
        match self.largest([own as u64]) {
            [0] => Ok(()),
            [signal] => Err(self.alike(Error::Interrupted(signal as i32))),
        }
    }

    /// Ends this process with an exit code: with all others where they know, and otherwise at once, as they would wait
    /// for it forever. What is to be told has been told.
    pub fn end(&self, code: u8) {
        let Some(engine) = &self.engine else { return };
        if self.over.get() {
            // The launcher ends all as soon as one has failed: nobody may go before the first has spoken.
            self.meet();
        } else {
            engine.abort(code);
        }
    }
}
