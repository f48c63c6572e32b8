//! Ranks: the processes of one training, started together by a launcher (`mpirun -n 4 a2d train …`).
//!
//! Each rank computes its share of every batch. The gradients are summed, and every rank makes the same step, so all
//! ranks have bit-identical parameters. Only rank 0 validates and writes files. A collective method must be called by
//! all ranks in the same order, so control flow may depend only on values that are equal on all ranks. A rank with an
//! error of its own ends all ranks ([`Ranks::end`]).
//!
//! Without a launcher there is one rank, and all collective methods return at once.

mod launch;
#[cfg_attr(not(feature = "distributed"), path = "no_mpi.rs")]
mod mpi;
mod sums;
mod world;

pub use launch::Launch;
pub use sums::Sums;
pub use world::World;

use a2d_system::error::{Error, Result};
use a2d_system::program;
use a2d_system::signals;
use std::cell::Cell;
use std::ops::Range;

/// Whether this build supports training over several processes.
pub const BUILT: bool = cfg!(feature = "distributed");

/// This process among the ranks.
pub struct Ranks {
    launch: Launch,
    /// `None`: a single process.
    world: Option<Box<dyn World>>,
    /// Whether all ranks know that the training ends.
    over: Cell<bool>,
}

impl Ranks {
    /// A single process.
    pub fn alone() -> Self {
        Self { launch: Launch::ALONE, world: None, over: Cell::new(false) }
    }

    /// Starts MPI and joins the other ranks.
    ///
    /// # Errors
    ///
    /// Misuse: this build has no MPI, or its MPI does not match the launcher.
    pub fn start(launch: Launch) -> Result<Self> {
        if launch.size == 1 {
            return Ok(Self::alone());
        }
        Self::of(launch, mpi::start()?)
    }

    /// The ranks of a launcher that `world` connects.
    ///
    /// # Errors
    ///
    /// Misuse: both differ.
    pub fn of(launch: Launch, world: Box<dyn World>) -> Result<Self> {
        let found = world.size();
        if (world.rank(), found) != (launch.rank, launch.size) {
            return Err(Error::misuse(format!(
                "the launcher started {} processes, but MPI knows of {found}: \
                 use the `mpirun` of the MPI library that `{}` was built with",
                launch.size,
                program::name()
            )));
        }
        Ok(Self { launch, world: Some(world), over: Cell::new(false) })
    }

    /// Number of ranks.
    pub fn size(&self) -> usize {
        self.launch.size
    }

    /// Number of this rank.
    pub fn number(&self) -> usize {
        self.launch.rank
    }

    /// Whether this is rank 0, which prints and writes files.
    pub fn is_first(&self) -> bool {
        self.launch.is_first()
    }

    /// The local rank on this machine; `None` for a single rank or if unknown.
    pub fn local(&self) -> Option<usize> {
        self.launch.local.filter(|_| self.world.is_some()).map(|(rank, _)| rank)
    }

    /// The range of items for this rank, balanced by `weights`.
    pub fn share(&self, weights: &[usize]) -> Range<usize> {
        Self::part(weights, self.launch.rank, self.launch.size)
    }

    /// The range of items for rank `rank` of `size`: those whose midpoint in the cumulative weights falls in the rank's
    /// part of the total.
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

    /// Sums element by element over all ranks. The result is bit-identical on each rank.
    pub fn sum(&self, mut values: Vec<f32>) -> Vec<f32> {
        if let Some(world) = &self.world {
            world.sum(&mut values);
        }
        values
    }

    /// As [`Ranks::sum`], for few values, summed in rank order.
    pub fn total(&self, values: Vec<f64>) -> Vec<f64> {
        let Some(world) = &self.world else { return values };
        let all = world.gather(&values);
        let of = |i| all.iter().skip(i).step_by(values.len()).sum();
        (0..values.len()).map(of).collect()
    }

    /// The maximum of each value over all ranks.
    pub fn largest<const N: usize>(&self, mut values: [u64; N]) -> [u64; N] {
        if let Some(world) = &self.world {
            world.largest(&mut values);
        }
        values
    }

    /// The value of each rank.
    pub fn each(&self, own: u64) -> Vec<u64> {
        let mut all = vec![0; self.size()];
        all[self.number()] = own;
        if let Some(world) = &self.world {
            world.largest(&mut all);
        }
        all
    }

    /// The minimum over all ranks.
    pub fn smallest(&self, value: u64) -> u64 {
        let [most] = self.largest([!value]);
        !most
    }

    /// Whether all ranks have the same value.
    pub fn same(&self, value: u64) -> bool {
        let [most, least] = self.largest([value, !value]);
        most == !least
    }

    /// A barrier: waits for all ranks.
    pub fn meet(&self) {
        self.largest([0]);
    }

    /// Returns this rank's value if no rank has an error.
    ///
    /// # Errors
    ///
    /// The error of the lowest failed rank, on that rank; [`Error::Elsewhere`] on all others.
    pub fn agree<T>(&self, own: Result<T>) -> Result<T> {
        let wrong = |code: u8| ((self.size() - self.launch.rank) as u64) << 8 | u64::from(code);
        let vote = own.as_ref().err().map_or(0, |error| wrong(error.exit_code()));
        let [first] = self.largest([vote]);
        if first == 0 || self.world.is_none() {
            return own;
        }
        self.over.set(true);
        match own {
            Err(error) if vote == first => Err(error),
            _ => Err(Error::Elsewhere(first as u8)),
        }
    }

    /// An error common to all ranks. Only rank 0 reports it; the others get [`Error::Elsewhere`].
    pub fn alike(&self, error: Error) -> Error {
        self.over.set(self.world.is_some());
        if self.is_first() { error } else { Error::Elsewhere(error.exit_code()) }
    }

    /// Computes values on rank 0 and sends them to all ranks.
    ///
    /// # Errors
    ///
    /// As [`Ranks::agree`].
    pub fn sent<const N: usize>(
        &self,
        find: impl FnOnce() -> Result<[u64; N]>,
    ) -> Result<[u64; N]> {
        let own = if self.is_first() { find() } else { Ok([0; N]) };
        self.agree(own).map(|own| self.largest(own))
    }

    /// [`Ranks::sent`] of numbers.
    ///
    /// # Errors
    ///
    /// As [`Ranks::agree`].
    pub fn found<const N: usize>(
        &self,
        find: impl FnOnce() -> Result<[f64; N]>,
    ) -> Result<[f64; N]> {
        let sent = self.sent(|| find().map(|found| found.map(f64::to_bits)))?;
        Ok(sent.map(f64::from_bits))
    }

    /// Runs `work` on rank 0, then on the other ranks.
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

    /// Checks that no rank has received a signal.
    ///
    /// # Errors
    ///
    /// A rank received a signal.
    pub fn go_on(&self) -> Result<()> {
        let own = signals::stop_requested().unwrap_or(0);
        match self.largest([own as u64]) {
            [0] => Ok(()),
            [signal] => Err(self.alike(Error::Interrupted(signal as i32))),
        }
    }

    /// Ends this process with an exit code. If the other ranks do not know that the training ends, MPI aborts them,
    /// because they would wait forever. Call this after the error is reported.
    pub fn end(&self, code: u8) {
        let Some(world) = &self.world else { return };
        if self.over.get() {
            // The launcher kills all ranks when one fails, so each waits here until rank 0 has reported the error.
            self.meet();
        } else {
            world.abort(code);
        }
    }
}
