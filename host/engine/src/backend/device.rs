//! Choice of the backend that a command runs on.

use crate::backend::gpu::{Gpu, Seat};
use crate::backend::work::Work;
use a2d_cpu::Cpu;
use a2d_run::config::Precision;
use a2d_system::error::{Error, Result};
use a2d_system::output;
use clap::ValueEnum;
use std::io::Write;

pub use a2d_device::Device;

/// The value of `--backend`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The fastest device of this machine that this build supports.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu,
}

/// The device requested by `--backend` and `--device` together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A hardware GPU if there is one, otherwise the CPU.
    Any,
    /// The CPU.
    Cpu,
    /// This GPU, or the best one if none is named.
    Gpu(Option<Device>),
}

/// Combines `--backend` and `--device`.
///
/// # Errors
///
/// Misuse: the options contradict each other.
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

/// The device that a command computes on.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// `None`: the CPU.
    gpu: Option<Gpu>,
    /// Whether the user named the device.
    named: bool,
    /// CPU threads; 0: all cores.
    threads: usize,
}

/// Precisions that the CPU supports.
pub const CPU_PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

/// Finds the requested device. Warns, unless `quiet`, if a GPU could be used faster through CUDA. The CPU uses
/// `threads` threads, 0 for all cores.
///
/// # Errors
///
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
    /// For several processes on one machine: gives process number `local` its own CUDA device, if there are enough and
    /// the user named no device.
    pub fn of_rank(self, local: Option<usize>) -> Self {
        let Some(local) = local.filter(|_| !self.named) else { return self };
        Self { gpu: self.gpu.map(|gpu| gpu.of_rank(local)), ..self }
    }

    /// The device's name.
    pub fn device(&self) -> Device {
        self.gpu.as_ref().map_or(Device::Cpu, Gpu::device)
    }

    /// Free GPU memory in bytes, if the driver reports it. Call this before the first computation: the GPU's pool keeps
    /// the memory that it has used.
    pub fn free_memory(&self) -> Option<u64> {
        self.gpu.as_ref().and_then(Gpu::free_memory)
    }

    /// Checks that the device supports `precision`. `key` is the configuration key named in the message.
    ///
    /// # Errors
    ///
    /// Misuse: the precision is not supported. The message names the devices that support it and the alternatives.
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

    /// A remark for training with `precision` on this device.
    pub fn note(&self, precision: Precision) -> Option<&'static str> {
        let imitates = self.gpu.is_none() && precision == Precision::Bf16;
        imitates.then_some("the CPU only rounds as a GPU does in bf16: it is slower than f32")
    }

    /// What tells this GPU from those of other processes, and NCCL's version, if that can join them.
    ///
    /// # Errors
    ///
    /// Why NCCL cannot.
    pub fn joins(&self) -> Result<(u64, String), String> {
        self.gpu.as_ref().map_or_else(|| Err("the CPU computes".to_owned()), Gpu::joins)
    }

    /// Runs `work` on the device.
    ///
    /// # Errors
    ///
    /// Errors of `work`; the device cannot be opened.
    pub fn run<W: Work>(&self, precision: Precision, work: W) -> Result<W::Output> {
        self.run_joined(precision, None, work)
    }

    /// [`Chosen::run`] on a GPU that is joined with those of other processes, if it has a seat among them: the one place,
    /// with [`Gpu::run`], where a backend is opened for a chosen device.
    ///
    /// # Errors
    ///
    /// As [`Chosen::run`]; the GPUs cannot be joined.
    pub fn run_joined<W: Work>(
        &self,
        precision: Precision,
        seat: Option<&Seat>,
        work: W,
    ) -> Result<W::Output> {
        match &self.gpu {
            Some(gpu) => gpu.run(precision, seat, work),
            None if precision == Precision::Bf16 => work.go(&mut Cpu::bf16(self.threads)),
            None => work.go(&mut Cpu::new(self.threads)),
        }
    }
}
