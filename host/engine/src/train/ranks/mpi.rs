//! The only file that uses the crate `mpi`. An error inside MPI aborts all processes, by MPI's default.

use super::World;
use a2d_system::error::{Error, Result};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

/// The MPI world.
struct Engine {
    universe: Universe,
}

/// Starts MPI.
///
/// # Errors
///
/// MPI is already started.
pub fn start() -> Result<Box<dyn World>> {
    // Only the training thread of each process calls MPI.
    let started = mpi::initialize_with_threading(Threading::Funneled);
    let (universe, _) = started.ok_or_else(|| Error::failed("MPI was started already"))?;
    Ok(Box::new(Engine { universe }))
}

impl Engine {
    fn world(&self) -> SimpleCommunicator {
        self.universe.world()
    }
}

impl World for Engine {
    fn size(&self) -> usize {
        self.world().size() as usize
    }

    fn rank(&self) -> usize {
        self.world().rank() as usize
    }

    /// Each element is summed by one process and distributed from there. An all-reduce may use a different order on each
    /// process.
    fn sum(&self, values: &mut Vec<f32>) {
        let (length, block) = (values.len(), values.len().div_ceil(self.size()));
        values.resize(block * self.size(), 0.0);
        // `mpi` does not check that both buffers have the same type, so the types are written out.
        let mut summed = vec![0f32; block];
        self.world().reduce_scatter_block_into(
            &values[..],
            &mut summed[..],
            SystemOperation::sum(),
        );
        self.world().all_gather_into(&summed[..], &mut values[..]);
        values.truncate(length);
    }

    fn gather(&self, own: &[f64]) -> Vec<f64> {
        let mut all = vec![0f64; own.len() * self.size()];
        self.world().all_gather_into(own, &mut all[..]);
        all
    }

    fn largest(&self, values: &mut [u64]) {
        let own = values.to_vec();
        self.world().all_reduce_into(&own[..], values, SystemOperation::max());
    }

    fn abort(&self, code: u8) -> ! {
        self.world().abort(i32::from(code))
    }
}
