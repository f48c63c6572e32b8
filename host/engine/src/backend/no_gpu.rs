//! Stub for GPUs in a build without the feature `gpu`.

use crate::backend::described::Described;
use crate::backend::work::Work;
use a2d_device::Device;
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};

/// Whether this build computes on GPUs.
pub const BUILT: bool = false;

/// The interfaces that this build reaches GPUs through: none.
pub const INTERFACES: &[&str] = &[];

/// A place among joined GPUs; nobody has one in this build.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// The group's name.
    pub group: [u64; 16],
    /// The number of the process.
    pub number: usize,
    /// How many processes there are.
    pub size: usize,
}

/// # Errors
///
/// Always: there is no GPU in this build.
pub fn new_group() -> Result<[u64; 16], String> {
    Err("this build has no GPU backend".to_owned())
}

/// A GPU; uninhabited in this build.
#[derive(Debug, Clone)]
pub enum Gpu {}

/// An empty list and the reason.
pub fn list() -> (Vec<Described>, Vec<String>) {
    (Vec::new(), vec!["this build has no GPU backend".to_owned()])
}

/// The error for a failure `why` of the device in use. Never called in this build.
pub fn failed(why: &str) -> Error {
    Error::lost(why)
}

/// Always false: no thread belongs to a GPU.
pub fn is_device_thread() -> bool {
    false
}

impl Gpu {
    /// # Errors
    ///
    /// Misuse: always. The message says how to get a build with GPU support.
    pub fn find(asked: Option<Device>) -> Result<Self> {
        let asked = asked.map_or("--backend gpu".to_owned(), |device| format!("--device {device}"));
        let build = "build it without --no-default-features, or use --backend cpu";
        Err(Error::misuse(format!("{asked}: this build has no GPU backend; {build}")))
    }

    /// The GPU of another number.
    pub fn of_rank(self, _: usize) -> Self {
        match self {}
    }

    /// Always `None`.
    pub fn unasked() -> Option<Self> {
        None
    }

    /// The device's name.
    pub fn device(&self) -> Device {
        match *self {}
    }

    /// A hint for faster use.
    pub fn note(&self) -> Option<String> {
        match *self {}
    }

    /// Free memory in bytes.
    pub fn free_memory(&self) -> Option<u64> {
        match *self {}
    }

    /// Checks that the GPU supports a precision.
    ///
    /// # Errors
    ///
    /// Never: there is no GPU in this build.
    pub fn check(&self, _: Precision) -> Result<(), String> {
        match *self {}
    }

    /// What tells the GPU from others, and NCCL's version.
    ///
    /// # Errors
    ///
    /// Never: there is no GPU in this build.
    pub fn joins(&self) -> Result<(u64, String), String> {
        match *self {}
    }

    /// Runs work on the GPU.
    ///
    /// # Errors
    ///
    /// Never: there is no GPU in this build.
    pub fn run<W: Work>(&self, _: Precision, _: Option<&Seat>, _: W) -> Result<W::Output> {
        match *self {}
    }
}
