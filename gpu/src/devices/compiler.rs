//! What compiles the kernels of CUDA's devices: NVRTC, of the machine's toolkit.

use std::fmt;
use std::path::PathBuf;

/// A version: major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub i32, pub i32);

/// What compiles the kernels of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The version of NVRTC.
    pub nvrtc: Version,
    /// The newest version whose kernels the driver takes.
    pub driver: Version,
    /// The compute capability of the device.
    pub capability: Version,
    /// The folder of an NVRTC that the driver takes, where [`Self::nvrtc`] is newer.
    pub older: Option<PathBuf>,
}

impl Compiler {
    /// Names all that compiled kernels depend on, but the program.
    pub fn key(&self) -> String {
        let Version(major, minor) = self.capability;
        format!("sm_{major}{minor}-nvrtc-{}", self.nvrtc)
    }

    /// One line that says what to do, where the compiler is newer than the driver.
    pub fn note(&self) -> Option<String> {
        let Self { nvrtc, driver, older, .. } = self;
        let how = match older {
            Some(folder) => format!("put {} first in LD_LIBRARY_PATH", folder.display()),
            None => format!("install NVRTC of CUDA {driver} or older, or a newer driver"),
        };
        let text = format!("NVRTC {nvrtc} is newer than the driver, which takes CUDA {driver}");
        (nvrtc > driver).then(|| format!("{text}: if kernels do not load, {how}"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVRTC {}", self.nvrtc)?;
        if self.nvrtc > self.driver {
            write!(f, " (newer than the driver: CUDA {})", self.driver)?;
        }
        Ok(())
    }
}
