//! MPI: the one file that knows the crate `mpi`. What goes wrong inside MPI ends all processes, as MPI has it.

use a2d_system::error::{Error, Result};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

/// All processes that were started together; what is asked of it is asked by every one of them, in the same order.
/// Dropping it waits for the others to do so.
pub struct Engine {
    universe: Universe,
}

impl Engine {
    /// Meets the others.
    ///
    /// # Errors
    ///
    /// MPI cannot be started twice.
    pub fn start() -> Result<Self> {
        // One thread of each process asks, the one that trains.
        let started = mpi::initialize_with_threading(Threading::Funneled);
        let (universe, _) = started.ok_or_else(|| Error::failed("MPI was started already"))?;
        Ok(Self { universe })
    }

    fn world(&self) -> SimpleCommunicator {
        self.universe.world()
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.world().size() as usize
    }

    /// Which of them this one is, from 0.
    pub fn rank(&self) -> usize {
        self.world().rank() as usize
    }

    /// Adds up, element by element, over all; all have the same length. Each element is summed in one place and sent
    /// from there, so that all get the same bits; an all-reduce may sum it in another order for each.
    pub fn sum(&self, values: &mut Vec<f32>) {
        let (length, block) = (values.len(), values.len().div_ceil(self.size()));
        values.resize(block * self.size(), 0.0);
        // `mpi` lets buffers of different types through, so that theirs are named.
        let mut summed = vec![0f32; block];
        self.world().reduce_scatter_block_into(
            &values[..],
            &mut summed[..],
            SystemOperation::sum(),
        );
        self.world().all_gather_into(&summed[..], &mut values[..]);
        values.truncate(length);
    }

    /// What each has, one after the other; all have the same length.
    pub fn gather(&self, own: &[f64]) -> Vec<f64> {
        let mut all = vec![0f64; own.len() * self.size()];
        self.world().all_gather_into(own, &mut all[..]);
        all
    }

    /// The largest that any has of each; all have the same length.
    pub fn largest(&self, values: &mut [u64]) {
        let own = values.to_vec();
        self.world().all_reduce_into(&own[..], values, SystemOperation::max());
    }

    /// Ends all at once, whatever they do, with this exit code.
    pub fn abort(&self, code: u8) -> ! {
        self.world().abort(i32::from(code))
    }
}
