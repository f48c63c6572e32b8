//! NCCL in a build without CUDA.

use crate::group::Seat;
use crate::view::View;
use a2d_device::Device;
use a2d_gemm::Client;

/// A process's device in a group: there is none.
pub(crate) enum Group {}

/// The library's version.
///
/// # Errors
///
/// Always: the library is not in this build.
pub fn version() -> Result<String, String> {
    Err("it is not in this build".to_owned())
}

/// A new group's name.
///
/// # Errors
///
/// Always: the library is not in this build.
pub fn new_id() -> Result<[u64; 16], String> {
    version().map(|_| [0; 16])
}

impl Group {
    pub fn join(_: &Client, _: Device, _: &Seat) -> Result<Self, String> {
        Err("it is not in this build".to_owned())
    }

    pub fn sum(&self, _: &View) {
        match *self {}
    }

    pub fn failure(&self) -> Option<(String, bool)> {
        match *self {}
    }

    pub fn leave(self) {
        match self {}
    }
}
