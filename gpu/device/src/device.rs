//! A device by its name on the command line.

use std::fmt;
use std::str::FromStr;

/// A device of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device, by CUDA's number.
    Cuda(u32),
    /// An adapter of Vulkan or Metal, by its index among the adapters found.
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
