//! PTX: from its text to instructions on numbered slots.

pub mod args;
pub mod code;
pub mod decode;
pub mod module;
pub mod names;
mod opcode;
mod text;
pub mod types;

/// What is wrong with a text, and on which line.
#[derive(Debug)]
pub struct Error {
    pub line: u32,
    pub why: String,
}
