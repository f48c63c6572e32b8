//! A corpus that is larger than the memory it is prepared in.

use crate::desk::{Desk, done, send};
use a2d_core::rng::scramble;
use a2d_host::data::corpus::Corpus;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

/// The size of a corpus, and of the memory in which it is prepared.
struct Size {
    /// Bytes of text, both sides together.
    text: usize,
    /// Bytes of memory.
    memory: usize,
    /// Each language has at most 2 to the power of this different words.
    words: u64,
}

/// 2 GB in 512 MiB if `A2D_TEST_LARGE` is set, which takes some minutes; otherwise enough to fail if memory grows with
/// the text.
fn size() -> Size {
    match std::env::var_os("A2D_TEST_LARGE") {
        Some(_) => Size { text: 2_000_000_000, memory: 512 << 20, words: 22 },
        None => Size { text: 40_000_000, memory: 128 << 20, words: 14 },
    }
}

/// Appends an invented word. Small numbers make short words.
fn word(mut number: u64, out: &mut String) {
    loop {
        out.push(char::from(b"bdfgklmnprstvwz"[(number % 15) as usize]));
        out.push(char::from(b"aeiou"[(number / 15 % 5) as usize]));
        number /= 75;
        if number == 0 {
            return;
        }
    }
}

/// Sentence `seed` in one of two invented languages, with few frequent and many rare words.
fn sentence(seed: u64, language: u64, words: u64, out: &mut String) {
    out.clear();
    for i in 0..8 + seed % 5 {
        let random = scramble(scramble(seed) + i);
        let number = random >> 8 & ((1 << (random % (words + 1))) - 1);
        if i > 0 {
            out.push(' ');
        }
        word(number * 2 + language, out);
    }
    out.push_str(".\n");
}

/// Writes `train.de` and `train.en` with about `size.text` bytes; every thousandth pair is a duplicate. Returns the
/// number of pairs.
fn write_text(desk: &Desk, size: &Size) -> usize {
    let file = |name| BufWriter::new(File::create(desk.path(name)).unwrap());
    let (mut source, mut target) = (file("train.de"), file("train.en"));
    let (mut written, mut pairs, mut line) = (0, 0, String::new());
    while written < size.text {
        let seed = if pairs % 1000 == 999 { 7 } else { pairs };
        for (language, out) in [&mut source, &mut target].into_iter().enumerate() {
            sentence(seed, language as u64, size.words, &mut line);
            out.write_all(line.as_bytes()).unwrap();
            written += line.len();
        }
        pairs += 1;
    }
    source.flush().unwrap();
    target.flush().unwrap();
    pairs as usize
}

#[cfg(target_os = "linux")]
#[test]
fn a_corpus_may_be_larger_than_memory() {
    let size = size();
    let desk = Desk::new();
    let pairs = write_text(&desk, &size);
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --out data";
    let host = desk.command(&format!("{prepare} --json --threads 2"));
    let mut limited = Command::new("sh");
    let limit = format!("ulimit -d {} && exec \"$0\" \"$@\"", size.memory >> 10);
    limited.args(["-c", &limit]).arg(host.get_program()).args(host.get_args());
    limited.current_dir(desk.path("")).stdin(Stdio::null());
    let told = done(limited.output().unwrap()).well();
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    let train = &report["splits"][0];
    assert_eq!((&train["lines"], &train["kept"]), (&pairs.into(), &pairs.into()));
    let duplicates = &train["findings"][5];
    assert_eq!(
        (&duplicates["check"], &duplicates["count"]),
        (&"duplicate".into(), &(pairs / 1000).into())
    );

    let corpus = Corpus::open(&desk.path("data/train.bin")).unwrap();
    assert_eq!(corpus.len(), pairs);
    assert_eq!(corpus.pair(7).unwrap(), corpus.pair(pairs - pairs % 1000 - 1).unwrap());
    assert_ne!(corpus.pair(7).unwrap(), corpus.pair(pairs - pairs % 1000 - 2).unwrap());
}

/// The number of unfinished files in `data`.
#[cfg(unix)]
fn unfinished(desk: &Desk) -> usize {
    let entries = std::fs::read_dir(desk.path("data")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(".writing-")).count()
}

#[cfg(unix)]
#[test]
fn a_stopped_preparation_leaves_nothing_that_is_taken_for_data() {
    let desk = Desk::new();
    write_text(&desk, &Size { text: 30_000_000, memory: 0, words: 10 });
    let line = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300 --out data";
    let config = desk.read("tiny.toml");
    desk.write("new.toml", &config[config.find("[model]").unwrap()..]);
    for (signal, code, left) in [("-INT", Some(130), 0), ("-KILL", None, 2)] {
        let mut child = desk.command(line).spawn().unwrap();
        while unfinished(&desk) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        send(signal, &child);
        let stopped = done(child.wait_with_output().unwrap());
        assert_eq!(stopped.code, code, "{stopped:?}");
        assert!(unfinished(&desk) <= left && !desk.path("data/data.json").exists());
        desk.refused("train new.toml --data data --out new", 2, &["data holds no data"]);
    }
    // Disk full, simulated by a limit on file size in blocks of 512 bytes.
    let host = desk.command(line);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""]);
    limited.arg(host.get_program()).args(host.get_args()).current_dir(desk.path(""));
    let full = done(limited.output().unwrap());
    assert!(
        full.code == Some(1) && full.err.contains("cannot write data/train.bin: file too large"),
        "{full:?}"
    );
    assert_eq!((unfinished(&desk), desk.path("data/data.json").exists()), (0, false));

    assert!(desk.host(line).well().contains("lines/s"));
    assert_eq!(unfinished(&desk), 0);
}

#[cfg(unix)]
#[test]
fn learning_a_vocabulary_shows_how_long_and_ends_within_a_second_of_a_signal() {
    use std::time::{Duration, Instant};
    let desk = Desk::new();
    // So many words of 31 letters that learning takes minutes.
    let mut letters = (0..).map(|i| char::from(b'a' + (scramble(i) % 26) as u8));
    let text: String = (0..100_000)
        .flat_map(|_| letters.by_ref().take(31).chain(['\n']).collect::<Vec<_>>())
        .collect();
    desk.write("train.de", &text);
    desk.write("train.en", text.to_uppercase());
    let line = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 60000 --out new";
    let mut signalled = Instant::now();
    let done = crate::desk::disturbed(
        desk.command(line),
        "learning 60000 subwords from 200000 pieces: ",
        |child| {
            signalled = Instant::now();
            send("-TERM", child);
        },
    );
    assert!(signalled.elapsed() < Duration::from_secs(1), "{:?}", signalled.elapsed());
    assert_eq!(done.code, Some(143), "{done:#?}");
    assert!(done.err.lines().last().unwrap().starts_with("error: "), "{done:#?}");
    assert!(!desk.path("new/data.json").exists());
}
