//! Stub for MPI in a build without the feature `distributed`.

use a2d_system::error::{Error, Result};

/// MPI; uninhabited in this build.
#[derive(Debug)]
pub enum Engine {}

impl Engine {
    /// # Errors
    ///
    /// Misuse: always. The message says how to get a build with MPI.
    pub fn start() -> Result<Self> {
        let build =
            "build it with `--features distributed` (an MPI library and libclang must be there)";
        Err(Error::misuse(format!("this build trains in one process only: {build}")))
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        match *self {}
    }

    /// Rank of this process.
    pub fn rank(&self) -> usize {
        match *self {}
    }

    /// Sums over all processes.
    pub fn sum(&self, _: &mut Vec<f32>) {
        match *self {}
    }

    /// Concatenates the values of all processes.
    pub fn gather(&self, _: &[f64]) -> Vec<f64> {
        match *self {}
    }

    /// Maximum over all processes.
    pub fn largest(&self, _: &mut [u64]) {
        match *self {}
    }

    /// Aborts all processes.
    pub fn abort(&self, _: u8) -> ! {
        match *self {}
    }
}
