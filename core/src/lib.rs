#![no_std]
#![forbid(unsafe_code)]
//! a2d-core
