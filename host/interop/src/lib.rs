//! Models of other toolkits: what they wrote is read.

#![deny(unsafe_code)]

pub mod tensors;
