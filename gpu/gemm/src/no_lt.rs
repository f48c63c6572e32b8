//! cuBLASLt in a build without CUDA.

use crate::{By, Client, Epilogue, Product};
use a2d_device::Device;

/// The library on a device: there is none.
pub enum Lt {}

pub fn found() -> By {
    By::Cubek(None)
}

impl Lt {
    pub fn open(_: &Client, _: Device) -> Result<Self, String> {
        Err("it is not in this build".to_owned())
    }

    pub fn launch(&self, _: &Product<'_>, _: &Epilogue<'_>) -> bool {
        match *self {}
    }

    pub fn launched(&self) -> usize {
        match *self {}
    }

    pub fn failure(&self) -> Option<&str> {
        match *self {}
    }
}
