//! The core's table for NFC equals the one generated from the crate that the host uses.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use unicode_normalization::UNICODE_VERSION;
use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/src/token/nfc/table.rs")
}

/// Ranges of ideographs that decompose, each to one other ideograph.
const IDEOGRAPHS: [(u32, u32); 2] = [(0xF900, 0xFB00), (0x2F800, 0x2FA20)];
/// Hangul syllables, whose decomposition is computed.
const SYLLABLES: std::ops::RangeInclusive<char> = '\u{AC00}'..='\u{D7A3}';

/// One step of decomposition: to one character, or to two, with whether these compose again.
enum Becomes {
    One(char),
    Two(char, char, bool),
}

fn decomposed(c: char) -> Vec<char> {
    let mut all = Vec::new();
    decompose_canonical(c, |c| all.push(c));
    all
}

/// All characters that decompose, except ideographs and Hangul.
fn mapped() -> BTreeMap<char, Becomes> {
    let chars = || ('\0'..=char::MAX).filter(|c| !SYLLABLES.contains(c) && !is_ideograph(*c));
    let all: BTreeMap<char, Vec<char>> =
        chars().map(|c| (c, decomposed(c))).filter(|(c, all)| *all != [*c]).collect();
    let of = |text: &[char]| match text {
        [c] => *c,
        _ => *all.iter().find(|(_, all)| *all == text).expect("what the first of two is").0,
    };
    let becomes = |(c, text): (&char, &Vec<char>)| match &text[..] {
        [other] => (*c, Becomes::One(*other)),
        [first @ .., second] => {
            assert!(text.len() <= 4, "more than the core holds: {c}");
            let first = of(first);
            (*c, Becomes::Two(first, *second, compose(first, *second) == Some(*c)))
        }
        [] => unreachable!("a character becomes nothing"),
    };
    all.iter().map(becomes).collect()
}

fn is_ideograph(c: char) -> bool {
    IDEOGRAPHS.iter().any(|(start, end)| (*start..*end).contains(&u32::from(c)))
        && decomposed(c).len() == 1
}

/// The lower 16 bits of a character of a plane.
fn low(plane: u32, c: char) -> u16 {
    assert_eq!(u32::from(c) >> 16, plane, "{c}");
    u32::from(c) as u16
}

/// A list in lines of no more than 100 columns.
fn list(out: &mut String, items: impl IntoIterator<Item = String>) {
    let mut line = String::new();
    for item in items {
        if line.len() + item.len() > 86 {
            writeln!(out, "            {}", line.trim_end()).unwrap();
            line.clear();
        }
        line += &item;
        line += ", ";
    }
    if !line.is_empty() {
        writeln!(out, "            {}", line.trim_end()).unwrap();
    }
}

fn hex(numbers: &[u16]) -> String {
    let numbers: Vec<_> = numbers.iter().map(|number| format!("0x{number:X}")).collect();
    format!("[{}]", numbers.join(", "))
}

fn plane(out: &mut String, number: u32, mapped: &BTreeMap<char, Becomes>) {
    let within = |c: &char| u32::from(*c) >> 16 == number;
    let (mut single, mut apart, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (c, becomes) in mapped.iter().filter(|(c, _)| within(c)) {
        let c = low(number, *c);
        match becomes {
            Becomes::One(other) => single.push(hex(&[c, low(number, *other)])),
            Becomes::Two(first, second, again) => {
                let first = low(number, *first);
                match again {
                    true => pairs.push((u32::from(*second), first, c)),
                    false => apart.push(hex(&[c, first, low(number, *second)])),
                }
            }
        }
    }
    pairs.sort_unstable();
    let mut seconds: Vec<(u32, usize)> = Vec::new();
    for (at, (second, ..)) in pairs.iter().enumerate() {
        if seconds.last().is_none_or(|(last, _)| last != second) {
            seconds.push((*second, at));
        }
    }
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_unstable_by_key(|at| pairs[*at].2);
    let mut classes: Vec<(u16, u8, u8)> = Vec::new();
    for code in number << 16..(number + 1) << 16 {
        let class = char::from_u32(code).map_or(0, canonical_combining_class);
        let (low, next) = (code as u16, |(start, count, of): &(u16, u8, u8)| {
            u32::from(*start) + u32::from(*count) == code & 0xFFFF && *of == class && *count < 255
        });
        match classes.last_mut() {
            _ if class == 0 => {}
            Some(last) if next(last) => last.1 += 1,
            _ => classes.push((low, 1, class)),
        }
    }
    let mut part = |name: &str, items: Vec<String>| {
        writeln!(out, "        {name}: &[").unwrap();
        list(out, items);
        writeln!(out, "        ],").unwrap();
    };
    part("seconds", seconds.iter().map(|(c, at)| format!("(0x{c:X}, {at})")).collect());
    part("pairs", pairs.iter().map(|(_, first, both)| hex(&[*first, *both])).collect());
    part("order", order.iter().map(usize::to_string).collect());
    part("apart", apart);
    part("single", single);
    let classes =
        classes.iter().map(|(start, count, class)| format!("(0x{start:X}, {count}, {class})"));
    part("classes", classes.collect());
}

/// The expected text of the file.
fn table() -> String {
    let (major, minor, update) = UNICODE_VERSION;
    let mut out = format!(
        "//! Generated from Unicode {major}.{minor}.{update} by the test `write_the_table` of `tests/token/table.rs`.\n\n\
         use super::{{Ideographs, Plane}};\n\n\
         #[rustfmt::skip]\n\
         pub(super) static PLANES: [Plane; 2] = [\n"
    );
    let mapped = mapped();
    assert!(mapped.keys().all(|c| u32::from(*c) < 0x2_0000));
    assert!(('\u{20000}'..=char::MAX).all(|c| canonical_combining_class(c) == 0));
    for number in 0..2 {
        out += "    Plane {\n";
        plane(&mut out, number, &mapped);
        out += "    },\n";
    }
    out += "];\n\n#[rustfmt::skip]\npub(super) static IDEOGRAPHS: [Ideographs; 2] = [\n";
    for (start, end) in IDEOGRAPHS {
        let others = (start..end).map(|code| {
            let c = char::from_u32(code).expect("no surrogate");
            match decomposed(c)[..] {
                [other] if other != c => u32::from(other),
                _ => 0,
            }
        });
        let mut others: Vec<u32> = others.collect();
        while others.pop_if(|other| *other == 0).is_some() {}
        writeln!(out, "    (0x{start:X}, &[").unwrap();
        list(
            &mut out,
            others.iter().map(|other| {
                let [a, b, c, _] = other.to_le_bytes();
                format!("[{a}, {b}, {c}]")
            }),
        );
        out += "    ]),\n";
    }
    out + "];\n"
}

#[test]
fn the_table_is_that_of_the_unicode_version_of_the_host() {
    assert_eq!(fs::read_to_string(file()).unwrap(), table(), "see `write_the_table`");
}

#[test]
#[ignore = "writes the core's table for NFC: cargo test --release -p a2d-tests --test token write_the_table -- --ignored"]
fn write_the_table() {
    fs::write(file(), table()).unwrap();
}
