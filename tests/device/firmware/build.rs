//! Writes the memory map of the board in `BOARD`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// The board's name in QEMU, its flash, its RAM, and the megahertz of its core's timer.
const BOARDS: [(&str, &str, &str, u32); 4] = [
    ("mps2-an386", "ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 4M", 25),
    ("mps2-an505", "ORIGIN = 0x10000000, LENGTH = 4M", "ORIGIN = 0x38000000, LENGTH = 4M", 20),
    ("mps2-an385", "ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 4M", 25),
    ("microbit", "ORIGIN = 0x00000000, LENGTH = 256K", "ORIGIN = 0x20000000, LENGTH = 16K", 16),
];

fn main() -> Result<(), Box<dyn Error>> {
    let board = env::var("BOARD").unwrap_or_else(|_| "mps2-an386".into());
    let found = BOARDS.iter().find(|(name, ..)| *name == board);
    let (_, flash, ram, megahertz) = found.ok_or(format!("BOARD: no board {board}"))?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let map = format!("MEMORY {{\n  FLASH : {flash}\n  RAM : {ram}\n}}\n");
    fs::write(out.join("memory.x"), map)?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg=-Tlink.x");
    println!("cargo::rustc-env=MEGAHERTZ={megahertz}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BOARD");
    Ok(())
}
