//! Which backend a command runs on.

use crate::cli::{DeviceArgs, Globals};
use crate::cpu::Cpu;
use crate::error::{Error, Result};
use a2d_core::backend::Train;
use clap::ValueEnum;
use std::fmt;
use std::str::FromStr;

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

/// One device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device, by number.
    Cuda(u32),
    /// A device of Vulkan, Metal or WebGPU, by number.
    Wgpu(u32),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, number.parse(), text) {
            (_, _, "cpu") => Ok(Self::Cpu),
            ("cuda", Ok(number), _) => Ok(Self::Cuda(number)),
            ("wgpu", Ok(number), _) => Ok(Self::Wgpu(number)),
            _ => Err("expected cpu, cuda:N or wgpu:N".to_owned()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Wgpu(number) => write!(f, "wgpu:{number}"),
        }
    }
}

/// The device that `--backend` and `--device` mean together.
///
/// Errors (misuse): they contradict each other, or ask for what this build does not have.
pub fn choose(backend: Backend, device: Option<Device>) -> Result<Device> {
    match (backend, device) {
        (Backend::Auto | Backend::Cpu, None | Some(Device::Cpu)) => Ok(Device::Cpu),
        (Backend::Cpu, Some(device)) => {
            Err(Error::misuse(format!("--backend cpu contradicts --device {device}")))
        }
        (Backend::Gpu, Some(Device::Cpu)) => {
            Err(Error::misuse("--backend gpu contradicts --device cpu"))
        }
        (_, Some(device)) => Err(no_gpu(&format!("--device {device}"))),
        (_, None) => Err(no_gpu("--backend gpu")),
    }
}

fn no_gpu(asked: &str) -> Error {
    let text = "this build has no GPU backend; leave the option out, or use --backend cpu";
    Error::misuse(format!("{asked}: {text}"))
}

/// Something to be done on whichever backend was chosen.
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it.
    fn go<B: Train>(self, b: &mut B) -> Result<Self::Output>;
}

/// Does `work` on the device that the arguments choose: the one place that names the backends.
///
/// Errors: those of [`choose`] and of the work.
pub fn run<W: Work>(args: &DeviceArgs, globals: &Globals, work: W) -> Result<W::Output> {
    let threads = globals.threads.map_or(0, std::num::NonZeroUsize::get);
    match choose(args.backend, args.device)? {
        Device::Cpu => work.go(&mut Cpu::new(threads)),
        device => Err(no_gpu(&format!("--device {device}"))),
    }
}
