//! The GPUs of this machine, through `a2d-gpu`.

use crate::backend::work::Work;
use a2d_device::Device;
use a2d_gpu::{Info, Listing};
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};

pub use a2d_gpu::is_device_thread;

/// A failure of the device in use, for this reason.
pub fn failed(why: &str) -> Error {
    Error::lost(&a2d_gpu::failed(why))
}

/// Whether this build computes on GPUs.
pub const BUILT: bool = true;

/// One of them, and what else there was.
#[derive(Debug, Clone)]
pub struct Gpu {
    info: Info,
    all: Listing,
    asked: bool,
}

/// What `host devices` tells of one.
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

/// All of them, and what keeps there from being more.
pub fn list() -> (Vec<Described>, Vec<String>) {
    let Listing { devices, missing } = a2d_gpu::list();
    let described = |info: Info| Described {
        device: info.id,
        name: info.name,
        software: info.software,
        memory: info.memory,
        precisions: info.precisions.iter().map(ToString::to_string).collect(),
    };
    (devices.into_iter().map(described).collect(), missing)
}

impl Gpu {
    /// The GPU of this name; without one the best.
    ///
    /// Errors (misuse): there is none; what was looked for, and how to do without.
    pub fn find(asked: Option<Device>) -> Result<Self> {
        let all = a2d_gpu::list();
        match all.pick(asked.filter(|&device| device != Device::Cpu)) {
            Ok(info) => Ok(Self { info, all, asked: asked.is_some() }),
            Err(text) => Err(Error::misuse(format!("{text}; --backend cpu does without"))),
        }
    }

    /// The CUDA device of this number instead of another one, if there is one.
    pub fn of_rank(self, number: usize) -> Self {
        let own = u32::try_from(number).ok().map(Device::Cuda);
        let own = own.filter(|_| matches!(self.info.id, Device::Cuda(_)));
        match own.and_then(|id| self.all.pick(Some(id)).ok()) {
            Some(info) => Self { info, ..self },
            None => self,
        }
    }

    /// The GPU to take where nobody asked for one.
    pub fn unasked() -> Option<Self> {
        // Asking the drivers takes a while, and where there is nothing to drive some of them complain.
        if hardware() { Self::find(None).ok() } else { None }
    }

    /// Its name.
    pub fn device(&self) -> Device {
        self.info.id
    }

    /// What would make it faster, unless it was named.
    pub fn note(&self) -> Option<String> {
        let Info { id, name, .. } = &self.info;
        let slow = !self.asked && matches!(id, Device::Wgpu(_)) && name.contains("NVIDIA");
        let text = || format!("{name} is used without CUDA ({})", self.all.missing.join("; "));
        slow.then(text)
    }

    /// Bytes of it that nobody uses, where the driver tells.
    pub fn free_memory(&self) -> Option<u64> {
        a2d_gpu::free_memory(self.info.id)
    }

    /// Whether it computes with `precision`.
    ///
    /// Errors: it does not; which devices do.
    pub fn check(&self, precision: Precision) -> Result<(), String> {
        self.all.check(&self.info, precision)
    }

    /// Does `work` there.
    ///
    /// Errors: those of the work; it cannot be opened.
    pub fn run<W: Work>(&self, precision: Precision, work: W) -> Result<W::Output> {
        a2d_gpu::name_in_failures(&self.info);
        let mut gpu = a2d_gpu::open(&self.info, precision).map_err(Error::failed)?;
        work.go(&mut gpu)
    }
}

/// Whether the system knows of anything that could be a GPU.
#[cfg(target_os = "linux")]
fn hardware() -> bool {
    let render = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
    };
    let nodes = ["/dev/nvidiactl", "/dev/dxg"];
    nodes.iter().any(|node| std::path::Path::new(node).exists())
        || std::fs::read_dir("/dev/dri").is_ok_and(|mut nodes| nodes.any(render))
}

#[cfg(not(target_os = "linux"))]
fn hardware() -> bool {
    true
}
