//! The program as a process: help, exit codes, signals, progress, panics.

use a2d_host::backend::device::{Backend, Device, Wish, wish};
use a2d_host::cli::{Cli, Verb};
use a2d_host::config::Precision;
use a2d_host::panics;
use a2d_host::system::display::{Display, End, Step};
use a2d_host::system::signals;
use a2d_tests::helpers::skip::skipped;
#[cfg(unix)]
use a2d_tests::helpers::terminal::Terminal;
use clap::{CommandFactory, Parser};
use std::io::IsTerminal;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_has_an_example() {
    let without: Vec<_> = Cli::command()
        .get_subcommands_mut()
        .map(|verb| (verb.get_name().to_owned(), verb.render_long_help().to_string()))
        .filter(|(name, help)| {
            !help.contains(&format!("Example:\n  a2d {name}"))
                && !help.contains(&format!("a2d {name} runs/"))
        })
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn flags_and_sets_become_settings() {
    let line = "host distill c.toml --data d --teacher t --method none --seed 3 --set train.lr=1";
    let Verb::Distill(args) = Cli::try_parse_from(line.split(' ')).unwrap().verb else { panic!() };
    assert_eq!(args.settings().unwrap().len(), 5);
    for (size, settings) in [("auto", 0), ("99", 2)] {
        let line = format!("host train c.toml --max-tokens {size}");
        let Verb::Train(args) = Cli::try_parse_from(line.split(' ')).unwrap().verb else {
            panic!()
        };
        assert_eq!(args.settings().unwrap().len(), settings, "the teacher's too");
    }
    let wrong = ["host", "train", "c.toml", "--set", "lr"];
    let Verb::Train(args) = Cli::try_parse_from(wrong).unwrap().verb else { panic!() };
    assert_eq!(args.settings().unwrap_err().exit_code(), 2);
}

#[test]
fn misuse_is_refused_by_the_parser() {
    for line in [
        "host",
        "host fly",
        "host train",
        "host train c.toml --threads 0",
        "host train c.toml --threads 99999",
        "host train c.toml --backend tpu",
        "host train c.toml --device cpu:1",
        "host train c.toml --seed -1",
        "host train c.toml --precision f64",
        "host bench train --precision half",
        "host translate r --beam 0",
        "host translate r --length-penalty nan",
        "host translate r --n-best 0",
        "host score --hypothesis h",
        "host bench fly",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    let line = "host translate r --beam 2 --n-best 3".split(' ');
    let Verb::Translate(args) = Cli::try_parse_from(line).unwrap().verb else { panic!() };
    assert_eq!(args.wanted().unwrap_err().exit_code(), 2);
}

#[test]
fn contradictions_are_refused() {
    for (backend, device, wanted) in [
        (Backend::Auto, None, Wish::Any),
        (Backend::Auto, Some(Device::Cpu), Wish::Cpu),
        (Backend::Cpu, None, Wish::Cpu),
        (Backend::Gpu, None, Wish::Gpu(None)),
        (Backend::Auto, Some(Device::Wgpu(1)), Wish::Gpu(Some(Device::Wgpu(1)))),
        (Backend::Gpu, Some(Device::Cuda(0)), Wish::Gpu(Some(Device::Cuda(0)))),
    ] {
        assert_eq!(wish(backend, device), Ok(wanted));
    }
    let both = wish(Backend::Cpu, Some(Device::Cuda(0))).unwrap_err();
    assert_eq!(both.to_string(), "--backend cpu contradicts --device cuda:0");
    assert_eq!(wish(Backend::Gpu, Some(Device::Cpu)).unwrap_err().exit_code(), 2);
}

#[test]
fn the_cpu_computes_with_f32_and_bf16() {
    let line = "host train c.toml --backend cpu --precision bf16";
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let Verb::Train(args) = cli.verb else { panic!() };
    assert_eq!(args.settings().unwrap().len(), 2, "the teacher's too");
    let cpu = args.run.device.choose(&cli.globals).unwrap();
    assert_eq!(cpu.device(), Device::Cpu);
    for precision in [Precision::F32, Precision::Bf16] {
        cpu.check("train.precision", precision).unwrap();
        assert_eq!(cpu.note(precision).is_some(), precision == Precision::Bf16);
    }
    for precision in [Precision::Tf32, Precision::F16] {
        let error = cpu.check("train.precision", precision).unwrap_err();
        let told = "train.precision: the CPU computes with f32 and bf16, only a GPU with";
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            format!("{told} {precision}: use f32 or bf16, or --backend gpu")
        );
    }
}

/// The command that runs this program again as the child `role`.
fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "plays_a_role", "--nocapture", "--ignored"])
        .env("A2D_TEST_ROLE", role);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The child of the tests below.
#[test]
#[ignore = "the child of other tests of this file, which start it with A2D_TEST_ROLE"]
fn plays_a_role() {
    match std::env::var("A2D_TEST_ROLE").as_deref() {
        Ok("bug") => bug(),
        Ok("lost device") => lost_device(),
        Ok("patient") => patient(),
        Ok("stubborn") => stubborn(),
        Ok("show") => show(false),
        Ok("quiet") => show(true),
        Ok("count") => count(),
        role => panic!("A2D_TEST_ROLE names no role: {role:?}"),
    }
}

fn bug() {
    panics::install();
    let work = || {
        std::thread::scope(|scope| {
            scope.spawn(|| panic!("two\nlines"));
        });
        Ok(())
    };
    std::process::exit(panics::guard(work).map_or(1, |_| 0));
}

/// A panic in a thread with the name of one that drives a device; the panic is caught.
fn lost_device() {
    panics::install();
    let thread = std::thread::Builder::new().name("DSD-3-0".into());
    let _ = thread.spawn(|| panic!("no kernel:\n  because")).unwrap().join();
    eprintln!("went on");
}

/// Works until a stop is requested, then exits with the signal in its exit code.
fn patient() {
    signals::install().unwrap();
    eprintln!("ready");
    while signals::stop_requested().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::process::exit(40 + signals::stop_requested().unwrap());
}

/// Never checks whether a stop is requested.
fn stubborn() {
    signals::install().unwrap();
    eprintln!("ready");
    std::thread::sleep(Duration::from_secs(60));
}

/// An update of a resumed training.
fn step(update: u64) -> Step<'static> {
    let terms = &[("loss", 4.25), ("ce", 3.125), ("kd", 0.5), ("kl_encoder", 0.012)];
    Step { update, epoch: 2, terms, lr: 1.79e-3, tokens_per_second: 9277.4, seconds: 0.1 }
}

/// The progress of a resumed training of 7392 updates, shown every second update.
fn show(quiet: bool) {
    let mut display = Display::new(quiet);
    display.begin("student by A2D", 2);
    display.expect(End { update: Some(7392), epoch: Some(12), seconds: None });
    for update in 7389..=7392 {
        display.step(&step(update));
        if std::io::stdin().is_terminal() {
            // A terminal is not redrawn more often.
            std::thread::sleep(Duration::from_millis(60));
        }
    }
    wait_for_a_key();
    display.line("epoch 2: BLEU 12.3");
    display.end();
    std::process::exit(0);
}

/// Lines that are translated during a training and after it.
fn count() {
    let mut display = Display::new(false);
    display.begin("student by A2D", 1);
    let count = display.count("validating", 40);
    count.add(10);
    wait_for_a_key();
    drop(count);
    display.end();
    let count = display.count("student: scoring the test set", 1000);
    count.add(100);
    if !std::io::stdin().is_terminal() {
        std::thread::sleep(Duration::from_millis(2100));
    }
    count.add(100);
    count.add(100);
    wait_for_a_key();
    drop(count);
    std::process::exit(0);
}

/// Waits for the Enter key where there is one.
fn wait_for_a_key() {
    if std::io::stdin().is_terminal() {
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
}

#[test]
fn progress_is_lines_where_there_is_no_terminal() {
    let text = String::from_utf8(child("show").output().unwrap().stderr).unwrap();
    let step = "epoch 2/12  eta 0s  9,277 tokens/s  lr 1.79e-3  loss 4.250  ce 3.125  kd 0.500  \
                kl_encoder 0.012";
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            &format!("[0:00] student by A2D 7390/7392  {step}"),
            &format!("[0:00] student by A2D 7392/7392  {step}"),
            "[0:00] epoch 2: BLEU 12.3"
        ]
    );
    assert_eq!(child("quiet").output().unwrap().stderr, b"");
    let text = String::from_utf8(child("count").output().unwrap().stderr).unwrap();
    let [line] = &text.lines().collect::<Vec<_>>()[..] else {
        panic!("short work is silent: {text}")
    };
    let start = "[0:02] student: scoring the test set 200/1000 lines  eta ";
    assert!(line.starts_with(start) && line.ends_with(" lines/s"), "{line}");
}

/// The line of the screen that contains `mark`.
#[cfg(unix)]
fn shown(terminal: &Terminal, mark: &str) -> String {
    let screen = terminal.wait_for(mark);
    screen.lines().find(|line| line.contains(mark)).unwrap().to_owned()
}

/// Position, epoch, ETA and speed stay; the bar and then the learning rate and the losses follow as there is room. Four
/// columns stay free.
#[cfg(unix)]
#[test]
fn a_narrow_terminal_cuts_the_losses_first() {
    let first = "7392/7392  epoch 2/12  eta 0s  9,277 tokens/s";
    let rest = "lr 1.79e-3  loss 4.250";
    for (columns, line) in [
        (44, "student by A2D 7392/7392  epoch 2/12".to_owned()),
        (63, "student by A2D 7392/7392  epoch 2/12  eta 0s".to_owned()),
        (64, format!("student by A2D {first}")),
        (84, format!("student by A2D ████████ {first}")),
        (88, format!("student by A2D ████████ {first}  lr 1.79e-3")),
        (104, format!("student by A2D ██████████ {first}  {rest}")),
        (124, format!("student by A2D ████████████ {first}  {rest}  ce 3.125  kd 0.500")),
    ] {
        let terminal = Terminal::start(&child("show"), columns, 10);
        assert_eq!(shown(&terminal, "7392/7392"), line, "{columns} columns");
        terminal.keys("\r");
        let ended = terminal.end();
        assert!(ended.screen.ends_with("\nepoch 2: BLEU 12.3"), "the bar is gone: {ended:?}");
    }
}

#[cfg(unix)]
#[test]
fn counted_lines_fit_a_narrow_terminal() {
    for columns in [64, 80, 120] {
        let terminal = Terminal::start(&child("count"), columns, 10);
        let line = shown(&terminal, "10/40 lines  eta");
        assert!(line.starts_with("student by A2D: validating █"), "{line}");
        assert!(line.chars().count() <= usize::from(columns), "{line}");
        terminal.keys("\r");
        let line = shown(&terminal, " 300/1000 lines  eta ");
        let start = "student: scoring the test set █";
        assert!(line.starts_with(start) && line.contains('░'), "{columns} columns: {line}");
        terminal.keys("\r");
        assert_eq!(terminal.end().code, Some(0));
    }
}

#[test]
fn a_bug_is_one_line() {
    let Output { status, stderr, .. } = child("bug").output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    let told: Vec<_> = text.lines().filter(|line| line.contains("internal error")).collect();
    assert_eq!((status.code(), told.len()), (Some(1), 1), "{text}");
    assert!(told[0].contains("two lines") && told[0].contains("report"), "{text}");
    assert!(!text.contains("panicked at"), "{text}");
}

#[test]
fn a_lost_device_ends_the_program_in_one_line() {
    if !a2d_host::backend::gpu::BUILT {
        skipped("built without a GPU backend (--features gpu)");
        return;
    }
    let Output { status, stderr, .. } = child("lost device").output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    let told = "error: the GPU (none) failed: no kernel: because; what was saved is whole";
    assert!(text.starts_with(told) && text.lines().count() == 1, "{text}");
    assert_eq!(status.code(), Some(1));
}

#[cfg(unix)]
fn ready(role: &str) -> Child {
    use std::io::{BufRead, BufReader};
    let mut child = child(role).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    child
}

#[cfg(unix)]
fn send(signal: &str, child: &Child) {
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_signal_is_noted_and_a_second_ends() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let mut child = ready("patient");
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(40 + number));
        let mut child = ready("stubborn");
        send(signal, &child);
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none(), "the first is only noted");
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number));
    }
}
