//! What stands for the GPUs in a build without the feature `gpu`.

use crate::backend::work::Work;
use a2d_device::Device;
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};

/// Whether this build computes on GPUs.
pub const BUILT: bool = false;

/// There is none.
#[derive(Debug, Clone)]
pub enum Gpu {}

/// What `host devices` would tell of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name on the command line.
    pub device: Device,
    /// What its maker calls it.
    pub name: String,
    /// Whether it is the processor in disguise.
    pub software: bool,
    /// Bytes, where the driver tells.
    pub memory: Option<u64>,
    /// What it computes with.
    pub precisions: Vec<String>,
}

/// Nothing, and why.
pub fn list() -> (Vec<Described>, Vec<String>) {
    (Vec::new(), vec!["this build has no GPU backend".to_owned()])
}

/// A failure of the device in use: there is none.
pub fn failed(why: &str) -> Error {
    Error::lost(why)
}

/// No thread is.
pub fn is_device_thread() -> bool {
    false
}

impl Gpu {
    /// Errors (misuse): always; how to get a build that has it.
    pub fn find(asked: Option<Device>) -> Result<Self> {
        let asked = asked.map_or("--backend gpu".to_owned(), |device| format!("--device {device}"));
        let build = "build it without --no-default-features, or use --backend cpu";
        Err(Error::misuse(format!("{asked}: this build has no GPU backend; {build}")))
    }

    /// Another one.
    pub fn of_rank(self, _: usize) -> Self {
        match self {}
    }

    /// None.
    pub fn unasked() -> Option<Self> {
        None
    }

    /// Its name.
    pub fn device(&self) -> Device {
        match *self {}
    }

    /// What would make it faster.
    pub fn note(&self) -> Option<String> {
        match *self {}
    }

    /// Bytes of it that nobody uses.
    pub fn free_memory(&self) -> Option<u64> {
        match *self {}
    }

    /// Whether it computes with a precision.
    pub fn check(&self, _: Precision) -> Result<(), String> {
        match *self {}
    }

    /// Does `work` there.
    pub fn run<W: Work>(&self, _: Precision, _: W) -> Result<W::Output> {
        match *self {}
    }
}
