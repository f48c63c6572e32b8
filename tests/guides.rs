//! The README, the guides and the READMEs of the fixtures: their commands print what the pages say, and their links lead to
//! files.
//!
//! In a block that begins with ` ```console `, a line that begins with `$ ` is a command for `bash`, the lines below it that
//! begin with `> ` are more of it, and what follows is its output, standard error included. In the output, `...` alone on a line
//! stands for any lines, and `[..]` for any text within a line. A command exits with 0; another code is shown by
//! `; echo $?`. The commands of a page run in order in one folder that has a copy of `fixtures`. A block that begins with
//! ` ```sh ` is not run: its commands are of [`elsewhere::PROGRAMS`].

#![cfg(unix)]

#[path = "guides/compare.rs"]
mod compare;
#[path = "guides/elsewhere.rs"]
mod elsewhere;
#[path = "guides/page.rs"]
mod page;
#[path = "guides/sandbox.rs"]
mod sandbox;

use page::{Page, Step};
use sandbox::Sandbox;
use std::path::{Path, PathBuf};

/// The folder of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Panics with all `failures`, if there are any.
fn finish(failures: Vec<String>) {
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs the commands of a page up to the first failure, which is returned: later commands depend on earlier ones.
fn run(page: &Page) -> Option<String> {
    let sandbox = Sandbox::new(&root());
    page.steps().iter().find_map(|step| {
        let found = sandbox.run(&step.command);
        let wrong = found.code != Some(0);
        let why = match compare::difference(&step.output, &found.output) {
            _ if wrong => format!("exit code {:?}", found.code),
            Some((line, why)) => format!("{}:{}: {why}", page.name, step.line + step.lines + line),
            None => return None,
        };
        let Step { line, command, .. } = step;
        Some(format!("{}:{line}: $ {command}\n{why}\nall output:\n{}", page.name, found.output))
    })
}

#[test]
fn every_command_prints_what_its_page_says() {
    // `A2D_TEST_GUIDE=servers` runs one page.
    let wanted = std::env::var("A2D_TEST_GUIDE").unwrap_or_default();
    let pages = Page::all(&root());
    let pages = pages.iter().filter(|page| page.name.contains(&wanted));
    let failures = std::thread::scope(|scope| {
        let running: Vec<_> = pages.map(|page| scope.spawn(|| run(page))).collect();
        running.into_iter().filter_map(|page| page.join().expect("no panic")).collect()
    });
    finish(failures);
}

#[test]
fn commands_that_are_not_run_are_tested_elsewhere() {
    let pages = Page::all(&root());
    let failures = pages
        .iter()
        .flat_map(|page| page.commands().into_iter().map(move |command| (page, command)))
        .filter(|(_, (_, command))| elsewhere::of(command).is_none())
        .map(|(page, (line, command))| {
            let how = "is in no list of programs that are tested elsewhere: make it a ```console \
                       block, or add it to tests/guides/elsewhere.rs";
            format!("{}:{line}: `{command}` {how}", page.name)
        });
    finish(failures.collect());
}

#[test]
fn what_is_tested_elsewhere_is_there() {
    let lacks = |of: &&elsewhere::Program| {
        let text = std::fs::read_to_string(root().join(of.file)).unwrap_or_default();
        !text.contains(of.text)
    };
    let lacking = elsewhere::PROGRAMS.iter().filter(lacks);
    finish(lacking.map(|of| format!("{} lacks `{}`", of.file, of.text)).collect());
}

#[test]
fn every_link_leads_to_a_file() {
    let failures = Page::all(&root()).into_iter().flat_map(|page| {
        let folder = page.path.parent().expect("a file is in a folder").to_owned();
        let dead = page.links().into_iter().filter(move |(_, link)| !folder.join(link).exists());
        dead.map(move |(line, link)| format!("{}:{line}: no file {link}", page.name))
    });
    finish(failures.collect());
}

#[test]
fn patterns_stand_for_text() {
    let output =
        ["vocabulary: 4000 tokens", "train: 12 of 12 pairs", "done"].join("\nthis: 2s so far\n");
    for expected in [
        &["vocabulary: 4000 tokens", "train: 12 of 12 pairs", "done"][..],
        &["vocabulary: [..] tokens", "train: [..] of [..] pairs", "done"],
        &["..."],
        &["...", "done", "..."],
        &["vocabulary: [..]", "...", "train: [..]", "..."],
    ] {
        assert_eq!(compare::difference(&lines(expected), &output), None, "{expected:?}");
    }
    for (expected, line) in [
        (&[][..], 0),
        (&["vocabulary: 4000 tokens"], 1),
        (&["vocabulary: [..] words", "..."], 0),
        (&["...", "train: [..] of 13 pairs", "..."], 1),
        (&["...", "done", "more"], 2),
    ] {
        let found = compare::difference(&lines(expected), &output);
        assert_eq!(found.map(|(line, _)| line), Some(line), "{expected:?}");
    }
}

fn lines(of: &[&str]) -> Vec<String> {
    of.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn a_page_is_parsed() {
    let text = "Text with a [link](../other.md#part), `[no](link)`.\n\n```console\n$ printf 'a\\n' |\n>   cat\na\n\
                $ true\n```\n\n```sh\n# a comment\nA=1 cargo test \\\n    --release\n```\n[site](https://a.b) ![p](q.png)\n";
    let page = Page::new("page.md", Path::new("page.md"), text);
    let steps = page.steps();
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].line, steps[0].lines), (4, 2));
    assert_eq!(steps[0].command, "printf 'a\\n' |\n  cat");
    assert_eq!((&steps[0].output[..], steps[1].line), (&["a".to_owned()][..], 7));
    assert_eq!(page.commands(), [(12, "A=1 cargo test --release".to_owned())]);
    assert_eq!(page.links(), [(1, "../other.md".to_owned()), (15, "q.png".to_owned())]);
}
