//! Translation of long texts and long lines: bounded memory, and an end when nobody reads.

use crate::desk::Desk;
use crate::streaming::{Open, peak_memory};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// The student of 127 KB.
fn nano() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/nano/nano.a2d").display().to_string()
}

#[test]
fn a_reader_that_leaves_ends_a_long_text() {
    let desk = Desk::with_image();
    desk.write("long.de", desk.read("train.de").repeat(2000));
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --beam 1 --threads 2 --quiet --input long.de");
        let mut child = desk.command(&line).spawn().unwrap();
        let mut read = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut read).unwrap();
        assert!(read.ends_with('\n'), "{read}");
        // All 1,200,000 lines would take longer than any test may.
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{model}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_a_million_characters_is_cut_in_little_memory() {
    let desk = Desk::with_image();
    let long = [format!("{}\n", "x".repeat(1_000_000)), format!("{}\n", "Ja, ".repeat(250_000))];
    let limits = "--max-length-a 0 --max-length-b 20";
    for model in ["full", "full.a2d"] {
        let mut open = Open::start(&desk, &format!("translate {model} --beam 1 {limits}"));
        let short = open.ask("Ja.\n");
        let before = peak_memory(&open.child);
        for long in &long {
            open.ask(long);
            assert_eq!(open.ask("Ja.\n"), short, "the stream goes on after a long line");
        }
        let grown = peak_memory(&open.child) - before;
        assert!(grown < 100 << 20, "{model} took {grown} bytes more");
        let done = open.close();
        let told = "warning: 2 lines were cut to 1024 tokens, the first is line 2\n";
        assert_eq!((done.code, &*done.err), (Some(0), told), "{model}");
    }
}

/// Waits for the end of a process, and returns the most memory that it has used, in bytes.
#[cfg(target_os = "linux")]
fn watched(child: &mut Child) -> usize {
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        // Between its end and this call it has no memory.
        most = most.max(std::panic::catch_unwind(|| peak_memory(child)).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(100));
    }
    most
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes many minutes: cargo test --release -p a2d-tests --test cli -- --ignored five_million"]
fn five_million_lines_take_less_than_300_mb() {
    const LINES: usize = 5_000_000;
    let desk = Desk::new();
    let test = desk.read("test.de");
    let short: Vec<String> =
        test.split_whitespace().take(50).map(|word| format!("{word}.")).collect();
    desk.write("short.de", short.join("\n") + "\n");
    let line = format!("translate {} --beam 1 --threads 2", nano());
    let wanted = desk.host(&format!("{line} --input short.de")).well();
    let wanted: Vec<_> = wanted.lines().collect();
    let mut text = BufWriter::new(std::fs::File::create(desk.path("long.de")).unwrap());
    (0..LINES).for_each(|i| writeln!(text, "{}", short[i % short.len()]).unwrap());
    text.flush().unwrap();

    let begin = Instant::now();
    let mut child = desk.command(&format!("{line} --input long.de --output long.en --quiet"));
    let mut child = child.spawn().unwrap();
    let most = watched(&mut child);
    let took = begin.elapsed();
    assert!(child.wait().unwrap().success());
    eprintln!("{LINES} lines in {took:.0?}, {} MB at most", most / 1_000_000);
    assert!(most > 0 && most < 300_000_000, "{most} bytes");
    let out = BufReader::new(std::fs::File::open(desk.path("long.en")).unwrap());
    let mut count = 0;
    for (i, line) in out.lines().enumerate() {
        assert_eq!(line.unwrap(), wanted[i % wanted.len()], "line {}", i + 1);
        count += 1;
    }
    assert_eq!(count, LINES);
}
