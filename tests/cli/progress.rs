//! What is told of a running job: how far it is, when it ends, what the text is worth.

use crate::desk::Desk;
use a2d_host::data::batches::batches;
use a2d_host::data::corpus::Corpus;
use a2d_tests::helpers::terminal::{CTRL_C, Terminal};

const LINE: &str = "train tiny.toml --data data --set train.max_update=0";

/// Updates of an epoch of the shared data with the sizes of `tiny.toml`.
fn epoch_updates(desk: &Desk, update_freq: usize) -> usize {
    let corpus = Corpus::open(&desk.path("data/train.bin")).unwrap();
    batches(corpus.all_lengths(), 600, 1, 1).batches.len().div_ceil(update_freq)
}

/// The lines that display updates, without the time: `model 3/24  epoch 1/2  …`.
fn steps(err: &str) -> Vec<&str> {
    let lines = err.lines().filter_map(|line| line.split_once("] "));
    lines.map(|(_, line)| line).filter(|line| line.contains(" tokens/s")).collect()
}

#[test]
fn the_last_update_is_known_from_the_first() {
    let desk = Desk::with_run();
    for (run, limits, update_freq, epochs) in [
        ("epochs", "--set train.max_epoch=3", 1, 3),
        ("parts", "--set train.max_epoch=3 --set train.update_freq=4", 4, 3),
        ("both", "--set train.max_epoch=2 --set train.max_update=9999", 1, 2),
    ] {
        let done = desk.host(&format!("{LINE} {limits} --out {run}"));
        let all = epochs * epoch_updates(&desk, update_freq);
        let shown = steps(&done.err);
        assert_eq!(shown.len(), all, "{done:#?}");
        for (i, line) in shown.iter().enumerate() {
            let epoch = i / (all / epochs) + 1;
            let start = format!("model {}/{all}  epoch {epoch}/{epochs}  ", i + 1);
            assert!(line.starts_with(&start), "{line}: not {start}");
            assert_eq!(line.contains("  eta "), i > 0, "{line}");
        }
        assert!(done.err.contains("(max_epoch)"), "{}", done.err);
    }
    // A resumed run counts on.
    let all = 5 * epoch_updates(&desk, 1);
    let done = desk.host(&format!("{LINE} --set train.max_epoch=5 --out epochs --resume"));
    let start = format!("model {}/{all}  epoch 4/5  ", all / 5 * 3 + 1);
    assert!(steps(&done.err)[0].starts_with(&start), "{}", done.err);
    // The smaller limit counts.
    let few = "--set train.max_epoch=9 --set train.max_update=3";
    let done = desk.host(&format!("{LINE} {few} --out few"));
    assert!(steps(&done.err)[0].starts_with("model 1/3  epoch 1/1  "), "{}", done.err);
}

#[test]
fn long_trainings_say_their_time_before_they_begin() {
    let desk = Desk::with_run();
    let distill =
        "distill tiny.toml --data data --set distill.baseline=true --set train.log_interval=999";
    let done = desk.host(&format!("{distill} --set train.max_update=150 --out long"));
    let told = done.err.lines().find(|line| line.contains("time at most: ")).expect(&done.err);
    for part in ["(teacher ", ", student alone ", ", student by A2D "] {
        assert!(told.contains(part), "{told}");
    }
    for rest in ["--resume", "--quiet --out quiet"] {
        let line = format!("{distill} --set train.max_update=150 --out long {rest}");
        let line = line.replace("--out long --quiet", "--quiet");
        assert!(!desk.host(&line).err.contains("time at most"), "{rest}");
    }
    let done = desk.host(&format!("{LINE} --set train.max_update=3 --out short"));
    assert!(!done.err.contains("time at most"), "{}", done.err);
}

#[test]
fn the_time_limit_bounds_the_eta() {
    let desk = Desk::with_run();
    let long = "--set train.max_epoch=1000000";
    for (run, limits) in [("time", ""), ("first", long)] {
        let time = "--set train.time_limit_seconds=0.2 --set train.patience=0";
        let done = desk.host(&format!("{LINE} {time} {limits} --out {run}"));
        let shown = steps(&done.err);
        assert_eq!(shown[0].starts_with("model 1/"), !limits.is_empty(), "{}", shown[0]);
        assert!(shown[1].contains("  eta 0s  "), "{}", shown[1]);
        assert!(done.err.contains("(time_limit_seconds)"), "{}", done.err);
    }
    let unlimited = "--set train.patience=1 --set train.lr=0.9";
    let done = desk.host(&format!("{LINE} {unlimited} --out patient"));
    assert!(steps(&done.err)[1].starts_with("model 2  epoch 1  0s so far  "), "{}", done.err);
}

#[test]
fn a_terminal_of_any_width_shows_when_it_ends() {
    let desk = Desk::with_run();
    let all = 3000 * epoch_updates(&desk, 1);
    for columns in [64, 84, 124] {
        let line = format!("{LINE} --set train.max_epoch=3000 --out run{columns}");
        let terminal = Terminal::start(&desk.command(&line), columns, 24);
        let step = |line: &&str| line.starts_with("model ") && line.contains("  eta ");
        let screen = terminal.wait_until(|screen| screen.lines().any(|line| step(&line)));
        let line = screen.lines().find(step).unwrap();
        assert!(line.chars().count() <= usize::from(columns), "{line}");
        let (place, fields) = line.split_once("  ").unwrap();
        assert!(place.ends_with(&format!("/{all}")), "{line}");
        assert_eq!(place.contains('░'), columns > 64 || place.chars().count() > 20, "{line}");
        let names = ["epoch ", "eta ", " tokens/s", "lr ", "loss ", "ce "];
        let shown: Vec<_> = fields.split("  ").collect();
        let least = if columns == 124 { names.len() } else { 3 };
        assert!((least..=names.len()).contains(&shown.len()), "{line}");
        let order = shown.iter().zip(names).all(|(field, name)| field.contains(name));
        assert!(order, "{columns} columns: {line}");
        terminal.keys(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        assert!(ended.screen.contains("model: saved at update "), "{}", ended.screen);
    }
}

#[test]
fn scoring_shows_how_far_it_is() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --out run --set train.max_update=2";
    let terminal = Terminal::start(&desk.command(line), 80, 50);
    terminal.wait_for("source ");
    let written = terminal.written();
    for part in ["model: validating ", "model: scoring the test set ", "/20 lines"] {
        assert!(written.contains(part), "{part}: {written}");
    }
    let ended = terminal.end();
    assert!(!ended.screen.contains("/20 lines"), "{}", ended.screen);
}

#[test]
fn training_sums_up_what_the_text_is_like() {
    let desk = Desk::new();
    desk.write("train.de", desk.read("train.de") + "Kopie hier\nnoch eine Kopie\n");
    desk.write("train.en", desk.read("train.en") + "Kopie hier\nnoch eine Kopie\n");
    let line = "train tiny.toml --set train.max_update=1 --out";
    let summary = |run: &str, more: &str| {
        let done = desk.host(&format!("{line} {run} {more}"));
        let told: Vec<_> = done.err.lines().take_while(|line| !line.starts_with('[')).collect();
        told.iter().map(|line| line.replace(run, "RUN")).collect::<Vec<_>>()
    };
    let vocabulary = "pairs, a vocabulary of 300 tokens";
    let most = "most often in train: source and target are the same (2)";
    let findings = "all findings: RUN/data/findings.txt";
    assert_eq!(
        summary("kept", ""),
        [
            format!("data: 602 train, 20 valid, 20 test {vocabulary}"),
            format!("data: 2 pairs have flaws, 0 of them left out, {most}; {findings}"),
        ]
    );
    assert_eq!(
        summary("clean", "--set data.clean=true"),
        [
            format!("data: 600 of 602 train, 20 valid, 20 test {vocabulary}"),
            format!("data: 2 pairs have flaws, 2 of them left out, {most}; {findings}"),
        ]
    );
    // The file has what `prepare` prints, but for the time that it took.
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --test test";
    let told = desk.host(&format!("{prepare} --vocab-size 300 --max-length 40 --out data")).well();
    let (findings, time) = told.trim_end().rsplit_once('\n').unwrap();
    assert!(time.ends_with("lines/s"), "{time}");
    assert_eq!(desk.read("kept/data/findings.txt").trim_end(), findings);
    assert_eq!(desk.read("data/findings.txt").trim_end(), findings);
    let quiet = desk.host(&format!("{line} quiet --quiet"));
    assert_eq!(quiet.err, "");
    assert!(desk.path("quiet/data/findings.txt").is_file());
}
