//! Images on processors that lack instructions, and with too little memory.

use crate::desk::{Desk, Done, done};
use a2d_core::config::{Config, Stack};
use a2d_core::image::Format;
use a2d_tests::helpers::image;
use std::process::{Command, Stdio};

/// Runs a line on an emulated processor of x86-64 without AVX; `None` where there is no emulator, or the machine is
/// another one.
fn without_avx(desk: &Desk, line: &str) -> Option<Done> {
    let host = desk.command(line);
    let mut emulator = Command::new("qemu-x86_64");
    emulator.args(["-cpu", "Nehalem"]).arg(host.get_program()).args(host.get_args());
    emulator.current_dir(desk.path("")).stdin(Stdio::null());
    let there = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    there.then(|| emulator.output().ok()).flatten().map(done)
}

#[test]
fn instructions_that_the_processor_lacks_are_refused() {
    let desk = Desk::with_image();
    let line = "translate full.a2d --beam 1 --input test.de --quiet";
    let Some(plain) = without_avx(&desk, line) else {
        eprintln!("skipped: instructions_that_the_processor_lacks_are_refused: no qemu-x86_64");
        return;
    };
    assert_eq!(plain.well(), desk.host(line).well());
    for isa in ["avx2", "avx-vnni", "avx512-vnni"] {
        let refused = without_avx(&desk, &format!("{line} --isa {isa}")).unwrap();
        let why = "this processor does not have these instructions; it has portable";
        let told = format!("error: invalid value '{isa}' for '--isa <NAME>': {why}; see ");
        assert!(refused.code == Some(2) && refused.err.starts_with(&told), "{refused:#?}");
        assert_eq!((refused.err.lines().count(), &*refused.out), (1, ""));
    }
}

/// A model with a large table, whose activations are small.
fn large() -> Config {
    let stack = Stack { d_model: 256, ffn_dim: 64, attention_heads: 2, layers: 1 };
    let config = image::config(true, false);
    let (encoder, decoder) = (stack, stack);
    Config { source_vocabulary: 50, target_vocabulary: 60_000, encoder, decoder, ..config }
}

/// The address space grows from too little to read the image to too little to pack it.
#[cfg(target_os = "linux")]
#[test]
fn an_image_that_does_not_fit_in_memory_is_a_failure() {
    /// KiB of address space between two attempts; the smallest image has more than three times as much.
    const STEP: usize = 4096;
    let desk = Desk::new();
    desk.write("ids.txt", "4 5 2\n");
    let weights = image::weights(&large(), 1);
    for format in [Format::F32, Format::Int8] {
        let bytes = image::image(&large(), &weights, format);
        desk.write("large.a2d", bytes.bytes());
        let size = bytes.bytes().len();
        assert!(size > (3 * STEP) << 10);
        let within = |limit: usize| {
            let line = "bench translate --image large.a2d --sources ids.txt --repeats 1 --threads 1 --beam 1";
            let host = desk.command(line);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -v {limit}; exec \"$0\" \"$@\"")]);
            shell.arg(host.get_program()).args(host.get_args()).current_dir(desk.path(""));
            done(shell.output().unwrap())
        };
        let told =
            format!("error: cannot read large.a2d: not enough memory for its {size} bytes\n");
        let unread = |limit: &usize| within(*limit).err == told;
        let limit = (1..200).map(|i| i * STEP).find(unread).expect("a limit");
        assert_eq!(within(limit).code, Some(1));
        let read = within(limit + size / 1024 * 3 / 2);
        let told = "error: not enough memory: the packed weights need ";
        assert!(read.err.starts_with(told) && read.err.lines().count() == 1, "{read:#?}");
        assert_eq!(read.code, Some(1));
    }
}
