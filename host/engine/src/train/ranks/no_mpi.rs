//! What stands for MPI in a build without the feature `distributed`.

use a2d_system::error::{Error, Result};

/// There is none.
#[derive(Debug)]
pub enum Engine {}

impl Engine {
    /// # Errors
    ///
    /// Misuse: always; how to get a build that has it.
    pub fn start() -> Result<Self> {
        let build =
            "build it with `--features distributed` (an MPI library and libclang must be there)";
        Err(Error::misuse(format!("this build trains in one process only: {build}")))
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        match *self {}
    }

    /// Which of them this one is.
    pub fn rank(&self) -> usize {
        match *self {}
    }

    /// Adds up over all.
    pub fn sum(&self, _: &mut Vec<f32>) {
        match *self {}
    }

    /// Collects from all.
    pub fn gather(&self, _: &[f64]) -> Vec<f64> {
        match *self {}
    }

    /// Compares over all.
    pub fn largest(&self, _: &mut [u64]) {
        match *self {}
    }

    /// Ends all.
    pub fn abort(&self, _: u8) -> ! {
        match *self {}
    }
}
