//! Where the ranks sum their gradients: on their GPUs, or in the host's memory.

use super::Ranks;
use crate::backend::device::Chosen;
use crate::backend::gpu::{self, Seat};
use a2d_system::error::{Error, Result};
use std::fmt;

/// Bytes of a GPU's memory for NCCL's buffers, which it allocates at the first sums. For the fastest links it has 32 channels. In
/// each, a process is connected with a neighbour in the ring and with three in the tree. The buffers of a connection, for three
/// protocols (0.5, 4.7 and 4 MiB), take 10 MiB where it receives, and 2 MiB where it sends.
const JOINED: u64 = 32 * 4 * (12 << 20);

/// Where the ranks sum their gradients.
#[derive(Debug)]
pub enum Sums {
    /// On the GPUs, which NCCL of this version joins.
    Gpus(Seat, String),
    /// In the host's memory, for this reason.
    Host(String),
}

impl Sums {
    /// Chooses for all ranks, of which each computes on its own `device`. NCCL takes a GPU for each rank.
    ///
    /// # Errors
    ///
    /// NCCL fails.
    pub fn choose(device: &Chosen, ranks: &Ranks) -> Result<Self> {
        let own = device.joins();
        let refused = ranks.largest([own.is_err().into()]) == [1];
        let (gpu, version) = match own {
            Ok(joined) if !refused => joined,
            own => {
                let elsewhere = |_| "another rank has no NCCL or no CUDA device".to_owned();
                return Ok(Self::Host(own.map_or_else(|why| why, elsewhere)));
            }
        };
        let mut gpus = ranks.each(gpu);
        gpus.sort_unstable();
        if gpus.windows(2).any(|pair| pair[0] == pair[1]) {
            let text = "several ranks share a GPU; without --device each takes one of its own";
            return Ok(Self::Host(text.to_owned()));
        }
        let group = ranks.sent(|| gpu::new_group().map_err(Error::failed))?;
        let seat = Seat { group, number: ranks.number(), size: ranks.size() };
        Ok(Self::Gpus(seat, version))
    }

    /// Bytes of a GPU's memory that batches leave for it.
    pub fn memory(&self) -> u64 {
        self.seat().map_or(0, |_| JOINED)
    }

    /// This rank's place among joined GPUs.
    pub fn seat(&self) -> Option<&Seat> {
        match self {
            Self::Gpus(seat, _) => Some(seat),
            Self::Host(_) => None,
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpus(_, version) => {
                write!(f, "gradients are summed on the GPUs by NCCL {version}")
            }
            Self::Host(why) => write!(f, "gradients are summed in host memory: {why}"),
        }
    }
}
