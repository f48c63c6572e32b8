//! Translation line by line: what has arrived is answered, whatever comes later or goes wrong.

use crate::desk::{Desk, Done, done, send};
use a2d_host::backend::cpu::Cpu;
use a2d_host::config::BeamSearch;
use a2d_host::translate::image::{Runner, Words};
use a2d_host::translate::packed::Arithmetic;
use a2d_host::translate::{SearchOptions, Translated, Translator, translate_lines};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long an answer may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process between two open pipes.
pub struct Open {
    pub child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Open {
    pub fn start(desk: &Desk, line: &str) -> Self {
        let mut child = desk.command(line).stdin(Stdio::piped()).spawn().unwrap();
        let (input, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, lines: lines_of(out) }
    }

    pub fn ask(&mut self, text: &str) -> String {
        self.input.write_all(text.as_bytes()).unwrap();
        self.answer()
    }

    #[track_caller]
    fn answer(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Ends the input, and waits for the end of the process.
    pub fn close(self) -> Done {
        drop(self.input);
        done(self.child.wait_with_output().unwrap())
    }

    /// Waits for the end of a process that nobody told of the end of its input.
    #[track_caller]
    fn end(mut self) -> Done {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        done(self.child.wait_with_output().unwrap())
    }
}

/// The lines of a pipe, as they come.
fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        BufReader::new(out).lines().map_while(|line| send.send(line.unwrap()).ok()).count()
    });
    lines
}

#[test]
fn a_pipe_that_stays_open_is_answered() {
    let desk = Desk::with_image();
    let text = desk.read("test.de");
    for model in ["full", "full.a2d", "full --n-best 2", "full --split-sentences"] {
        let line = format!("translate {model}");
        let whole = desk.host(&format!("{line} --input test.de")).well();
        let mut whole = whole.lines();
        let mut open = Open::start(&desk, &line);
        for asked in text.lines().take(5) {
            assert_eq!(open.ask(&format!("{asked}\n")), whole.next().unwrap());
            if model.contains("n-best") {
                assert_eq!(open.answer(), whole.next().unwrap());
            }
        }
        let Open { mut child, input, lines } = open;
        drop(input);
        assert_eq!(lines.recv_timeout(PATIENCE).ok(), None, "nothing after the last line");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_wait_for_lines_can_be_interrupted() {
    let desk = Desk::with_image();
    for model in ["full", "full.a2d"] {
        let mut open = Open::start(&desk, &format!("translate {model}"));
        open.ask("Ja.\n");
        send("-INT", &open.child);
        let Done { code, err, .. } = open.end();
        assert_eq!((code, &*err), (Some(130), "error: interrupted\n"));
    }
}

#[test]
fn a_reader_that_leaves_ends_an_open_pipe() {
    let desk = Desk::with_image();
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model}");
        let mut child = desk.command(&line).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"Ja.\n").unwrap();
        let mut answer = [0];
        child.stdout.take().unwrap().read_exact(&mut answer).unwrap();
        // A child that another test starts has a copy of the pipe for a moment, so the next answer may be written well.
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "{model} goes on without a reader");
            let _ = input.write_all(b"Nein.\n");
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    }
}

/// Lines of many lengths, some of them blank.
fn lines(desk: &Desk) -> Vec<String> {
    let train = desk.read("train.de");
    let train: Vec<_> = train.lines().take(150).collect();
    let line = |(i, line): (usize, &&str)| match i % 7 {
        3 => String::new(),
        5 => train[i.saturating_sub(i % 11)..=i].join(" "),
        _ => (*line).to_owned(),
    };
    train.iter().enumerate().map(line).collect()
}

#[test]
fn windows_and_threads_change_neither_order_nor_scores() {
    let desk = Desk::with_image();
    let text: String = lines(&desk).iter().map(|line| format!("{line}\n")).collect();
    desk.write("lines.de", &text);
    for model in ["full", "full.a2d"] {
        for kind in ["--n-best 2 --beam 2", "--split-sentences --beam 1"] {
            let line = format!("translate {model} {kind} --quiet");
            let whole = desk.host(&format!("{line} --input lines.de")).well();
            for other in ["--max-tokens 1", "--max-tokens 300", "--threads 1", "--threads 5"] {
                let told = desk.host(&format!("{line} {other} --input lines.de")).well();
                assert_eq!(told, whole, "{other}");
            }
            assert_eq!(desk.pipe(&line, text.as_bytes()).well(), whole);
            desk.host(&format!("{line} --input lines.de --output out.en")).well();
            assert_eq!(desk.read("out.en"), whole);
        }
    }
}

/// The bits of all scores.
fn bits(found: &Translated) -> Vec<Vec<(&str, u32)>> {
    let line = found.lines.iter();
    line.map(|line| line.iter().map(|one| (&one.text[..], one.score.to_bits())).collect()).collect()
}

#[test]
fn a_translation_does_not_depend_on_its_neighbours_by_a_bit() {
    let desk = Desk::with_image();
    let lines = lines(&desk);
    let bytes = Words::new(&std::fs::read(desk.path("full.a2d")).unwrap());
    let runner = Runner::new(&desk.path("full.a2d"), bytes.bytes(), Arithmetic::default()).unwrap();
    let mut b = Cpu::new(2);
    let Translator { model, vocab, .. } = Translator::open(&mut b, &desk.path("full")).unwrap();
    for beam in [1, 3] {
        let options = SearchOptions::new(BeamSearch { beam, ..BeamSearch::DEFAULT }, 2000, beam);
        let mut run = |lines: &[String]| {
            translate_lines(&mut b, &model, &vocab, lines, &options, &|_| Ok(())).unwrap()
        };
        let mut image = |lines: &[String]| runner.lines(lines, &options, &|_| Ok(())).unwrap();
        for of in [&mut run as &mut dyn FnMut(&[String]) -> Translated, &mut image] {
            let together = of(&lines);
            for size in [1, 7] {
                let parts: Vec<_> = lines.chunks(size).map(&mut *of).collect();
                let parts: Vec<_> = parts.iter().flat_map(bits).collect();
                assert!(parts == bits(&together), "beam {beam}, {size} lines at a time");
            }
        }
    }
}

#[test]
fn lines_that_are_not_utf_8_fail_are_replaced_or_skipped() {
    let desk = Desk::with_image();
    let bad = b"Ja.\nNein.\nsch\xf6n\nGut.\nsch\xf6n\n";
    desk.write("bad.de", bad);
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --beam 1");
        let good = desk.pipe(&line, "Ja.\nNein.\nsch\u{fffd}n\nGut.\nsch\u{fffd}n\n".as_bytes());
        let good = good.well();
        let good: Vec<_> = good.lines().collect();

        let help = "correct the line, or choose --on-bad-input replace or skip-line";
        for (input, name) in [("--input bad.de", "bad.de"), ("", "standard input")] {
            let run = |more: &str| desk.pipe(&format!("{line} {input} {more}"), bad);
            let failed = run("");
            assert_eq!(failed.code, Some(2));
            assert_eq!(failed.out.lines().collect::<Vec<_>>(), good[..2], "what came before");
            assert_eq!(failed.err, format!("error: {name}:3: not UTF-8: {help}\n"));

            let replaced = run("--on-bad-input replace");
            let told = |done| {
                format!(
                    "warning: {name}:3: not UTF-8: {done}\nwarning: {name}:5: not UTF-8: {done}\n"
                )
            };
            assert_eq!(replaced.err, told("replaced"));
            assert_eq!(replaced.well().lines().collect::<Vec<_>>(), good);

            let skipped = run("--on-bad-input skip-line");
            assert_eq!(skipped.err, told("skipped"));
            assert_eq!(
                skipped.well().lines().collect::<Vec<_>>(),
                [good[0], good[1], "", good[3], ""]
            );
            let quiet = run("--on-bad-input replace --quiet");
            assert_eq!((quiet.code, &*quiet.err), (Some(0), ""));
        }
    }
    desk.write("worse.de", b"\xff\n".repeat(12));
    let told = desk.host("translate full --input worse.de --on-bad-input skip-line");
    assert!(told.err.contains("worse.de:10: not UTF-8") && !told.err.contains("worse.de:11"));
    assert!(told.err.ends_with("warning: 2 more lines are not UTF-8\n"), "{}", told.err);
    assert_eq!(told.well(), "\n".repeat(12));
    let line = "translate full --input bad.de --on-bad-input pray";
    desk.refused(line, 2, &["[possible values: fail, replace, skip-line]"]);
}

#[test]
fn what_came_before_a_bad_line_is_kept_for_a_file() {
    let desk = Desk::with_image();
    let text = desk.read("test.de");
    let mut bad = text.clone().into_bytes();
    bad.insert(text.len() - 2, 0xff);
    desk.write("text.de", &bad);
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --input text.de --beam 1 --output out.en");
        let says = ["text.de:20: not UTF-8", "the first 19 lines are kept in out.en.partial"];
        desk.refused(&line, 2, &says);
        assert!(!desk.path("out.en").exists());
        let kept = desk.read("out.en.partial");
        // Another failure leaves the file as it is, whatever it did.
        desk.refused(&line, 2, &["text.de:20: not", "out.en.partial exists and was left"]);
        assert_eq!(desk.read("out.en.partial"), kept);
        desk.refused(&format!("{line} --resume"), 2, &says);

        // Once with the line replaced, once with the line corrected.
        desk.host(&format!("{line} --resume --on-bad-input replace")).well();
        assert_eq!(desk.read("out.en").lines().count(), 20);
        assert!(!desk.path("out.en.partial").exists());
        desk.write("out.en.partial", &kept);
        desk.write("text.de", &text);
        let begun = kept.replace("\"text\":\"", "\"text\":\"kept: ");
        desk.write("out.en.partial", &begun);
        desk.host(&format!("{line} --resume")).well();
        let whole = desk.host(&format!("translate {model} --input text.de --beam 1")).well();
        let of_kept =
            |(i, line)| if i < 19 { format!("kept: {line}\n") } else { format!("{line}\n") };
        let expected: String = whole.lines().enumerate().map(of_kept).collect();
        assert_eq!(desk.read("out.en"), expected, "the lines that were kept, and the others");

        // Other text is not mixed with what is kept.
        for (other, why) in [
            (text.replacen('.', "!", 1), "a line has changed"),
            (text.lines().next().unwrap().to_owned(), "it has more lines"),
        ] {
            desk.write("out.en.partial", &kept);
            desk.write("text.de", other);
            desk.refused(&format!("{line} --resume"), 2, &["is of other text", why]);
        }
        std::fs::remove_file(desk.path("out.en.partial")).unwrap();
        std::fs::remove_file(desk.path("out.en")).unwrap();
        desk.write("text.de", &bad);
    }
    let left = std::fs::read_dir(desk.path("")).unwrap();
    let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.any(|name| name.starts_with(".writing-")));
}

#[test]
fn an_interruption_keeps_what_is_done_for_a_file() {
    let desk = Desk::with_run();
    let mut open = Open::start(&desk, "translate full --n-best 2 --output out.en");
    open.input.write_all(b"Ja.\n").unwrap();
    // The lines are translated one after the other: the second is read when the first is done.
    std::thread::sleep(Duration::from_millis(300));
    while std::fs::read_dir(desk.path("")).unwrap().all(|entry| {
        let entry = entry.unwrap();
        let is_partial = entry.file_name().to_string_lossy().starts_with(".writing-");
        !is_partial || std::fs::read_to_string(entry.path()).unwrap().lines().count() < 2
    }) {
        std::thread::sleep(Duration::from_millis(2));
    }
    send("-INT", &open.child);
    let Done { code, err, .. } = open.end();
    let kept = "the first line is kept in out.en.partial: go on with --resume\n";
    assert_eq!((code, err), (Some(130), format!("{kept}error: interrupted\n")));
    let line = "translate full --n-best 2 --output out.en --resume";
    desk.pipe(line, b"Ja.\nNein.\n").well();
    let whole = desk.pipe("translate full --n-best 2", b"Ja.\nNein.\n").well();
    assert_eq!(desk.read("out.en"), whole);
}

/// The most memory that a process has used, in bytes.
#[cfg(target_os = "linux")]
pub fn peak_memory(child: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_text() {
    let desk = Desk::with_image();
    // 100 MB of blank lines, for they are translated fast.
    let (blank, count) = (" ".repeat(999) + "\n", 100_000);
    for model in ["full", "full.a2d"] {
        let mut open = Open::start(&desk, &format!("translate {model}"));
        open.ask("Ja.\n");
        let before = peak_memory(&open.child);
        std::thread::scope(|scope| {
            let (mut input, blank) = (&open.input, &blank);
            scope
                .spawn(move || (0..count).for_each(|_| input.write_all(blank.as_bytes()).unwrap()));
            (0..count).for_each(|_| assert_eq!(open.answer(), ""));
        });
        let grown = peak_memory(&open.child) - before;
        assert!(grown < 20 << 20, "{model} took {grown} bytes more");
        drop(open.input);
        assert!(open.child.wait().unwrap().success());
    }
}

#[test]
fn progress_is_told_of_longer_work() {
    let desk = Desk::with_run();
    desk.write("long.de", desk.read("train.de").repeat(1000));
    let line = "translate full --input long.de --output out.en --beam 4";
    let done = desk.interrupted(line, " lines/s\n", "-INT");
    assert_eq!(done.code, Some(130));
    let told = done.err.lines().next().unwrap();
    let fields: Vec<_> = told.split("  ").collect();
    assert!(fields[0].starts_with("translated ") && fields[0].ends_with(" lines"), "{told}");
    // The file is counted when the first line is written: the total may not be there yet.
    let total = fields[0].contains("/600000 lines") && fields[1].starts_with("eta ");
    assert!(total || fields.len() == 2, "{told}");
    assert!(done.err.contains("translated "), "{told}");
    let short = desk.host("translate full --input test.de --output out.en --beam 4");
    assert_eq!((short.code, &*short.err), (Some(0), ""));
}
