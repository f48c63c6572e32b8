//! Comparison of an output with patterns.

use std::collections::BTreeSet;

/// The first line of `expected` that fits nowhere, from 0, and why; its length, if the output has more lines.
pub fn difference(expected: &[String], output: &str) -> Option<(usize, String)> {
    let found: Vec<_> = output.lines().map(str::trim_end).filter(|line| !waits(line)).collect();
    // The numbers of lines that the patterns so far may have taken.
    let mut taken = BTreeSet::from([0]);
    for (i, pattern) in expected.iter().enumerate() {
        let next: BTreeSet<_> = match pattern.trim_end() {
            "..." => (taken.first().copied().unwrap_or(0)..=found.len()).collect(),
            pattern => taken
                .iter()
                .filter(|&&at| found.get(at).is_some_and(|line| fits(pattern, line)))
                .map(|at| at + 1)
                .collect(),
        };
        if next.is_empty() {
            let line = taken.first().and_then(|&at| found.get(at)).unwrap_or(&"(the end)");
            return Some((i, format!("expected: {pattern}\n   found: {line}")));
        }
        taken = next;
    }
    let more = found.get(*taken.last()?).filter(|_| !taken.contains(&found.len()))?;
    Some((expected.len(), format!("expected: (the end)\n   found: {more}")))
}

/// Whether a line tells how long something has taken so far: only a slow machine prints it.
fn waits(line: &str) -> bool {
    line.ends_with("s so far") && !line.starts_with('[')
}

/// Whether a line is `pattern`, in which `[..]` stands for any text.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("[..]") else { return pattern == line };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once("[..]").unwrap_or(("", rest));
    for part in middle.split("[..]") {
        let Some((_, after)) = line.split_once(part) else { return false };
        line = after;
    }
    line.ends_with(end)
}
