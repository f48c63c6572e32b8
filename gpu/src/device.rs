//! Which devices there are, and which of them is taken.

use crate::Precision;
use std::fmt;

/// One device, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// A device of CUDA, by CUDA's number.
    Cuda(u32),
    /// An adapter of Vulkan or Metal, by its place in [`list`].
    Wgpu(u32),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Wgpu(number) => write!(f, "wgpu:{number}"),
        }
    }
}

/// What is known of a device before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub id: Id,
    /// What its maker calls it.
    pub name: String,
    /// Whether it is the processor in disguise, which is taken only where it is named.
    pub software: bool,
    /// Bytes of memory, where the driver tells.
    pub memory: Option<u64>,
    /// What it can compute with; always f32.
    pub precisions: Vec<Precision>,
}

/// The devices of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of preference: those of CUDA, then adapters, discrete ones first and software last.
    pub devices: Vec<Info>,
    /// What keeps there from being more, in words.
    pub missing: Vec<String>,
}

/// Looks for devices; panics nowhere, whatever is not installed.
pub fn list() -> Listing {
    let mut listing = Listing::default();
    crate::cuda::list(&mut listing);
    crate::adapters::list(&mut listing);
    listing
}

/// [`Listing::pick`] of this machine.
pub fn pick(asked: Option<Id>) -> Result<Info, String> {
    list().pick(asked)
}

impl Listing {
    /// The device that is asked for; without a wish the first that is no software.
    ///
    /// Errors, one line each: there is no such device, and what there is instead.
    pub fn pick(&self, asked: Option<Id>) -> Result<Info, String> {
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
            Some(Id::Cuda(_)) => text.starts_with("CUDA"),
            Some(Id::Wgpu(_)) => !text.starts_with("CUDA"),
            None => true,
        };
        let missing: Vec<_> = self.missing.iter().filter(concerns).map(String::as_str).collect();
        let missing = match &missing[..] {
            [] => String::new(),
            missing => format!(" ({})", missing.join("; ")),
        };
        Err(format!("{what}{missing}{there}"))
    }

    /// Whether a device of the list has a precision.
    ///
    /// Errors, one line: it has not; which devices have it, and what to use here.
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

/// Bytes of a device that nobody uses now, where the driver tells.
pub fn free_memory(id: Id) -> Option<u64> {
    match id {
        Id::Cuda(number) => crate::cuda::free_memory(number),
        Id::Wgpu(_) => None,
    }
}
