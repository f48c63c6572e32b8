//! The interface to the operating system: files, locks, signals, output, errors.

#![deny(unsafe_code)]

pub mod arrivals;
pub mod display;
pub mod error;
pub mod files;
pub mod hash;
pub mod leash;
pub mod lock;
pub mod memory;
pub mod output;
pub mod program;
pub mod signals;
pub mod text;
