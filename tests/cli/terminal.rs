//! The program in a terminal.

use crate::desk::Desk;
use a2d_tests::helpers::terminal::{CTRL_C, Terminal};
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
    let terminal = Terminal::start(&Command::new("cat"), 60, 5);
    terminal.keys("gut\r");
    assert_eq!(terminal.wait_for("gut\ngut"), "gut\ngut", "keys are shown, and come out");
    terminal.keys(CTRL_C);
    assert_eq!(terminal.end().code, None, "Ctrl-C is a signal");
}
