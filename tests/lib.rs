//! Shared helpers of the test suite.

pub mod helpers;

/// The code of the front page is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
