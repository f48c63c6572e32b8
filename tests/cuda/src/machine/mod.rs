//! The machine that runs kernels: blocks in parallel on threads, the warps of a block in turn, the lanes of a warp in
//! lockstep.

mod access;
mod bits;
mod block;
mod check;
mod convert;
mod floats;
mod ints;
mod matrix;
pub mod space;
mod step;
pub mod traffic;
mod warp;

use crate::options::options;
use crate::ptx::module::Kernel;
use block::Block;
use check::Checks;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use traffic::Traffic;

/// Threads per warp.
pub const LANES: usize = 32;

pub const ILLEGAL_ADDRESS: i32 = 700;
pub const ILLEGAL_INSTRUCTION: i32 = 715;
pub const MISALIGNED_ADDRESS: i32 = 716;

/// A fault of a lane.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The error code of the driver.
    pub code: i32,
    pub lane: usize,
    pub what: String,
}

/// A fault with its location, and the error code of the driver.
#[derive(Clone, Debug)]
pub struct Fault {
    pub code: i32,
    pub what: String,
}

/// A kernel launch.
pub struct Launch<'a> {
    pub kernel: &'a Kernel,
    /// The number of blocks.
    pub grid: [u32; 3],
    /// Threads per block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: usize,
    pub params: Vec<u8>,
    /// The address ranges of the allocations, sorted: the first address and the one past the end.
    pub ranges: Vec<(u64, u64)>,
}

impl Launch<'_> {
    fn blocks(&self) -> usize {
        self.grid.iter().map(|&n| n as usize).product()
    }

    /// What the launch moves: of a product its operands and its result, of all else what a sample of the blocks reads and
    /// writes. These change no global memory.
    pub fn traffic(&self) -> Result<Traffic, Fault> {
        if let Some(bytes) = traffic::product(&self.kernel.name, &self.params) {
            return Ok(Traffic::once(bytes));
        }
        let count = |number| Block::new(self, None).count(number);
        let counted = traffic::sample(self.blocks()).into_iter().map(count);
        Ok(traffic::estimate(self.blocks(), &counted.collect::<Result<Vec<_>, _>>()?))
    }

    /// Runs all blocks. If one fails, running ones finish and no others start.
    pub fn run(&self) -> Result<(), Fault> {
        let (options, blocks) = (options(), self.blocks());
        let checks = options.check.then(|| Mutex::new(Checks::default()));
        let (next, stopped, fault) =
            (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
        let work = || {
            let mut block = Block::new(self, checks.as_ref());
            while !stopped.load(Relaxed) {
                let number = next.fetch_add(1, Relaxed);
                if number >= blocks {
                    return;
                }
                let number = if options.reverse { blocks - 1 - number } else { number };
                if let Err(found) = block.run(number) {
                    stopped.store(true, Relaxed);
                    fault.lock().expect("no panic before").get_or_insert(found);
                }
            }
        };
        let threads = if checks.is_some() { 1 } else { options.threads.min(blocks) };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        if let Some(checks) = checks {
            checks.into_inner().expect("no panic before").report(self.kernel);
        }
        fault.into_inner().expect("no panic before").map_or(Ok(()), Err)
    }
}
