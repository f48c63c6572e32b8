//! The program in a terminal.

use crate::desk::Desk;
use a2d_tests::helpers::terminal::{CTRL_C, CTRL_D, Terminal};
use std::process::Command;

#[test]
fn the_terminal_of_these_tests_is_one() {
    let desk = Desk::new();
    for columns in [60, 80, 120] {
        let ended = Terminal::start(&desk.command("translate --help"), columns, 200).end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let widest = ended.screen.lines().map(|line| line.chars().count()).max().unwrap();
        let columns = usize::from(columns);
        assert!((columns - 20..=columns).contains(&widest), "{widest}: {}", ended.screen);
    }
    // In the background of a shell, tests and all that they start ignore Ctrl-C.
    let mut cat = Command::new("env");
    cat.args(["--default-signal=INT", "cat"]);
    let terminal = Terminal::start(&cat, 60, 5);
    terminal.keys("gut\r");
    assert_eq!(terminal.wait_for("gut\ngut"), "gut\ngut", "keys are shown, and come out");
    terminal.keys(CTRL_C);
    assert_eq!(terminal.end().code, None, "Ctrl-C is a signal");
}

#[test]
fn lines_that_are_typed_are_answered() {
    let desk = Desk::with_image();
    let asked = ["Ja.", "Ich esse gern Pizza.", ""];
    let said =
        desk.pipe("translate full", asked.map(|line| format!("{line}\n")).concat().as_bytes());
    let said = said.well();
    let [ja, pizza, blank] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    for (model, prompt) in [("full", "de> "), ("full.a2d", "> ")] {
        for columns in [60, 80, 120] {
            let terminal =
                Terminal::start(&desk.command(&format!("translate {model}")), columns, 24);
            terminal.wait_until(|screen| screen == prompt.trim_end());
            let mut shown = prompt.to_owned();
            for (asked, answer) in asked.iter().zip([ja, pizza, blank]) {
                terminal.keys(&format!("{asked}\r"));
                shown += &format!("{asked}\n{answer}\n{prompt}");
                let rows = wrapped(&shown, columns);
                terminal.wait_until(|screen| screen == rows);
            }
            terminal.keys(CTRL_D);
            let ended = terminal.end();
            assert_eq!((ended.code, ended.screen), (Some(0), wrapped(&shown, columns)));
        }
    }
}

/// Text as a terminal shows it.
fn wrapped(text: &str, columns: u16) -> String {
    let rows = text.lines().flat_map(|line| {
        let chars: Vec<_> = line.chars().collect();
        let rows = chars.chunks(columns.into()).map(|row| row.iter().collect::<String>());
        let rows: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
        if rows.is_empty() { vec![String::new()] } else { rows }
    });
    rows.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn ctrl_c_ends_and_leaves_what_was_shown() {
    let desk = Desk::with_image();
    for (model, prompt) in [("full", "de>"), ("full.a2d", ">")] {
        let terminal = Terminal::start(&desk.command(&format!("translate {model}")), 80, 24);
        terminal.wait_for(prompt);
        terminal.keys("Ja.\r");
        let answered = format!("\n{prompt}");
        let shown =
            terminal.wait_until(|screen| screen.lines().count() > 2 && screen.ends_with(&answered));
        terminal.keys(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(130));
        assert_eq!(ended.screen, format!("{shown} ^C\nerror: interrupted"));
    }
}

#[test]
fn a_long_line_that_is_typed_is_told_at_once() {
    let desk = Desk::with_image();
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --beam 1");
        let terminal = Terminal::start(&desk.command(&line), 120, 50);
        terminal.wait_for(">");
        terminal.keys("Ja.\r");
        let long = "sehr ".repeat(60);
        terminal.keys(&format!("{long}\r"));
        terminal.wait_for("warning: line 2 has ");
        terminal.keys(CTRL_D);
        let ended = terminal.end();
        assert_eq!((ended.code, ended.screen.matches("warning: ").count()), (Some(0), 1));
    }
}

#[test]
fn there_is_no_prompt_where_nobody_reads_it() {
    let desk = Desk::with_run();
    let shell = |script: &str| {
        let host = desk.command("translate full");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("\"$0\" \"$@\" {script}")]).arg(host.get_program());
        shell.args(host.get_args()).current_dir(desk.path(""));
        Terminal::start(&shell, 80, 24)
    };
    for script in ["> out", "| cat", "--quiet"] {
        let terminal = shell(script);
        terminal.keys("Ja.\r");
        terminal.keys(CTRL_D);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(!ended.screen.contains('>'), "{script}: {}", ended.screen);
    }
    let ended = shell("< test.de").end();
    assert!(ended.code == Some(0) && !ended.screen.contains("de>"), "{}", ended.screen);
}

#[test]
fn progress_of_a_file_fits_the_terminal() {
    let desk = Desk::with_run();
    desk.write("long.de", desk.read("train.de").repeat(1000));
    for columns in [60, 80, 120] {
        let line = format!("translate full --input long.de --output {columns}.en --beam 4");
        let terminal = Terminal::start(&desk.command(&line), columns, 10);
        let is_whole = |screen: &str| {
            let mut fields = screen.split("  ");
            let lines = fields.next().is_some_and(|field| field.ends_with("/600000 lines"));
            let eta = fields.next().is_some_and(|field| field.starts_with("eta "));
            lines && eta && fields.next().is_some_and(|field| field.ends_with(" lines/s"))
        };
        let screen = terminal.wait_until(is_whole);
        assert_eq!(screen.lines().count(), 1, "{screen}");
        assert!(columns == 60 || screen.contains('░'), "{screen}");
        terminal.keys(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(130));
        assert!(!ended.screen.contains("  eta "), "{columns}: {}", ended.screen);
        let kept = format!("lines are kept in {columns}.en.partial");
        assert!(ended.screen.contains(&kept), "{}", ended.screen);
        assert!(ended.screen.ends_with("error: interrupted"), "{}", ended.screen);
    }
}

#[test]
fn a_second_ctrl_c_clears_the_progress() {
    let desk = Desk::with_run();
    desk.write("long.de", desk.read("train.de").repeat(1000));
    for columns in [60, 80, 120] {
        let line = format!("translate full --input long.de --output {columns}.en --beam 4");
        let terminal = Terminal::start(&desk.command(&line), columns, 10);
        terminal.wait_for("  eta ");
        // The second may come while the first one is obeyed.
        terminal.keys(CTRL_C);
        terminal.keys(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(130));
        assert!(!ended.screen.contains("  eta "), "{columns}: {}", ended.screen);
    }
}

#[test]
fn significance_tests_show_progress_and_clear_it() {
    let desk = Desk::new();
    for name in ["train.de", "train.en"] {
        desk.write(&format!("long.{name}"), desk.read(name).repeat(50));
    }
    let systems = "--hypothesis long.train.de long.train.en --reference long.train.en";
    for (test, shown) in [
        ("--paired-bootstrap", "BLEU: resampled "),
        ("--approximate-randomisation", "BLEU: shuffled "),
    ] {
        let line = format!("compare {systems} --metrics bleu {test} --resamples 1000000");
        let terminal = Terminal::start(&desk.command(&line), 80, 10);
        let is_shown = |screen: &str| screen.contains(shown) && screen.contains("  eta ");
        terminal.wait_until(is_shown);
        terminal.keys(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        assert_eq!(ended.screen, "error: interrupted", "{line}");
    }
}

#[test]
fn evaluation_shows_progress() {
    let desk = Desk::with_run();
    for lang in ["de", "en"] {
        desk.write(&format!("long.{lang}"), desk.read(&format!("train.{lang}")).repeat(200));
    }
    let line = "evaluate full --source long.de --reference long.en --beam 4";
    let terminal = Terminal::start(&desk.command(line), 80, 10);
    terminal.wait_for("/120000 lines  eta ");
    terminal.keys(CTRL_C);
    assert_eq!(terminal.end().code, Some(130));
}
