//! Shared helpers of the test suite.

pub mod helpers;

/// Compiles and runs the code of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
