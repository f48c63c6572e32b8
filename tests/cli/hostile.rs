//! Hostile input and environments: no folder, text or limit makes the program panic, hang, write where it should not,
//! or send escape sequences to a terminal.

use crate::desk::{Desk, Done, done};
use std::fs;
use std::io::Write as _;

/// A name with terminal escape sequences, a right-to-left override and a script tag.
#[cfg(unix)]
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[31m<script>alert('x')<&\"\u{202e}";

/// Whether `text` has control characters or a right-to-left override.
#[cfg(unix)]
fn is_obeyed(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
}

#[cfg(unix)]
#[test]
fn a_terminal_is_told_nothing_by_names_and_texts() {
    let desk = Desk::with_run();
    fs::rename(desk.path("full"), desk.path(EVIL)).unwrap();
    let evil = format!("{EVIL}\n").repeat(20);
    for lang in ["de", "en"] {
        desk.write(&format!("evil.{lang}"), &evil);
    }
    fs::copy(desk.path("test.de"), desk.path(&format!("{EVIL}.txt"))).unwrap();
    let set = format!("distill.method={EVIL}");
    let (other, out) = (format!("{EVIL}.txt"), format!("{EVIL}.html"));
    let train = ["train", "tiny.toml", "--data", "data", "--out", "new"];
    let lines: [(i32, Vec<&str>); 9] = [
        (0, vec!["watch", EVIL, "--once"]),
        (0, vec!["watch", EVIL, "--once", "--json"]),
        (0, vec!["compare", "--hypothesis", "test.en", &other, "--reference", "test.en"]),
        (0, vec!["report", EVIL, "--out", &out]),
        (0, vec!["train", "tiny.toml", "--out", "new", "--set", "data.test=evil"]),
        (2, vec!["translate", &other, "--input", "test.de"]),
        (2, vec!["score", "--hypothesis", EVIL, "--reference", "test.en"]),
        (2, vec![EVIL]),
        (2, [&train[..], &["--set", &set]].concat()),
    ];
    for (code, line) in lines {
        let Done { code: found, out, err } = done(desk.command("").args(&line).output().unwrap());
        assert_eq!(found, Some(code), "{line:?}: {err}");
        assert!(!is_obeyed(&out) && !is_obeyed(&err), "{line:?}: {out:?} {err:?}");
        assert!(code == 0 || err.contains("\\u202e"), "{line:?}: it is shown as a number: {err}");
    }
    let page = desk.read(&out);
    assert!(!page.contains("<script>alert"), "a name is no script");
}

#[test]
fn a_message_is_one_line_that_a_screen_holds() {
    let desk = Desk::new();
    let long = "x".repeat(100_000);
    desk.write("c.toml", "[model]\n\"a\\nb\" = 1\n");
    desk.refused("train c.toml", 2, &["c.toml:2: unknown key `model.a\\nb`"]);
    desk.write("c.toml", format!("[model]\n{long} = 1\n"));
    let told = desk.host("train c.toml").err;
    assert!(told.len() < 3000 && told.contains("c.toml:2: unknown key"), "{}", told.len());
    assert!(told.contains("did you mean"), "the end is shown too: {told}");
    desk.write("c.toml", vec![b'#'; 2 << 20]);
    desk.refused("train c.toml", 2, &["c.toml has over 1 MiB"]);
    #[cfg(unix)]
    desk.refused("train /dev/zero", 2, &["/dev/zero has over 1 MiB"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let desk = Desk::with_run();
    let saved =
        a2d_host::run::checkpoint::Saved::load(&desk.path("full/best.safetensors")).unwrap();
    let spoilt = |value: f32, folder: &str| {
        let mut tensors = saved.tensors.clone();
        for (_, data) in tensors.values_mut() {
            data.fill(value);
        }
        let tensors =
            tensors.iter().map(|(name, (shape, data))| (name.clone(), shape.clone(), &data[..]));
        let path = desk.path(&format!("{folder}/best.safetensors"));
        a2d_host::run::checkpoint::save(&path, tensors, &saved.metadata).unwrap();
    };
    let lines = [
        "translate full --input test.de",
        "evaluate full --source test.de --reference test.en",
        "export full --out new.a2d",
    ];
    for value in [f32::NAN, f32::INFINITY] {
        spoilt(value, "full");
        for line in lines {
            desk.refused(line, 2, &["full/best.safetensors: `", "holds NaN or infinity"]);
        }
    }
    // Weights so large that products overflow.
    spoilt(3e38, "full");
    for line in lines {
        desk.refused(line, 1, &["no translation found: the weights are too large, or contain NaN"]);
    }
    assert!(!desk.path("new.a2d").exists());
}

#[cfg(unix)]
#[test]
fn a_link_in_a_foreign_run_leads_nowhere() {
    let resume = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    for file in ["log.jsonl", "alignment.jsonl", "provenance.jsonl", ".lock"] {
        let desk = Desk::with_run();
        let _ = fs::remove_file(desk.path(&format!("full/{file}")));
        desk.write("precious", "a diary");
        std::os::unix::fs::symlink("../precious", desk.path(&format!("full/{file}"))).unwrap();
        let says = [&format!("full/{file}")[..], "it is a link, which is not written to"];
        let done = desk.host(&format!("{resume} --quiet"));
        assert_eq!((done.code, done.err.lines().count()), (Some(1), 1), "{done:#?}");
        assert!(says.iter().all(|part| done.err.contains(part)), "{done:#?}");
        assert_eq!(desk.read("precious"), "a diary");
    }
}

#[test]
fn what_only_takes_time_or_room_is_refused() {
    let desk = Desk::with_run();
    desk.edit("full/best.safetensors", |bytes| {
        bytes.splice(..8, (20u64 << 20).to_le_bytes());
        bytes.resize(32 << 20, b' ');
    });
    let translate = "translate full --input test.de";
    desk.refused(translate, 2, &["full/best.safetensors", "the length of its header is absurd"]);
    let tokenizer = desk.read("full/tokenizer.json");
    let mut document: serde_json::Value = serde_json::from_str(&tokenizer).unwrap();
    let vocab = document["model"]["vocab"].as_object_mut().unwrap();
    vocab.insert("z".repeat(1 << 16), vocab.len().into());
    desk.write("full/tokenizer.json", document.to_string());
    desk.refused(translate, 2, &["full/tokenizer.json", "the token \"zzzz", "65535 bytes"]);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_files_of_a_run() {
    let desk = Desk::with_run();
    let prepare = "prepare --source-lang de --target-lang en --train train --valid valid --out new";
    for (file, line) in [
        ("full/tokenizer.json", "translate full --input test.de"),
        ("other.json", &format!("{prepare} --vocab other.json")),
    ] {
        let _ = fs::remove_file(desk.path(file));
        let made = std::process::Command::new("mkfifo").arg(desk.path(file)).status().unwrap();
        assert!(made.success());
        let says = format!("cannot read {file}: it is a device or a pipe, no file");
        let refused = |line: &str| {
            let done = desk.host(line);
            assert!(done.code == Some(2) && done.err.contains(&says), "{line}: {done:#?}");
        };
        refused(line);
        fs::remove_file(desk.path(file)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", desk.path(file)).unwrap();
        refused(line);
    }
}

#[test]
fn a_text_that_would_fill_the_memory_is_refused() {
    let desk = Desk::with_run();
    desk.write("long.de", vec![b'x'; (1 << 20) + 2]);
    desk.refused("translate full --input long.de", 2, &["long.de:1: over 1 MiB"]);
    let score = "score --hypothesis long.de --reference long.de";
    desk.refused(score, 2, &["long.de:1: over 1 MiB"]);
    // 80 MiB that compress to about a thousandth.
    let file = fs::File::create(desk.path("bomb.de.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    let line = "x".repeat(1023) + "\n";
    (0..80 << 10).for_each(|_| packed.write_all(line.as_bytes()).unwrap());
    packed.finish().unwrap();
    fs::copy(desk.path("bomb.de.gz"), desk.path("bomb.en.gz")).unwrap();
    let says = ["bomb.de.gz", "it unpacks to over 100 times its size: unpack it first"];
    let evaluate = "evaluate full --source bomb.de.gz --reference test.en";
    desk.refused(evaluate, 2, &says);
    let prepare = "prepare --source-lang de --target-lang en --train bomb --valid valid --out new";
    desk.refused(prepare, 2, &says[1..]);
}

#[test]
fn a_run_is_not_written_over() {
    let desk = Desk::with_run();
    for file in ["best.safetensors", "config.toml", "tokenizer.json"] {
        for line in [
            "translate full --input test.de --output",
            "export full --out",
            "report full --out",
            "evaluate full --source test.de --reference test.en --output",
        ] {
            let says = [&format!("full/{file}")[..], "is a part of the run", "another output"];
            desk.refused(&format!("{line} full/{file}"), 2, &says);
        }
    }
    let prepare = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300 --out full";
    desk.refused(prepare, 2, &["full holds a run, not data"]);
    // A `data.json` of another program is not taken for a manifest and is not overwritten.
    desk.write("data/data.json", "{\"another\": \"program's\"}");
    let train = "train tiny.toml --data data --out new";
    desk.refused(train, 2, &["data/data.json: not a manifest", "name another folder by --data"]);
}

/// Runs `line` in a shell, between `before` and `after`.
#[cfg(unix)]
fn in_shell(desk: &Desk, before: &str, line: &str, after: &str) -> Done {
    let host = desk.command(line);
    let mut shell = std::process::Command::new("sh");
    let script = format!("{before} \"$0\" \"$@\" {after}");
    shell.args(["-c", &script]).arg(host.get_program()).args(host.get_args());
    done(shell.current_dir(desk.path("")).output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_small_stack_is_enough() {
    let desk = Desk::with_run();
    for line in [
        "train tiny.toml --data data --out new --quiet",
        "translate full --input test.de",
        "export full --out new.a2d",
        "report full --out new.html",
    ] {
        in_shell(&desk, "ulimit -s 64;", line, "").well();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_there_is_a_failure() {
    let desk = Desk::with_run();
    let done = in_shell(
        &desk,
        "ulimit -v 60000;",
        "train tiny.toml --data data --out new --set model.d_model=4096",
        "",
    );
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(done.err.contains("memory") || done.err.contains("thread"), "{done:#?}");
}

#[cfg(unix)]
#[test]
fn a_limit_of_the_shell_on_files_is_a_failure() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --out new --quiet";
    let done = in_shell(&desk, "ulimit -f 8;", line, "");
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(
        done.err.starts_with("error: cannot write new/") && done.err.ends_with("file too large\n"),
        "{done:#?}"
    );
    let left = fs::read_dir(desk.path("new")).unwrap();
    let unfinished = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".writing-");
    assert!(!left.map(|entry| entry.unwrap().file_name()).any(|name| unfinished(&name)));
}

#[cfg(unix)]
#[test]
fn work_goes_on_where_nobody_reads_of_it() {
    let desk = Desk::new();
    let line = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300 --out new";
    in_shell(&desk, "", line, "| true").well();
    a2d_host::data::prepare::check_files(&desk.path("new")).unwrap();
}

#[test]
fn numbers_of_the_environment_start_no_million_of_threads() {
    let desk = Desk::with_run();
    let mut host = desk.command("translate full --input test.de");
    let told =
        done(host.env("RAYON_NUM_THREADS", "1000000").env("RUST_MIN_STACK", "1").output().unwrap());
    told.well();
}
