//! What is known of devices, and the choice of one.

use super::compiler::Compiler;
use a2d_device::{Device, Precision};
use a2d_gemm::By;

/// What is known of a device before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name on the command line.
    pub id: Device,
    /// The vendor's name for it.
    pub name: String,
    /// Whether it is emulated by the processor. Such a device is used only where it is named.
    pub software: bool,
    /// Bytes of memory, where the driver reports them.
    pub memory: Option<u64>,
    /// The precisions of its matrix products; always f32.
    pub precisions: Vec<Precision>,
    /// What computes them.
    pub products: By,
    /// What compiles its kernels, on CUDA.
    pub compiler: Option<Compiler>,
}

/// The devices of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of preference: those of CUDA, then adapters, discrete ones first and software last.
    pub devices: Vec<Info>,
    /// Why there are no others, in words.
    pub missing: Vec<String>,
}

impl Listing {
    /// The device asked for, or else the first that is not software.
    ///
    /// # Errors
    ///
    /// One line: there is no such device, and which there are.
    pub fn pick(&self, asked: Option<Device>) -> Result<Info, String> {
        let wanted = |info: &&Info| asked.map_or(!info.software, |id| info.id == id);
        if let Some(info) = self.devices.iter().find(wanted) {
            return Ok(info.clone());
        }
        let (what, there) = match asked {
            Some(id) => (format!("there is no device {id}"), self.named(|_| true)),
            None => ("there is no GPU".to_owned(), self.named(|info| info.software)),
        };
        let there = match (asked, there.is_empty()) {
            (_, true) => String::new(),
            (Some(_), false) => format!("; there is {there}"),
            (None, false) => format!("; software is used only where it is named: --device {there}"),
        };
        let concerns = |text: &&String| match asked {
            Some(Device::Cuda(_)) => text.starts_with("CUDA"),
            Some(Device::Wgpu(_)) => !text.starts_with("CUDA"),
            Some(Device::Cpu) | None => true,
        };
        let missing: Vec<_> = self.missing.iter().filter(concerns).map(String::as_str).collect();
        let missing = match &missing[..] {
            [] => String::new(),
            missing => format!(" ({})", missing.join("; ")),
        };
        Err(format!("{what}{missing}{there}"))
    }

    /// Checks that a device of the list has a precision.
    ///
    /// # Errors
    ///
    /// One line: it has not; which devices have it, and what to use instead.
    pub fn check(&self, info: &Info, precision: Precision) -> Result<(), String> {
        if info.precisions.contains(&precision) {
            return Ok(());
        }
        let there = self.named(|other| other.precisions.contains(&precision));
        let there = if there.is_empty() { "no device here".to_owned() } else { there };
        let Info { id, name, .. } = info;
        Err(format!("{id} ({name}) has no {precision}, {there} has; use f32"))
    }

    fn named(&self, which: impl Fn(&Info) -> bool) -> String {
        let ids = self.devices.iter().filter(|info| which(info)).map(|info| info.id.to_string());
        ids.collect::<Vec<_>>().join(", ")
    }
}
