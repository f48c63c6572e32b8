//! Which backend a command runs on.

use crate::backend::gpu::Gpu;
use crate::backend::work::Work;
use a2d_cpu::Cpu;
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};
use a2d_system::output;
use clap::ValueEnum;
use std::io::Write;

pub use a2d_device::Device;

/// A kind of backend, as asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The fastest that this build and this machine have.
    #[default]
    Auto,
    /// The processor's cores.
    Cpu,
    /// A graphics processor.
    Gpu,
}

/// What `--backend` and `--device` ask for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A GPU that is no software, or else the CPU.
    Any,
    /// The CPU.
    Cpu,
    /// This GPU, or the best one.
    Gpu(Option<Device>),
}

/// The wish that the options stand for.
///
/// Errors (misuse): they contradict each other.
pub fn wish(backend: Backend, device: Option<Device>) -> Result<Wish> {
    match (backend, device) {
        (Backend::Auto, None) => Ok(Wish::Any),
        (Backend::Auto | Backend::Cpu, Some(Device::Cpu)) | (Backend::Cpu, None) => Ok(Wish::Cpu),
        (Backend::Cpu, Some(device)) => {
            Err(Error::misuse(format!("--backend cpu contradicts --device {device}")))
        }
        (Backend::Gpu, Some(Device::Cpu)) => {
            Err(Error::misuse("--backend gpu contradicts --device cpu"))
        }
        (Backend::Auto | Backend::Gpu, device) => Ok(Wish::Gpu(device)),
    }
}

/// The device that a command works on.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// None is the CPU.
    gpu: Option<Gpu>,
    /// Whether the device was named.
    named: bool,
    /// Threads of the CPU; 0: all.
    threads: usize,
}

/// What the CPU computes with.
pub const CPU_PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

/// Finds the device of a wish; warns, unless `quiet`, where a GPU is not used as well as it could be. The CPU computes
/// with so many `threads`, 0 for all.
///
/// # Errors
/// Misuse: there is no such device.
pub fn choose(wish: Wish, threads: usize, quiet: bool) -> Result<Chosen> {
    let named = matches!(wish, Wish::Gpu(Some(_)));
    let gpu = match wish {
        Wish::Any => Gpu::unasked(),
        Wish::Cpu => None,
        Wish::Gpu(device) => Some(Gpu::find(device)?),
    };
    if let Some(note) = gpu.as_ref().and_then(Gpu::note).filter(|_| !quiet) {
        let _ = writeln!(output::stderr(), "warning: {note}");
    }
    Ok(Chosen { gpu, named, threads })
}

impl Chosen {
    /// Of several processes on a machine, where no device was named: each has a CUDA device of its own, if there are
    /// so many. `local` is the number of this one among them.
    pub fn of_rank(self, local: Option<usize>) -> Self {
        let Some(local) = local.filter(|_| !self.named) else { return self };
        Self { gpu: self.gpu.map(|gpu| gpu.of_rank(local)), ..self }
    }

    /// Its name.
    pub fn device(&self) -> Device {
        self.gpu.as_ref().map_or(Device::Cpu, Gpu::device)
    }

    /// Bytes of a GPU that nobody uses, where the driver tells: before anything is computed there, as what it has used
    /// it keeps.
    pub fn free_memory(&self) -> Option<u64> {
        self.gpu.as_ref().and_then(Gpu::free_memory)
    }

    /// Whether it computes with the precision that `key` asks for.
    ///
    /// Errors (misuse): it does not; which devices do, and what to do here.
    pub fn check(&self, key: &str, precision: Precision) -> Result<()> {
        let checked = match &self.gpu {
            Some(gpu) => gpu.check(precision),
            None if CPU_PRECISIONS.contains(&precision) => Ok(()),
            None => {
                let text =
                    format!("the CPU computes with f32 and bf16, only a GPU with {precision}");
                Err(format!("{text}: use f32 or bf16, or --backend gpu"))
            }
        };
        checked.map_err(|text| Error::misuse(format!("{key}: {text}")))
    }

    /// What a training with `precision` there should say of itself.
    pub fn note(&self, precision: Precision) -> Option<&'static str> {
        let imitates = self.gpu.is_none() && precision == Precision::Bf16;
        imitates.then_some("the CPU only rounds as a GPU does in bf16: it is slower than f32")
    }

    /// Does `work` there: with [`Gpu::run`], the one place that names the backends.
    ///
    /// Errors: those of the work; the device cannot be opened.
    pub fn run<W: Work>(&self, precision: Precision, work: W) -> Result<W::Output> {
        match &self.gpu {
            Some(gpu) => gpu.run(precision, work),
            None if precision == Precision::Bf16 => work.go(&mut Cpu::bf16(self.threads)),
            None => work.go(&mut Cpu::new(self.threads)),
        }
    }
}
