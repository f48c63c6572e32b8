//! Helpers of several tests: models with random weights, comparisons, the golden suite.
//!
//! They are generic over the backend, so that every backend can be tested by them.

pub mod arrays;
pub mod compare;
pub mod ct2;
pub mod golden;
pub mod golden_kd;
pub mod gradients;
pub mod image;
pub mod interop;
pub mod model;
pub mod padded;
pub mod program;
pub mod skip;
pub mod tensor_files;
#[cfg(unix)]
pub mod terminal;
pub mod text;
pub mod words;
