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
    let stack = Stack { d_model: 64, ffn_dim: 64, attention_heads: 2, layers: 1 };
    let config = image::config(true, false);
    let (encoder, decoder) = (stack, stack);
    Config { source_vocabulary: 50, target_vocabulary: 60_000, encoder, decoder, ..config }
}

/// In a limit of the address space that grows from too little to enough, every run either ends well or says in one line
/// what there was no memory for.
#[cfg(target_os = "linux")]
#[test]
fn an_image_that_does_not_fit_in_memory_is_a_failure() {
    let desk = Desk::new();
    desk.write("ids.txt", "4 5 2\n");
    let weights = image::weights(&large(), 1);
    for format in [Format::F32, Format::Int8] {
        let bytes = image::image(&large(), &weights, format);
        desk.write("large.a2d", bytes.bytes());
        let step = bytes.bytes().len() / 3 / 1024;
        let run = |limit: usize| {
            let line = "bench translate --image large.a2d --sources ids.txt --repeats 1 --threads 1 --beam 1";
            let host = desk.command(line);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -v {limit}; exec \"$0\" \"$@\"")]);
            shell.arg(host.get_program()).args(host.get_args()).current_dir(desk.path(""));
            done(shell.output().unwrap())
        };
        let reads = |done: &Done| !done.err.contains("a thread") && done.code != Some(127);
        let begin = (1..).map(|i| 4096 * i).find(|limit| reads(&run(*limit))).unwrap();
        let mut told = Vec::new();
        for limit in (0..).map(|i| begin + i * step) {
            let Done { code, err, .. } = run(limit);
            if code == Some(0) {
                break;
            }
            assert!(code == Some(1) && err.lines().count() == 1, "{limit} KiB: {code:?} {err}");
            told.push(err);
        }
        let says = |text: &str| told.iter().any(|told| told.contains(text));
        assert!(says("cannot read large.a2d: not enough memory for its "), "{told:?}");
        assert!(says("not enough memory: the packed weights need "), "{told:?}");
    }
}
