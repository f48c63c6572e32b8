//! Devices, training, translation, export, reports and benchmarks.
//!
//! Models are generic over their backend; every backend is compiled into this crate. A command calls functions that
//! take a device.

#![deny(unsafe_code)]

pub mod backend;
pub mod bench;
pub mod export;
pub mod page;
pub mod texts;
pub mod train;
pub mod translate;
