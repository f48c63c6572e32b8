//! The GPUs of this machine, through `a2d-gpu`.

use crate::backend::described::Described;
use crate::backend::kernels::Kernels;
use crate::backend::work::Work;
use a2d_device::Device;
use a2d_gpu::{Info, Listing};
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::output;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

pub use a2d_gpu::{Seat, is_device_thread, new_id as new_group};

/// The error for a failure `why` of the device in use.
pub fn failed(why: &str) -> Error {
    Error::lost(&a2d_gpu::failed(why))
}

/// Whether this build computes on GPUs.
pub const BUILT: bool = true;

/// The interfaces that this build reaches GPUs through.
pub const INTERFACES: &[&str] =
    &["cuda", if cfg!(target_vendor = "apple") { "metal" } else { "vulkan" }];

/// How long a process whose group another has left waits to be ended by the launcher, so that only the one that failed says why.
/// Open MPI takes two seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// A chosen GPU and the list of all GPUs.
#[derive(Debug, Clone)]
pub struct Gpu {
    info: Info,
    all: Listing,
    asked: bool,
}

/// All GPUs, and the reasons why others are missing.
pub fn list() -> (Vec<Described>, Vec<String>) {
    let Listing { devices, missing } = a2d_gpu::list();
    let described = |info: Info| Described {
        device: info.id,
        name: info.name,
        software: info.software,
        memory: info.memory,
        precisions: info.precisions.iter().map(ToString::to_string).collect(),
        products: info.products.to_string(),
        compiler: info.compiler.map(|compiler| compiler.to_string()),
    };
    (devices.into_iter().map(described).collect(), missing)
}

impl Gpu {
    /// The GPU named `asked`, or the best one.
    ///
    /// # Errors
    ///
    /// Misuse: there is no such GPU. The message says what was searched and how to use the CPU.
    pub fn find(asked: Option<Device>) -> Result<Self> {
        let all = a2d_gpu::list();
        match all.pick(asked.filter(|&device| device != Device::Cpu)) {
            Ok(info) => Ok(Self { info, all, asked: asked.is_some() }),
            Err(text) => Err(Error::misuse(format!("{text}; --backend cpu does without"))),
        }
    }

    /// The CUDA device `number` in place of this one, if there is one.
    pub fn of_rank(self, number: usize) -> Self {
        let own = u32::try_from(number).ok().map(Device::Cuda);
        let own = own.filter(|_| matches!(self.info.id, Device::Cuda(_)));
        match own.and_then(|id| self.all.pick(Some(id)).ok()) {
            Some(info) => Self { info, ..self },
            None => self,
        }
    }

    /// The default GPU when the user requests none.
    pub fn unasked() -> Option<Self> {
        // Querying the drivers is slow, and some drivers print warnings if there is no GPU.
        if hardware() { Self::find(None).ok() } else { None }
    }

    /// The device's name.
    pub fn device(&self) -> Device {
        self.info.id
    }

    /// A hint if an NVIDIA GPU is used without CUDA and the user did not name it, if CUDA's compiler is too new, or its library
    /// of products is missing.
    pub fn note(&self) -> Option<String> {
        let Info { id, name, .. } = &self.info;
        let slow = !self.asked && matches!(id, Device::Wgpu(_)) && name.contains("NVIDIA");
        let text = || format!("{name} is used without CUDA ({})", self.all.missing.join("; "));
        let compiler = || self.info.compiler.as_ref()?.note();
        slow.then(text).or_else(compiler).or_else(|| self.info.products.note())
    }

    /// Free memory in bytes, if the driver reports it.
    pub fn free_memory(&self) -> Option<u64> {
        a2d_gpu::free_memory(self.info.id)
    }

    /// Checks that the GPU supports `precision`.
    ///
    /// # Errors
    ///
    /// The precision is not supported. The message names the devices that support it.
    pub fn check(&self, precision: Precision) -> Result<(), String> {
        self.all.check(&self.info, precision)
    }

    /// What tells the GPU from those of other processes, and NCCL's version, if that can join them.
    ///
    /// # Errors
    ///
    /// Why NCCL cannot.
    pub fn joins(&self) -> Result<(u64, String), String> {
        let id = self.info.id;
        if !matches!(id, Device::Cuda(_)) {
            return Err(format!("{id} is not one of CUDA's devices"));
        }
        let version = a2d_gpu::nccl()?;
        let uuid = a2d_gpu::identity(id).ok_or_else(|| format!("{id} has no UUID"))?;
        Ok((hash::bytes(&uuid), version))
    }

    /// Runs `work` on the GPU, which is joined with those of other processes if it has a seat among them.
    ///
    /// # Errors
    ///
    /// Errors of `work`; the GPU cannot be opened or joined.
    pub fn run<W: Work>(
        &self,
        precision: Precision,
        seat: Option<&Seat>,
        work: W,
    ) -> Result<W::Output> {
        a2d_gpu::name_in_failures(&self.info);
        let kernels = Kernels::open(&self.info).map(Rc::new);
        let mut gpu = a2d_gpu::open(&self.info, precision).map_err(Error::failed)?;
        // What could not be told before the device was opened.
        if let Some(note) = gpu.products().note().filter(|_| self.info.products.note().is_none()) {
            let _ = writeln!(output::stderr(), "warning: {note}");
        }
        if let Some(kernels) = kernels.clone() {
            gpu.after_reads(move || kernels.keep_at_times());
        }
        if let Some(seat) = seat {
            let how = "A2D_NCCL=0 sums in host memory";
            gpu.join(self.info.id, seat).map_err(|why| Error::failed(format!("{why}; {how}")))?;
        }
        let done = work.go(&mut gpu);
        kernels.iter().for_each(|kernels| kernels.keep());
        match done {
            Ok(_) => gpu.leave(),
            Err(_) if gpu.is_deserted() => std::thread::sleep(ENDED_WITHIN),
            Err(_) => {}
        }
        done
    }
}

/// Whether the system has a device node of a GPU.
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
