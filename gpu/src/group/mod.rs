//! Groups of processes, each with a device of its own, that sum tensors among their devices.

#[cfg(feature = "cuda")]
mod nccl;
#[cfg(not(feature = "cuda"))]
#[path = "no_nccl.rs"]
mod nccl;

pub(crate) use nccl::Group;
pub use nccl::{new_id, version};

/// A process's place in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The group's name, which [`new_id`] has given one of the processes.
    pub group: [u64; 16],
    /// The number of the process, from 0.
    pub number: usize,
    /// How many processes there are.
    pub size: usize,
}
