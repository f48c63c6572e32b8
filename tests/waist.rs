//! The traits of backends, read from their source: the number of methods is small, decorators forward each method, and
//! the suite has a case for each.

use std::collections::BTreeSet;

const BACKEND: &str = include_str!("../core/src/backend.rs");
const DEVICE: &str = include_str!("../core/src/device.rs");
const TAPE: &str = include_str!("../core/src/tape/mod.rs");
const TIMED: &str = include_str!("../host/engine/src/bench/timed.rs");
const SUITE: &str = include_str!("suite.rs");

/// Methods that a decorator cannot forward: their closures work on the decorator itself, which has one worker.
const OF_ITSELF: [&str; 4] = ["advance", "scratch", "share", "workers"];

/// The lines of the block whose first line contains `head`, up to its closing brace.
fn block<'t>(text: &'t str, head: &str) -> Vec<&'t str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| !line.contains(head));
    let first = lines.next().unwrap_or_else(|| panic!("no {head}"));
    lines.take_while(|line| !(line.trim() == "}" && indent(line) == indent(first))).collect()
}

/// The names of the methods in a block.
fn methods<'t>(block: &[&'t str]) -> BTreeSet<&'t str> {
    let declared = block.iter().filter_map(|line| line.trim_start().strip_prefix("fn "));
    declared.filter_map(|line| line.split(['(', '<']).next()).collect()
}

/// The methods of each trait.
fn traits() -> [(&'static str, BTreeSet<&'static str>); 4] {
    [("Device", DEVICE), ("Backend", BACKEND), ("Decode", BACKEND), ("Train", BACKEND)]
        .map(|(name, text)| (name, methods(&block(text, &format!("pub trait {name}")))))
}

#[test]
fn the_waist_is_narrow() {
    let counts = traits().map(|(name, methods)| (name, methods.len()));
    println!("{counts:?}");
    let [_, (_, backend), (_, decode), (_, train)] = counts;
    assert!(backend <= 10 && decode <= 6 && train <= 20, "{counts:?}");
}

#[test]
fn decorators_forward_everything() {
    for (name, wanted) in traits() {
        let wanted: BTreeSet<_> =
            wanted.into_iter().filter(|method| !OF_ITSELF.contains(method)).collect();
        let forwarded = methods(&block(TIMED, &format!("> {name} for Timed")));
        assert_eq!(forwarded, wanted, "{name} for Timed");
        if ["Device", "Backend"].contains(&name) {
            let forwarded = methods(&block(TAPE, &format!("> {name} for Tape")));
            assert_eq!(forwarded, wanted, "{name} for Tape");
        }
    }
}

#[test]
fn every_operation_has_a_case() {
    for (name, methods) in traits() {
        let missing: Vec<_> =
            methods.into_iter().filter(|method| !SUITE.contains(&format!("b.{method}("))).collect();
        assert!(missing.is_empty(), "{name}: no case for {missing:?}");
    }
}
