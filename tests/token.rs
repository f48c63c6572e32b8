//! The device's tokenizer, compared with the host's token by token and byte by byte; and damaged tables.

#[path = "token/normal.rs"]
mod normal;
#[path = "token/sentencepiece.rs"]
mod sentencepiece;
#[path = "token/symbols.rs"]
mod symbols;
#[path = "token/table.rs"]
mod table;
#[path = "token/wordpiece/mod.rs"]
mod wordpiece;

use a2d_core::rng;
use a2d_core::token::{Error, Tokenizer, VERSION};
use a2d_host::data::vocab::{LineForm, Vocab, Words};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

/// A vocabulary on the host, and its tables.
struct Pair {
    name: String,
    vocab: Vocab,
    tables: &'static [u8],
    device: Tokenizer<'static>,
}

impl Pair {
    fn learn(name: &str, lines: &[String], size: usize, bytes: bool, form: LineForm) -> Self {
        Self::learn_words(name, lines, size, bytes, Words::new(form))
    }

    /// From `lines`, counted in `words`.
    fn learn_words(
        name: &str,
        lines: &[String],
        size: usize,
        bytes: bool,
        mut words: Words,
    ) -> Self {
        let form = words.normalization();
        lines.iter().for_each(|line| words.add(line));
        let vocab = Vocab::learn_words(words, size, bytes, &mut || Ok(())).unwrap();
        let tables: &[u8] = vocab.source().tables().unwrap().leak();
        let device = Tokenizer::new(tables).unwrap();
        Self {
            name: format!("{name}, {size} tokens, bytes {bytes}, {form}"),
            vocab,
            tables,
            device,
        }
    }

    /// Asserts that both encode and decode a line alike; returns the tokens.
    fn compare(&self, line: &str) -> Vec<u32> {
        let expected = self.vocab.source().encode(line).unwrap();
        assert_eq!(encode(&self.device, line), expected, "{}: {line:?}", self.name);
        self.compare_ids(&expected);
        expected
    }

    /// Asserts that both, and the stream, decode `ids` to the same line of text; returns it.
    fn compare_ids(&self, ids: &[u32]) -> String {
        let expected = self.vocab.target().decode(ids).unwrap();
        let found = [decode(&self.device, ids), stream(&self.device, ids)];
        assert_eq!(found, [&expected; 2].map(String::clone), "{}: {ids:?}", self.name);
        let ends = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
        assert!(!expected.contains(ends), "{}: {ids:?}: {expected:?}", self.name);
        expected
    }
}

fn encode(device: &Tokenizer<'_>, line: &str) -> Vec<u32> {
    let mut out = vec![0xdead_beef; device.room(line.len())];
    let len = device.encode(line, &mut out).unwrap();
    out.truncate(len);
    out
}

fn decode(device: &Tokenizer<'_>, ids: &[u32]) -> String {
    let needed = match device.decode(ids, &mut []) {
        Ok(0) => 0,
        Err(Error::Room { needed }) => needed,
        other => panic!("{ids:?}: {other:?}"),
    };
    let mut out = vec![0; needed];
    assert_eq!(device.decode(ids, &mut out), Ok(needed));
    String::from_utf8(out).unwrap()
}

fn stream(device: &Tokenizer<'_>, ids: &[u32]) -> String {
    let (mut stream, mut text, mut out) = (device.stream(), String::new(), [0; 256]);
    for id in ids {
        let len = stream.push(*id, &mut out).unwrap();
        text.push_str(std::str::from_utf8(&out[..len]).unwrap());
    }
    let len = stream.finish(&mut out).unwrap();
    text + std::str::from_utf8(&out[..len]).unwrap()
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(String::from).collect()
}

/// All text of the quickstart.
static QUICKSTART: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart");
    let files =
        ["train", "valid", "test"].map(|split| ["de", "en"].map(|l| format!("{split}.{l}")));
    files.concat().iter().flat_map(|file| lines_of(&folder.join(file))).collect()
});

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    use LineForm::{Nfc, None};
    let kinds = [
        (300, false, None),
        (300, true, Nfc),
        (1000, false, Nfc),
        (1000, true, None),
        (4000, false, None),
        (4000, true, Nfc),
    ];
    kinds
        .map(|(size, bytes, form)| Pair::learn("quickstart", &QUICKSTART, size, bytes, form))
        .into()
});

/// Small vocabularies, for tests that change every byte.
static SMALL: LazyLock<[Pair; 2]> = LazyLock::new(|| {
    let lines: Vec<_> = ["der die das den dem", "the them then there", "ein eine, einen — eins"]
        .map(String::from)
        .into();
    let learn = |size, bytes, form| Pair::learn("small", &lines, size, bytes, form);
    [learn(60, false, LineForm::None), learn(300, true, LineForm::Nfc)]
});

// The same as on the host -----------------------------------------------------------------------

#[test]
fn every_line_of_the_quickstart_is_the_same() {
    for pair in PAIRS.iter() {
        QUICKSTART.iter().for_each(|line| drop(pair.compare(line)));
    }
}

#[test]
fn every_unicode_scalar_is_the_same() {
    let scalars: Vec<char> = ('\0'..=char::MAX).collect();
    for pair in PAIRS.iter() {
        for batch in scalars.chunks(256) {
            let words: String = batch.iter().map(|c| format!("ein{c}en ")).collect();
            pair.compare(&words);
            pair.compare(&batch.iter().collect::<String>());
        }
    }
    // Each character alone. One size is enough: the words above covered what differs between sizes.
    for pair in &PAIRS[2..4] {
        let lines: Vec<String> = scalars.iter().map(char::to_string).collect();
        for (line, expected) in lines.iter().zip(pair.vocab.source().encode_batch(&lines).unwrap())
        {
            assert_eq!(encode(&pair.device, line), expected, "{}: {line:?}", pair.name);
            pair.compare_ids(&expected);
        }
    }
}

#[test]
fn odd_lines_are_the_same() {
    let long = "Donaudampfschifffahrtsgesellschaft".repeat(30);
    let lines = [
        "",
        " ",
        "  ",
        "   a",
        "a   ",
        "a  b",
        "▁",
        "▁▁",
        " ▁",
        "▁ a",
        "a▁b",
        "a▁▁ b",
        "\t",
        "\ta",
        "a\tb",
        "\n",
        "a\r\nb",
        "\0",
        "a\0b",
        "a\u{a0}b",
        "\u{a0}",
        "\u{2003}a",
        "\u{200b}",
        "\u{feff}a",
        "e\u{301}",
        "é",
        "\u{301}",
        "a\u{308}b",
        "ﬁ",
        "Å",
        "A\u{30a}",
        "한",
        "\u{1112}\u{1161}\u{11ab}",
        "<s>",
        "</s>",
        "<unk>",
        "<pad>",
        "a<s>b",
        " </s> ",
        "<0x41>",
        "<0xE2><0x96><0x81>",
        "<0xe2>",
        "!!!",
        "a!b",
        "!a",
        "a!",
        "...",
        "…",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "🇩🇪",
        "\u{10ffff}",
        "\u{fffd}",
        "a\u{fffd}b",
        "(▁)",
        "-▁-",
        "مرحبا",
        "שלום",
        "नमस्ते",
        "你好，世界",
        long.as_str(),
    ];
    for pair in PAIRS.iter().chain(SMALL.iter()) {
        lines.iter().for_each(|line| drop(pair.compare(line)));
    }
}

/// Text of mixed scripts, spaces, control characters, and text that looks like tokens.
fn random_line(key: u64) -> String {
    const PARTS: [&str; 24] = [
        " ", "  ", "▁", "\t", "\u{a0}", "<s>", "</s>", "<unk>", "<0x41>", "der", "Mann", "ing",
        "the", "ß", "é", "e\u{301}", "\u{200b}", "Ж", "語", "🙂", "\0", "!", "-", "\u{fffd}",
    ];
    let length = rng::bits(key, 0) % 40;
    let part = |i: u32| match rng::bits(key, 2 * i + 1) % 3 {
        0 => PARTS[rng::bits(key, 2 * i + 2) as usize % PARTS.len()].to_owned(),
        1 => char::from(b'a' + (rng::bits(key, 2 * i + 2) % 26) as u8).to_string(),
        _ => char::from_u32(rng::bits(key, 2 * i + 2) % 0x3000).unwrap_or('x').to_string(),
    };
    (0..length).map(part).collect()
}

#[test]
fn random_lines_are_the_same() {
    for (number, pair) in PAIRS.iter().chain(SMALL.iter()).enumerate() {
        for line in 0..20_000 {
            pair.compare(&random_line(rng::derive(number as u64, line)));
        }
    }
}

#[test]
fn random_words_without_an_end_are_the_same() {
    let letters: Vec<char> = "eeenndierstha".chars().collect();
    for (number, pair) in PAIRS.iter().chain(SMALL.iter()).enumerate() {
        for line in 0..300 {
            let key = rng::derive(1000 + number as u64, line);
            let letter = |i| letters[rng::bits(key, i) as usize % letters.len()];
            pair.compare(&(0..rng::bits(key, 0) % 400).map(letter).collect::<String>());
        }
        for letter in letters.iter() {
            (0..40).for_each(|n| drop(pair.compare(&letter.to_string().repeat(n))));
        }
    }
}

#[test]
fn random_tokens_are_the_same_text() {
    for (number, pair) in PAIRS.iter().chain(SMALL.iter()).enumerate() {
        let len = pair.vocab.source().len() as u32;
        for line in 0..20_000 {
            let key = rng::derive(2000 + number as u64, line);
            // Often only bytes and special tokens, if there are any.
            let some = [len, 260.min(len), 8][rng::bits(key, 0) as usize % 3];
            let ids: Vec<u32> =
                (1..rng::bits(key, 1) % 12 + 1).map(|i| rng::bits(key, i + 1) % some).collect();
            pair.compare_ids(&ids);
        }
    }
}

#[test]
fn runs_of_bytes_are_the_same_text() {
    let pair = &SMALL[1];
    let words = pair.vocab.source().encode("der").unwrap();
    // Tokens before and after the run, and their text there.
    let head: [(&[u32], &str); 3] = [(&[], ""), (&[2], ""), (&words, "der")];
    let tail: [(&[u32], &str); 3] = [(&[], ""), (&[2], ""), (&words, " der")];
    // The run, its text after a word, and its text at the start if that differs.
    let runs: [(&[u8], &str, Option<&str>); 21] = [
        (b"\xe2\x96\x81", " ", Some("")),
        (b"\xe2\x96\x81\xe2\x96\x81", "  ", Some("")),
        (b"a\xe2\x96\x81b", "a b", Some("ab")),
        (b"a", "a", None),
        (b"\xc3\xa9", "é", None),
        (b"\xef\xbf\xbd", "�", None),
        // Every byte that is not part of a character becomes U+FFFD, and no other.
        (b"\xe2\x96", "��", None),
        (b"\xff", "�", None),
        (b"\xc3\xa9\xc3", "é�", None),
        (b"\xc3\xc3\xa9", "�é", None),
        (b"\xe2\xc3\xa9", "�é", None),
        (b"\xf0\x9f\x99a\x82", "���a�", None),
        (b"\xed\xa0\x80", "���", None),
        (b"\xf4\x90\x80\x80", "����", None),
        (b"\xc0\x80", "��", None),
        (b"\xe2\x96\xe2\x96\x81\x81", "�� �", Some("���")),
        // Line breaks and other control characters.
        (b"\0", " ", None),
        (b"a\nb\r\x0b\x0c\x1c\x7f", "a b     ", None),
        (b"\xc2\x85\xc2\x80\xc2\x9f\xc2\xa0", "   \u{a0}", None),
        (b"\xe2\x80\xa8\xe2\x80\xa9", "  ", None),
        (b"\xe2\x80\xa7\xe2\x80\xaa", "\u{2027}\u{202a}", None),
    ];
    for (run, behind, front) in runs {
        let bytes: Vec<u32> = run.iter().map(|b| u32::from(*b) + 4).collect();
        for ((head, before), (tail, after)) in head.into_iter().flat_map(|h| tail.map(|t| (h, t))) {
            let text = if before.is_empty() { front.unwrap_or(behind) } else { behind };
            let wanted = format!("{before}{text}{after}");
            let (one, rest) = bytes.split_at(1);
            for ids in [[head, one, rest, tail].concat(), [head, one, &[0, 1], rest, tail].concat()]
            {
                assert_eq!(pair.compare_ids(&ids), wanted, "{run:?}");
            }
        }
    }
}

#[test]
fn a_stream_shows_characters_when_they_are_whole() {
    let pair = &SMALL[1];
    let mut stream = pair.device.stream();
    let mut out = [0; 64];
    let mut push = |byte: u8| {
        let len = stream.push(u32::from(byte) + 4, &mut out).unwrap();
        String::from_utf8(out[..len].to_vec()).unwrap()
    };
    let shown: Vec<String> = "é🙂".bytes().map(&mut push).collect();
    assert_eq!(shown, ["", "é", "", "", "", "🙂"]);
    // An incomplete character before another one, then a byte that begins none, then an incomplete character.
    let shown: Vec<String> = b"\xf0\x9fa\xff\xc3".iter().map(|byte| push(*byte)).collect();
    assert_eq!(shown, ["", "", "��a", "�", ""]);
    assert_eq!(stream.finish(&mut [0; 2]), Err(Error::Room { needed: 3 }));
    assert_eq!(stream.finish(&mut out), Ok(3));
    assert_eq!(stream.finish(&mut out), Ok(0));
}

#[test]
fn a_stream_says_how_much_it_writes_at_once() {
    for pair in PAIRS.iter().chain(SMALL.iter()) {
        let room = pair.device.stream_bytes();
        assert_eq!(a2d_core::token::stream_bytes(pair.tables), room, "{}", pair.name);
        // The bound may be too large by 12: marks at the start are dropped, and three bytes are pending only with byte
        // fallback.
        let mut most = 0;
        for id in 0..pair.device.len() as u32 {
            let (mut stream, mut out) = (pair.device.stream(), vec![0; room]);
            if pair.device.has_byte_fallback() {
                // Three bytes of four, which stay pending.
                b"\xf0\x9f\x99".iter().for_each(|byte| {
                    assert_eq!(stream.push(u32::from(*byte) + 4, &mut []), Ok(0));
                });
            }
            most = most.max(stream.push(id, &mut out).unwrap());
            stream.finish(&mut out).unwrap();
        }
        assert!(most <= room && most + 12 >= room, "{}: {most} of {room}", pair.name);
    }
}

// Wrong buffers, bytes and tokens ----------------------------------------------------------------

#[test]
fn a_buffer_that_is_too_small_is_an_error_that_says_what_is_enough() {
    for (number, pair) in PAIRS.iter().chain(SMALL.iter()).enumerate() {
        let device = pair.device;
        for line in (0..300).map(|line| random_line(rng::derive(3000 + number as u64, line))) {
            let expected = pair.vocab.source().encode(&line).unwrap();
            for size in 0..device.room(line.len()) {
                match device.encode(&line, &mut vec![0; size]) {
                    Ok(len) => assert_eq!(len, expected.len()),
                    Err(Error::Room { needed }) => {
                        assert!(needed > size);
                        let mut out = vec![0; needed];
                        assert_eq!(device.encode(&line, &mut out), Ok(expected.len()), "{line:?}");
                        assert_eq!(out[..expected.len()], expected);
                    }
                    other => panic!("{line:?}: {other:?}"),
                }
            }
            let text = pair.vocab.target().decode(&expected).unwrap();
            for size in 0..text.len() {
                let error = Err(Error::Room { needed: text.len() });
                assert_eq!(device.decode(&expected, &mut vec![0; size]), error);
            }
        }
    }
}

#[test]
fn a_stream_without_room_goes_on_once_there_is_some() {
    let pair = &SMALL[1];
    let ids = pair.vocab.source().encode("der ein é🙂 die").unwrap();
    let (mut stream, mut text) = (pair.device.stream(), String::new());
    for id in ids {
        let mut out = Vec::new();
        let len = loop {
            match stream.push(id, &mut out) {
                Err(Error::Room { needed }) if needed > out.len() => out.push(0),
                other => break other.unwrap(),
            }
        };
        assert_eq!(len, out.len());
        text += std::str::from_utf8(&out).unwrap();
    }
    assert_eq!(text, "der ein é🙂 die");
}

#[test]
fn bytes_that_are_no_text_are_an_error_with_their_place() {
    let device = SMALL[1].device;
    let cases: [(&[u8], usize); 6] = [
        (b"\xff", 0),
        (b"ab\x80", 2),
        (b"a\xc3", 1),
        (b"\xe2\x96", 0),
        (b"\xed\xa0\x80", 0),
        (b"\xc3\xa9\xc0\x80", 2),
    ];
    for (bytes, at) in cases {
        assert_eq!(device.encode_bytes(bytes, &mut [0; 32]), Err(Error::Utf8 { at }), "{bytes:?}");
    }
    let mut out = [0; 32];
    let len = device.encode_bytes("der".as_bytes(), &mut out).unwrap();
    assert_eq!(out[..len], SMALL[1].vocab.source().encode("der").unwrap());
}

#[test]
fn a_token_outside_the_vocabulary_is_an_error() {
    for pair in PAIRS.iter() {
        let (device, len) = (pair.device, pair.vocab.source().len() as u32);
        assert_eq!(device.len(), pair.vocab.source().len());
        assert_eq!(device.has_byte_fallback(), pair.vocab.source().has_byte_fallback());
        for id in [len, len + 1, 65_535, 65_536, 65_540, u32::MAX] {
            for ids in [vec![id], vec![5, id], vec![len - 1, id], vec![5, 2, id, 5]] {
                assert_eq!(device.decode(&ids, &mut [0; 64]), Err(Error::Token(id)));
                assert!(pair.vocab.target().decode(&ids).is_err());
            }
            assert_eq!(device.stream().push(id, &mut [0; 64]), Err(Error::Token(id)));
        }
    }
}

#[test]
fn errors_are_one_line() {
    let error = Tokenizer::new(b"safetensors").unwrap_err();
    assert_eq!(error.to_string(), "not the tables of a vocabulary");
    for version in [0, VERSION + 1, 255] {
        let error = Tokenizer::new(&[b"a2v", &[version][..]].concat()).unwrap_err();
        assert_eq!(error, Error::Version(version));
    }
    assert_eq!(Error::Room { needed: 7 }.to_string(), "the buffer is too small: 7 would be enough");
}

// Damaged tables ----------------------------------------------------------------------------------

/// Uses tables if they load; returns whether they do.
fn harmless(tables: &[u8]) -> bool {
    let Ok(device) = Tokenizer::new(tables) else { return false };
    let mut out = [0; 512];
    for line in ["der die das, eine — einen the thenthere", "é🙂▁ <s>\0", ""] {
        let len = device.encode(line, &mut out).unwrap();
        assert!(out[..len].iter().all(|id| (*id as usize) < device.len()));
        assert!(len > 0 || line.is_empty());
        decode(&device, &out[..len]);
    }
    for id in 0..device.len() as u32 {
        stream(&device, &[id, 200.min(device.len() as u32 - 1), id]);
    }
    true
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    for pair in SMALL.iter() {
        for len in 0..pair.tables.len() {
            assert!(!harmless(&pair.tables[..len]), "{}: {len}", pair.name);
        }
        assert!(!harmless(&[pair.tables, &[0]].concat()));
        assert!(harmless(pair.tables));
    }
}

#[test]
fn every_damaged_byte_is_refused_or_harmless() {
    for pair in SMALL.iter() {
        let mut tables = pair.tables.to_vec();
        let mut accepted = 0;
        for at in 0..tables.len() {
            for change in 1..=255 {
                tables[at] ^= change;
                accepted += u32::from(harmless(&tables));
                tables[at] ^= change;
            }
        }
        let all = tables.len() * 255;
        eprintln!("{}: {} bytes; {accepted} of {all} changes load", pair.name, tables.len());
    }
}

#[test]
fn random_damage_is_refused_or_harmless() {
    let pair = &PAIRS[0];
    for number in 0..3_000 {
        let key = rng::derive(4000, number);
        let mut tables = pair.tables.to_vec();
        for change in 0..rng::bits(key, 0) % 4 + 1 {
            let at = rng::bits(key, 2 * change + 1) as usize % tables.len();
            tables[at] = rng::bits(key, 2 * change + 2) as u8;
        }
        harmless(&tables);
    }
}

#[test]
fn tables_are_small_and_always_the_same() {
    for pair in PAIRS.iter() {
        let again = Vocab::from_bytes(&pair.vocab.to_bytes()).unwrap();
        assert_eq!(again.source().tables().unwrap(), pair.tables);
        let texts = u32::from_le_bytes(pair.tables[12..16].try_into().unwrap()) as usize;
        let merges = u16::from_le_bytes(pair.tables[10..12].try_into().unwrap()) as usize;
        let (bytes, tokens) = (pair.tables.len(), pair.vocab.source().len());
        eprintln!(
            "{}: {tokens} tokens, {merges} merges, {texts} bytes of text: {bytes} bytes",
            pair.name
        );
        assert!(bytes <= texts + 12 * tokens + 6 * merges + 64);
    }
}

// Speed, and large corpora ----------------------------------------------------------------------

#[test]
fn a_very_long_word_takes_no_minutes() {
    let pair = &PAIRS[5];
    let word: String = QUICKSTART
        .iter()
        .flat_map(|line| line.chars())
        .filter(|c| c.is_alphabetic())
        .take(20_000)
        .collect();
    let begin = Instant::now();
    let ids = encode(&pair.device, &word);
    let took = begin.elapsed();
    eprintln!("a word of {} characters: {took:?}", word.chars().count());
    assert_eq!(ids, pair.vocab.source().encode(&word).unwrap());
    assert!(took.as_secs() < 20);
}

/// Every line under the folder `A2D_TEST_DATA`, with a vocabulary of each of its corpora.
#[test]
#[ignore = "A2D_TEST_DATA=FOLDER cargo test --release -p a2d-tests --test token every_line -- --ignored"]
fn every_line_of_real_text_is_the_same() {
    let root = PathBuf::from(std::env::var_os("A2D_TEST_DATA").expect("A2D_TEST_DATA is a folder"));
    let mut files = BTreeSet::new();
    for folder in
        std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir())
    {
        files.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    let learnt = [("multi30k", ["train.de", "train.en"]), ("l10n", ["train.de", "train.dsb"])];
    for (folder, names) in learnt {
        let lines: Vec<_> =
            names.iter().flat_map(|name| lines_of(&root.join(folder).join(name))).collect();
        for (size, bytes) in [(8000, true), (8000, false)] {
            let pair = Pair::learn(folder, &lines, size, bytes, LineForm::Nfc);
            eprintln!("{}: {} bytes", pair.name, pair.tables.len());
            let (mut count, mut tokens) = (0, 0);
            for file in &files {
                for line in lines_of(file) {
                    tokens += pair.compare(&line).len();
                    count += 1;
                }
            }
            eprintln!("{}: {count} lines of {} files, {tokens} tokens", pair.name, files.len());
            speed(&pair, &lines);
        }
    }
}

/// Prints lines per second on one thread: the device's code, the host's, and the host's with its cache of words.
fn speed(pair: &Pair, lines: &[String]) {
    let rate = |encode: &mut dyn FnMut(&str)| {
        let begin = Instant::now();
        for line in lines {
            encode(line);
        }
        lines.len() as f64 / begin.elapsed().as_secs_f64()
    };
    let (mut out, mut ids, mut encoder) =
        (vec![0; 4096], Vec::new(), pair.vocab.source().encoder());
    let here = rate(&mut |line| {
        black_box(pair.device.encode(black_box(line), &mut out).unwrap());
    });
    let there = rate(&mut |line| drop(black_box(pair.vocab.source().encode(line).unwrap())));
    let cached = rate(&mut |line| {
        ids.clear();
        encoder.encode(black_box(line), &mut ids).unwrap();
    });
    eprintln!(
        "{}: {here:.0} lines/s on the device's code, {there:.0} by Vocab, {cached:.0} by Encoder",
        pair.name
    );
}
