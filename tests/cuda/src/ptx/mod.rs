//! Parses PTX text into instructions on numbered slots.

pub mod args;
pub mod code;
pub mod decode;
pub mod module;
pub mod names;
mod opcode;
mod text;
pub mod types;

/// A parse error and its line.
#[derive(Debug)]
pub struct Error {
    pub line: u32,
    pub why: String,
}
