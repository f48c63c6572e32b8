//! Writes the memory map of the board that `BOARD` names.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// A board's name in QEMU, and where its flash and its memory lie.
const BOARDS: [(&str, &str, &str); 4] = [
    ("mps2-an386", "ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 4M"),
    ("mps2-an505", "ORIGIN = 0x10000000, LENGTH = 4M", "ORIGIN = 0x38000000, LENGTH = 4M"),
    ("mps2-an385", "ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 4M"),
    ("microbit", "ORIGIN = 0x00000000, LENGTH = 256K", "ORIGIN = 0x20000000, LENGTH = 16K"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let board = env::var("BOARD").unwrap_or_else(|_| "mps2-an386".into());
    let found = BOARDS.iter().find(|(name, ..)| *name == board);
    let (_, flash, ram) = found.ok_or(format!("BOARD: no board {board}"))?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let map = format!("MEMORY {{\n  FLASH : {flash}\n  RAM : {ram}\n}}\n");
    fs::write(out.join("memory.x"), map)?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg=-Tlink.x");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BOARD");
    Ok(())
}
