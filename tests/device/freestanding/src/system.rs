//! The start of the process, and two system calls.

use core::arch::{asm, global_asm};

// The kernel jumps to `_start` with an aligned stack and no return address.
global_asm!(
    ".globl _start",
    "_start:",
    "xor %ebp, %ebp",
    "and $-16, %rsp",
    "call {main}",
    "ud2",
    main = sym begin,
    options(att_syntax)
);

extern "C" fn begin() -> ! {
    crate::main()
}

const WRITE: usize = 1;
const EXIT_GROUP: usize = 231;
const STANDARD_OUTPUT: usize = 1;

/// Calls the kernel.
///
/// # Safety
/// The arguments must be valid for the call, and the call must not change memory.
unsafe fn call(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: the kernel keeps all registers but these three; the rest is the caller's contract.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
    result
}

/// Writes to standard output; returns whether all bytes were written.
pub fn write(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: `write` reads the slice.
        let wrote = unsafe {
            call(WRITE, STANDARD_OUTPUT, bytes.as_ptr().expose_provenance(), bytes.len())
        };
        match usize::try_from(wrote).ok().and_then(|wrote| bytes.get(wrote..)) {
            Some(rest) if wrote > 0 => bytes = rest,
            _ => return false,
        }
    }
    true
}

/// Ends the process.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: `exit_group` takes a number and does not return.
        unsafe { call(EXIT_GROUP, code as usize, 0, 0) };
    }
}
