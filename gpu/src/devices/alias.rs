//! A name for a shared library, by which the loader finds it before all others.
//!
//! For a name without a folder, glibc takes a library that is loaded and has it as its SONAME, before it searches any folder.
//! The SONAME of NVIDIA's libraries has a version, and what asks for them tries the name without one first. So a library
//! without code is loaded, whose SONAME is that name and which needs the other by its path: symbols that are looked up
//! in it are found there.

use libloading::Library;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// ELF's number of this architecture, if the loader is glibc's for 64 bits.
const MACHINE: Option<u64> = match () {
    () if !cfg!(target_env = "gnu") => None,
    () if cfg!(target_arch = "x86_64") => Some(62),
    () if cfg!(target_arch = "aarch64") => Some(183),
    () => None,
};

/// From now on, the loader takes `name` for the library at `path`, which has a folder.
///
/// # Errors
///
/// The library cannot be loaded, or the loader is not glibc's.
pub fn name(path: &Path, name: &str) -> Result<()> {
    let machine = MACHINE.ok_or(ErrorKind::Unsupported)?;
    let mut file = File::from(memfd_create("alias", MemfdFlags::CLOEXEC)?);
    file.write_all(&elf(machine, name.as_bytes(), path.as_os_str().as_bytes()))?;
    // SAFETY: the library has no code, and whoever asks for `name` loads the other one anyway.
    let library = unsafe { Library::new(format!("/proc/self/fd/{}", file.as_raw_fd())) };
    // It stays loaded, and the name that the loader has for it stays its own.
    library.map(|library| std::mem::forget((library, file))).map_err(Error::other)
}

/// The file of a library with this SONAME, which needs another. All of it is loaded at one address, writable, as the loader
/// relocates the dynamic section.
fn elf(machine: u64, name: &[u8], needed: &[u8]) -> Vec<u8> {
    const SEGMENTS: u64 = 64;
    const SYMBOLS: u64 = SEGMENTS + 3 * 56;
    const DYNAMIC: u64 = SYMBOLS + 24;
    const STRINGS: u64 = DYNAMIC + 7 * 16;
    let strings = [b"\0", name, b"\0", needed, b"\0"].concat();
    let len = strings.len() as u64;
    // 64 bits, little endian; a shared object; the sizes of this header and of a segment's; three segments.
    let magic = u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0");
    let header = [magic, 0, 3 | machine << 16 | 1 << 32, 0, SEGMENTS, 0, 64 << 32 | 56 << 48, 3];
    let segment = |kind: u64, at, len, align| [kind | 6 << 32, at, at, at, len, len, align];
    let load = segment(1, 0, STRINGS + len, 1 << 16);
    let dynamic = segment(2, DYNAMIC, STRINGS - DYNAMIC, 8);
    // Without it the stack would be made executable.
    let stack = segment(0x6474_e551, 0, 0, 16);
    let symbols = [0; 3];
    // Tags: NEEDED, SONAME, STRTAB, STRSZ, SYMTAB and SYMENT.
    let [needed, soname] = [[1, 2 + name.len() as u64], [14, 1]];
    let tags = [needed, soname, [5, STRINGS], [10, len], [6, SYMBOLS], [11, 24], [0, 0]];
    let words: [&[u64]; 6] = [&header, &load, &dynamic, &stack, &symbols, tags.as_flattened()];
    let words = words.concat().into_iter().flat_map(u64::to_le_bytes);
    words.chain(strings).collect()
}
