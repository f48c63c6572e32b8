//! Devices of several processes that sum tensors among themselves, by NCCL.

#[allow(unsafe_code)]
mod calls;

pub use calls::{new_id, version};

use crate::group::Seat;
use crate::view::View;
use a2d_device::Device;
use a2d_gemm::Client;
use a2d_gemm::queue::{Queue, Turn, Waiting};
use calls::{Communicator, Failure};
use std::sync::{Arc, OnceLock};

/// A process's device in a group.
pub(crate) struct Group {
    queue: Queue,
    communicator: Communicator,
    /// Why a sum was not launched.
    failure: Arc<OnceLock<Failure>>,
}

impl Group {
    /// Joins the group, for the thread that calls this, and waits for the other processes.
    ///
    /// # Errors
    ///
    /// NCCL's; the device is none of CUDA's.
    pub fn join(client: &Client, device: Device, seat: &Seat) -> Result<Self, String> {
        let queue = Queue::open(client, device)?;
        let Seat { group, number, size } = *seat;
        let joined = queue.wait_for(move |_| Communicator::join(group, number, size));
        let communicator =
            joined.unwrap_or_else(|| Err("the device's thread has ended".to_owned()))?;
        Ok(Self { queue, communicator, failure: Arc::default() })
    }

    /// Launches the sum of a view over all processes, in place.
    pub fn sum(&self, x: &View) {
        let (memory, len) = (Waiting::from(&x.handle), x.len);
        let (communicator, failure) = (self.communicator, self.failure.clone());
        self.queue.submit(move |turn| {
            if let Err(why) = launch(turn, communicator, memory, len) {
                failure.get_or_init(|| why);
            }
        });
    }

    /// Why a sum before the last synchronisation failed, and whether that is another process's failure.
    pub fn failure(&self) -> Option<(String, bool)> {
        if let Err(failure) = self.communicator.check() {
            self.failure.get_or_init(|| failure);
        }
        self.failure.get().map(|Failure { why, elsewhere }| (why.clone(), *elsewhere))
    }

    /// Leaves the group after everything launched before, as all processes must.
    pub fn leave(self) {
        let Self { queue, communicator, .. } = self;
        let _ = queue.wait_for(move |_| communicator.leave());
    }
}

#[allow(unsafe_code)]
fn launch(
    turn: &mut Turn<'_>,
    communicator: Communicator,
    memory: Waiting,
    len: usize,
) -> Result<(), Failure> {
    let at = turn.address(memory)?;
    // SAFETY: a view has `len` floats, and CubeCL frees memory in the order of the stream.
    unsafe { communicator.sum(at, len, turn.stream()) }
}
