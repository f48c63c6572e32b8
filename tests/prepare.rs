//! From text to batches: vocabularies, token files, the manifest, and errors in each of them.

#[path = "prepare/checks.rs"]
mod checks;
#[path = "prepare/learning.rs"]
mod learning;
#[path = "prepare/models.rs"]
mod models;
#[path = "prepare/normal.rs"]
mod normal;
#[path = "prepare/symbols.rs"]
mod symbols;
#[path = "prepare/texts.rs"]
mod texts;

use a2d_host::data::batches::{batches, fixed_batches};
use a2d_host::data::corpus::{BLOCK, Corpus, Writer};
use a2d_host::data::prepare::{Check, PrepareRequest, Report, Split, load_report, run, up_to_date};
use a2d_host::data::vocab::{EOS, LineForm, SPECIAL, UNK, Vocab, Words};
use a2d_host::system::error::Error;
use a2d_host::system::hash;
use a2d_host::system::text::read_lines;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn quickstart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart")
}

fn quickstart_lines(name: &str) -> Vec<String> {
    read_lines(&quickstart().join(name)).unwrap()
}

fn learn(lines: &[String], size: usize) -> Vocab {
    Vocab::learn(lines.iter().map(String::as_str), size).unwrap()
}

/// A vocabulary of 2,000 tokens without normalisation.
fn learn_plain(lines: &[String]) -> Vocab {
    let mut words = Words::new(LineForm::None);
    lines.iter().for_each(|line| words.add(line));
    Vocab::learn_words(words, 2000, true, &mut || Ok(())).unwrap()
}

fn both_sides(split: &str) -> Vec<String> {
    [quickstart_lines(&format!("{split}.de")), quickstart_lines(&format!("{split}.en"))].concat()
}

/// The message of a misuse; panics on anything else.
fn misuse<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Misuse(message)) => message,
        Err(other) => panic!("not a misuse: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

// Vocabulary ----------------------------------------------------------------------------------

#[test]
fn quickstart_text_survives_encoding() {
    let train = both_sides("train");
    let vocab = learn(&train, 4000);
    assert_eq!(vocab.source().len(), 4000);
    assert!(vocab.source().has_byte_fallback());
    let lines = [train, both_sides("valid"), both_sides("test")].concat();
    for (line, ids) in lines.iter().zip(vocab.source().encode_batch(&lines).unwrap()) {
        assert_eq!(vocab.target().decode(&ids).unwrap(), *line);
        assert_eq!(vocab.source().encode(line).unwrap(), ids);
        assert!(ids.iter().all(|id| (*id as usize) < vocab.source().len()));
    }
}

#[test]
fn odd_text_survives_with_byte_fallback() {
    let vocab = learn_plain(&both_sides("valid"));
    let odd = [
        "",
        "a",
        "a  b   c ",
        "tab\there, nul\0, bell\u{7}, \u{feff}mark",
        "日本語 العربية עברית ไทย",
        "👩‍👩‍👧‍👦 flags 🇩🇪",
        "e\u{301} é ﬁ Å \u{1d11e} \u{10ffff}",
        "no-break\u{a0}space, thin\u{2009}, ideographic\u{3000}, line\u{2028}separator\u{85}",
        "<s> <pad> </s> <unk> <0x41> <0xFF>",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        "\\u2581 \u{2580}\u{2582}",
    ];
    for (line, ids) in odd.into_iter().zip(vocab.source().encode_batch(&odd).unwrap()) {
        assert_eq!(vocab.source().encode(line).unwrap(), ids);
        let line = line.replace(|c: char| c.is_control() || c == '\u{2028}', " ");
        assert_eq!(vocab.target().decode(&ids).unwrap(), line, "{ids:?}");
        assert!(ids.iter().all(|id| *id as usize >= SPECIAL.len()), "{line:?}: {ids:?}");
    }
}

#[test]
fn what_is_lost_is_as_documented() {
    let vocab = learn_plain(&both_sides("valid"));
    let cases =
        [(" a", "a"), ("  a", " a"), (" ", ""), ("a▁b", "a b"), ("▁a", "a"), ("a\tb", "a b")];
    for (line, back) in cases {
        assert_eq!(
            vocab.target().decode(&vocab.source().encode(line).unwrap()).unwrap(),
            back,
            "{line:?}"
        );
    }
}

#[test]
fn random_text_survives_but_for_what_is_documented() {
    let vocab = learn_plain(&both_sides("valid"));
    let pool: Vec<char> = " ▁ aeinrst.,<>/_0xßé日\u{301}\u{200d}\u{3000}😀\0\t".chars().collect();
    let random = |n: u64, end: usize| a2d_core::rng::scramble(n) as usize % end;
    let line = |i: u64| -> String {
        (0..random(i, 30) as u64).map(|k| pool[random(i << 8 | k, pool.len())]).collect()
    };
    let lines: Vec<String> = (1..3000).map(line).collect();
    for (line, ids) in lines.iter().zip(vocab.source().encode_batch(&lines).unwrap()) {
        let back = line.strip_prefix([' ', '▁']).unwrap_or(line).replace(['▁', '\0', '\t'], " ");
        assert_eq!(vocab.target().decode(&ids).unwrap(), back, "{line:?}");
        assert_eq!(vocab.source().encode(line).unwrap(), ids, "{line:?}");
    }
}

#[test]
fn without_byte_fallback_the_unknown_is_one_token_a_character() {
    let vocab = learn(&both_sides("valid"), 300);
    assert!(!vocab.source().has_byte_fallback());
    let ids = vocab.source().encode("日本").unwrap();
    assert_eq!(ids.iter().filter(|id| **id == UNK).count(), 2);
    assert_eq!(vocab.target().decode(&ids).unwrap(), "");
}

#[test]
fn punctuation_is_never_part_of_a_word() {
    let vocab = learn(&both_sides("train"), 4000);
    let document: serde_json::Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
    let tokens = document["model"]["vocab"].as_object().unwrap();
    for (token, id) in tokens.iter().filter(|(_, id)| id.as_u64().unwrap() >= 260) {
        let punctuation = token.chars().any(|c| c.is_ascii_punctuation());
        assert!(!punctuation || token.len() == 1, "{token:?} is {id}");
        assert!(!token.chars().skip(1).any(|c| c == '▁'), "{token:?} is {id}");
    }
}

#[test]
fn learning_depends_on_the_lines_alone() {
    let lines = both_sides("valid");
    let mut turned = lines.clone();
    turned.reverse();
    let once = learn(&lines, 2000);
    for again in [learn(&lines, 2000), learn(&turned, 2000)] {
        assert_eq!(once.to_bytes(), again.to_bytes());
        assert_eq!(once.fingerprint(), again.fingerprint());
    }
    assert_ne!(once.fingerprint(), learn(&lines, 1999).fingerprint());
}

#[test]
fn a_vocabulary_survives_the_disk() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    let vocab = learn(&both_sides("valid"), 500);
    vocab.save(&path).unwrap();
    let back = Vocab::load(&path).unwrap();
    assert_eq!(back.fingerprint(), vocab.fingerprint());
    assert_eq!(
        back.source().encode("Was ist das?").unwrap(),
        vocab.source().encode("Was ist das?").unwrap()
    );
}

#[test]
fn a_foreign_vocabulary_is_refused_by_name() {
    let good: serde_json::Value =
        serde_json::from_slice(&learn(&both_sides("valid"), 500).to_bytes()).unwrap();
    let edit = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = good.clone();
        change(&mut document);
        document.to_string()
    };
    let swapped = edit(&|d| {
        d["model"]["vocab"]["</s>"] = 1.into();
        d["model"]["vocab"]["<pad>"] = 2.into();
    });
    let cases = [
        ("".into(), "tokenizer.json"),
        ("{\"model\":".into(), "tokenizer.json"),
        ("[]".into(), "not a vocabulary"),
        ("{}".into(), "not a vocabulary"),
        (good.to_string()[..1000].into(), "tokenizer.json"),
        (swapped, "<pad> has id 2, and must have id 1"),
        (edit(&|d| drop(d["model"]["vocab"].as_object_mut().unwrap().remove("<s>"))), "<s>"),
        (edit(&|d| d["model"]["vocab"]["▁"] = 100_000.into()), "bad id"),
        (edit(&|d| d["model"]["vocab"]["▁"] = "x".into()), "bad id"),
        (edit(&|d| d["model"]["vocab"]["▁"] = 3.into()), "bad id"),
        (edit(&|d| d["model"]["merges"] = 3.into()), "tokenizer.json"),
        (edit(&|d| d["model"]["merges"][0][0] = "nowhere".into()), "tokenizer.json"),
        (edit(&|d| d["model"]["byte_fallback"] = true.into()), "<0x00>"),
        (edit(&|d| d["model"]["type"] = "Unigram".into()), "not a vocabulary"),
        (edit(&|d| d["normalizer"] = serde_json::json!({"type": "Lowercase"})), "not a vocab"),
        (edit(&|d| d["normalizer"]["normalizers"][2]["type"] = "NFD".into()), "not a vocab"),
        (
            edit(&|d| drop(d["normalizer"]["normalizers"].as_array_mut().unwrap().pop())),
            "not a vocab",
        ),
    ];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    for (text, part) in cases {
        fs::write(&path, text).unwrap();
        let message = misuse(Vocab::load(&path));
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        assert!(message.contains(part), "{message}, not {part}");
    }
    assert!(misuse(Vocab::load(&folder.path().join("none.json"))).contains("none.json"));
}

#[test]
fn sizes_out_of_range_and_foreign_ids_are_errors() {
    for (size, says) in [(10, "too small"), (usize::MAX, "too large: at most 4194304")] {
        assert!(misuse(Vocab::learn(["a"].into_iter(), size)).contains(says), "{size}");
    }
    assert!(misuse(Vocab::learn_with(["a"].into_iter(), 100, true)).contains("byte fallback"));
    let vocab = Vocab::learn(["aa aa bb"].into_iter(), 20).unwrap();
    assert!(vocab.source().len() < 20);
    assert!(misuse(vocab.target().decode(&[999])).contains("999"));
    assert_eq!(vocab.target().decode(&[0, 1, 2, 3]).unwrap(), "");
}

// Token files ---------------------------------------------------------------------------------

/// A vocabulary of 2,000 tokens, and a token file of at most `pairs` pairs.
fn small_corpus(folder: &Path, pairs: usize) -> (Vocab, Vec<[Vec<u32>; 2]>, PathBuf) {
    let (de, en) = (quickstart_lines("valid.de"), quickstart_lines("valid.en"));
    let vocab = learn(&both_sides("valid"), 2000);
    let encoded: Vec<[Vec<u32>; 2]> = de
        .iter()
        .zip(&en)
        .take(pairs)
        .map(|(s, t)| [vocab.source().encode(s).unwrap(), vocab.source().encode(t).unwrap()])
        .collect();
    let path = folder.join("train.bin");
    let mut writer = Writer::create(&path, &vocab).unwrap();
    encoded.iter().for_each(|[s, t]| writer.push(s, t).unwrap());
    writer.finish().unwrap();
    (vocab, encoded, path)
}

#[test]
fn a_corpus_survives_the_disk() {
    let folder = TempDir::new().unwrap();
    let (vocab, pairs, path) = small_corpus(folder.path(), 500);
    let corpus = Corpus::open(&path).unwrap();
    assert_eq!((corpus.len(), corpus.sizes()), (pairs.len(), vocab.sizes()));
    assert_eq!(corpus.fingerprint(), vocab.fingerprint());
    for (i, [source, target]) in pairs.iter().enumerate() {
        let ended = |side: &[u32]| [side, &[EOS]].concat();
        assert_eq!(corpus.pair(i).unwrap(), (ended(source), ended(target)));
        let lengths = (source.len() as u32 + 1, target.len() as u32 + 1);
        assert_eq!(corpus.lengths(i), lengths);
        assert_eq!(corpus.all_lengths()[i], lengths);
    }
}

#[test]
fn an_empty_corpus_is_one_too() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 0);
    assert!(Corpus::open(&path).unwrap().is_empty());
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 3);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let message = misuse(Corpus::open(&path));
        assert!(message.contains("train.bin: cut short"), "{length}: {message}");
    }
    fs::write(&path, [whole.as_slice(), &[0]].concat()).unwrap();
    assert!(misuse(Corpus::open(&path)).contains("train.bin"));
}

#[test]
fn any_flipped_bit_is_refused() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 2);
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        assert!(misuse(Corpus::open(&path)).contains("train.bin: "), "bit {bit}");
    }
}

/// Changes a token file of one block and repairs its checksums; returns the error of opening it.
fn forge(path: &Path, change: impl FnOnce(&mut [u8])) -> String {
    let good = fs::read(path).unwrap();
    let mut bytes = good.clone();
    change(&mut bytes);
    let table = bytes.len() - 8;
    let block = hash::bytes(&bytes[64..table]);
    bytes[table..].copy_from_slice(&block.to_le_bytes());
    let body = hash::bytes(&bytes[table..]);
    bytes[48..56].copy_from_slice(&body.to_le_bytes());
    let header = hash::bytes(&bytes[..56]);
    bytes[56..64].copy_from_slice(&header.to_le_bytes());
    fs::write(path, bytes).unwrap();
    let message = misuse(Corpus::open(path));
    fs::write(path, good).unwrap();
    assert!(message.contains("train.bin: "), "{message}");
    message
}

#[test]
fn forged_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 3);
    let put = |at: usize, value: u64| {
        move |bytes: &mut [u8]| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes())
    };
    for count in [u64::MAX, u64::MAX / 8, 1 << 32, 1 << 61, 1 << 31] {
        let message = forge(&path, put(16, count));
        assert!(message.contains("absurd") || message.contains("cut short"), "{message}");
        let message = forge(&path, put(24, count));
        assert!(message.contains("absurd") || message.contains("cut short"), "{message}");
    }
    assert!(forge(&path, put(16, 0)).contains("damaged"));
    assert!(forge(&path, put(32, 10)).contains("outside the vocabulary of 10"));
    assert!(forge(&path, put(64, u64::MAX)).contains("more than the number of ids"));
    assert!(forge(&path, |bytes| bytes[64] -= 1).contains("damaged"));
    let moved = |bytes: &mut [u8], ids: u8| {
        bytes[64] -= ids;
        bytes[68] += ids;
    };
    assert!(forge(&path, |bytes| moved(bytes, 1)).contains("no end"));
    assert!(forge(&path, |bytes| moved(bytes, bytes[64])).contains("no end"));
    assert!(forge(&path, |bytes| bytes[12] = 3).contains("damaged"));
    assert!(forge(&path, |bytes| bytes[8] = 9).contains("version 9"));
    assert!(forge(&path, |bytes| bytes[0] = b'A').contains("not a token file"));
    let last = |bytes: &mut [u8], id: u16| {
        let end = bytes.len() - 8;
        bytes[end - 2..end].copy_from_slice(&id.to_le_bytes());
    };
    assert!(forge(&path, |bytes| last(bytes, 65282)).contains("id 65282"));
    assert!(forge(&path, |bytes| last(bytes, 4)).contains("no end"));
    assert!(misuse(Corpus::open(&folder.path().join("none.bin"))).contains("none.bin"));
}

/// The message of a failure; panics on anything else.
fn failure<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Failed(message)) => message,
        Err(other) => panic!("not a failure: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_file_that_changes_while_it_is_open_is_noticed() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 100);
    let whole = fs::read(&path).unwrap();
    let corpus = Corpus::open(&path).unwrap();
    let told = |spoil: &[u8], what: &str| {
        fs::write(&path, spoil).unwrap();
        for i in 0..corpus.len() {
            let message = failure(corpus.pair(i));
            assert!(message.contains(&format!("train.bin {what} while it is in use")), "{message}");
        }
        fs::write(&path, &whole).unwrap();
        assert!((0..corpus.len()).all(|i| corpus.pair(i).is_ok()));
    };
    told(b"", "is cut short");
    told(&whole[..100], "is cut short");
    told(&vec![0; whole.len()], "is overwritten");

    let mut bytes = whole.clone();
    bytes[70] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!((0..BLOCK).all(|i| corpus.pair(i).is_err()));
    assert!((BLOCK..corpus.len()).all(|i| corpus.pair(i).is_ok()));
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(corpus.pair(BLOCK).is_ok() && corpus.pair(corpus.len() - 1).is_err());
    // A file that was removed stays readable while it is open.
    fs::write(&path, &whole).unwrap();
    fs::remove_file(&path).unwrap();
    assert!((0..corpus.len()).all(|i| corpus.pair(i).is_ok()));
}

#[test]
fn a_token_file_is_whole_or_not_there() {
    let folder = TempDir::new().unwrap();
    let (vocab, _, path) = small_corpus(folder.path(), 9);
    let before = fs::read(&path).unwrap();
    let mut writer = Writer::create(&path, &vocab).unwrap();
    (0..10_000).for_each(|_| writer.push(&[5; 100], &[6; 100]).unwrap());
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_hash_is_the_same_in_parts() {
    let bytes: Vec<u8> = (0..100).collect();
    for cut in 0..100 {
        let mut parts = hash::Running::new(100);
        for part in [&bytes[..cut / 2], &bytes[cut / 2..cut], &bytes[cut..]] {
            parts.add(part);
        }
        assert_eq!(parts.end(), hash::bytes(&bytes));
    }
}

// Batches -------------------------------------------------------------------------------------

/// Random lengths of `count` pairs, from 1 to 60.
fn lengths(count: u64) -> Vec<(u32, u32)> {
    let length = |n: u64| (a2d_core::rng::scramble(n) % 60) as u32 + 1;
    (0..count).map(|i| (length(2 * i), length(2 * i + 1))).collect()
}

#[test]
fn batches_keep_the_budget_and_miss_nothing() {
    for count in [0, 1, 7, 5000] {
        let lengths = lengths(count);
        for cut in [batches(&lengths, 256, 3, 1), fixed_batches(&lengths, 256)] {
            assert!(cut.too_long.is_empty());
            let mut seen = HashSet::new();
            for batch in &cut.batches {
                let sizes: Vec<_> = batch.iter().map(|i| lengths[*i as usize]).collect();
                let longest = sizes.iter().map(|(s, t)| *s.max(t)).max().unwrap();
                assert!(longest as usize * batch.len() <= 256);
                assert!(sizes.is_sorted_by_key(|(source, _)| std::cmp::Reverse(*source)));
                assert!(batch.iter().all(|i| seen.insert(*i)));
            }
            assert_eq!(seen.len() as u64, count);
        }
    }
}

#[test]
fn batches_depend_on_seed_and_epoch_alone() {
    let lengths = lengths(5000);
    let first = batches(&lengths, 512, 1, 0);
    assert_eq!(first, batches(&lengths, 512, 1, 0));
    assert_ne!(first, batches(&lengths, 512, 1, 1));
    assert_ne!(first, batches(&lengths, 512, 2, 0));
    assert_eq!(fixed_batches(&lengths, 512), fixed_batches(&lengths, 512));
    // A recorded hash: the order must not change between versions or machines.
    let order: Vec<u8> = first.batches.iter().flatten().flat_map(|i| i.to_le_bytes()).collect();
    assert_eq!(hash::hex(hash::bytes(&order)), "54c69d7d76853ce3");
}

#[test]
fn what_exceeds_the_budget_alone_is_told() {
    let cut = batches(&[(3, 4), (40, 2), (2, 33), (32, 32)], 32, 0, 0);
    assert_eq!(cut.too_long, [1, 2]);
    assert_eq!(cut.batches.iter().flatten().count(), 2);
}

#[test]
fn batches_of_real_text_waste_little() {
    let folder = TempDir::new().unwrap();
    let (_, _, path) = small_corpus(folder.path(), 500);
    let corpus = Corpus::open(&path).unwrap();
    let lengths = corpus.all_lengths();
    let cut = batches(lengths, 512, 1, 0);
    let padded = |batch: &Vec<u32>| {
        batch.len() as u32 * batch.iter().map(|i| lengths[*i as usize].1).max().unwrap()
    };
    let used: u32 = cut.batches.iter().map(padded).sum();
    let real: u32 = lengths.iter().map(|(_, target)| target).sum();
    assert!(f64::from(real) > 0.9 * f64::from(used), "{real} of {used}");
}

// Preparing -----------------------------------------------------------------------------------

/// A folder with a small corpus `train`, `valid` and `test`, and a request to prepare it.
fn workshop() -> (TempDir, PrepareRequest) {
    let folder = TempDir::new().unwrap();
    let prefix = |name: &str| folder.path().join(name).display().to_string();
    for (name, from, to) in [("train", 0, 300), ("valid", 300, 400), ("test", 400, 500)] {
        for lang in ["de", "en"] {
            let lines = &quickstart_lines(&format!("valid.{lang}"))[from..to];
            fs::write(format!("{}.{lang}", prefix(name)), lines.join("\n") + "\n").unwrap();
        }
    }
    let request = PrepareRequest {
        source_lang: "de".into(),
        target_lang: "en".into(),
        train: prefix("train"),
        valid: prefix("valid"),
        test: Some(prefix("test")),
        vocab_size: 800,
        byte_fallback: Some(true),
        out: folder.path().join("deep/data"),
        ..PrepareRequest::default()
    };
    (folder, request)
}

fn prepared(request: &PrepareRequest) -> (Report, String) {
    let mut told = Vec::new();
    let report = run(request, &mut told).unwrap();
    (report, String::from_utf8(told).unwrap())
}

#[test]
fn preparing_writes_all_that_training_needs() {
    let (folder, request) = workshop();
    let (report, told) = prepared(&request);
    assert!(told.contains("train: 300 of 300 pairs"), "{told}");
    assert_eq!(report, load_report(&request.out).unwrap());
    let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
    assert_eq!(report.vocabulary.fingerprint, vocab.fingerprint());
    for (split, count) in [("train", 300), ("valid", 100), ("test", 100)] {
        let corpus = Corpus::open(&request.out.join(format!("{split}.bin"))).unwrap();
        assert_eq!(corpus.len(), count);
        assert_eq!(corpus.fingerprint(), vocab.fingerprint());
        let text = read_lines(&folder.path().join(format!("{split}.en"))).unwrap();
        for (i, line) in text.iter().enumerate() {
            assert_eq!(vocab.target().decode(&corpus.pair(i).unwrap().1).unwrap(), *line);
        }
        if split != "train" {
            let copy = read_lines(&request.out.join(format!("{split}.target"))).unwrap();
            assert_eq!(copy, text);
        }
    }
    assert!(!request.out.join("train.source").exists());
}

#[test]
fn preparing_twice_gives_the_same_bytes() {
    let (_folder, request) = workshop();
    let files = |request: &PrepareRequest| {
        prepared(request);
        ["tokenizer.json", "train.bin", "valid.bin", "test.bin", "data.json"]
            .map(|name| fs::read(request.out.join(name)).unwrap())
    };
    assert_eq!(files(&request), files(&request));
}

#[test]
fn a_folder_is_up_to_date_until_something_changes() {
    let (folder, request) = workshop();
    assert!(!up_to_date(&request));
    prepared(&request);
    assert!(up_to_date(&request));

    assert!(!up_to_date(&PrepareRequest { vocab_size: 801, ..request.clone() }));
    assert!(!up_to_date(&PrepareRequest { max_length: 9, ..request.clone() }));
    assert!(!up_to_date(&PrepareRequest { test: None, ..request.clone() }));
    assert!(!up_to_date(&PrepareRequest { byte_fallback: None, ..request.clone() }));
    assert!(!up_to_date(&PrepareRequest { normalization: LineForm::Nfkc, ..request.clone() }));

    let text = folder.path().join("valid.en");
    let before = fs::read(&text).unwrap();
    fs::write(&text, before.to_ascii_uppercase()).unwrap();
    assert!(!up_to_date(&request));
    fs::write(&text, before).unwrap();
    assert!(up_to_date(&request));

    fs::remove_file(request.out.join("valid.source")).unwrap();
    assert!(!up_to_date(&request));
    prepared(&request);
    fs::write(request.out.join("data.json"), "{}").unwrap();
    assert!(!up_to_date(&request));
    assert!(misuse(load_report(&request.out)).contains("data.json"));
}

#[test]
fn a_run_without_test_leaves_no_old_test() {
    let (_folder, request) = workshop();
    prepared(&request);
    let request = PrepareRequest { test: None, ..request };
    prepared(&request);
    assert!(!request.out.join("test.bin").exists());
    assert!(!request.out.join("test.target").exists());
    assert!(up_to_date(&request));
}

#[test]
fn gzipped_text_is_text() {
    let (folder, request) = workshop();
    prepared(&request);
    let plain = fs::read(request.out.join("train.bin")).unwrap();
    for lang in ["de", "en"] {
        let path = folder.path().join(format!("train.{lang}"));
        let status = std::process::Command::new("gzip").arg(&path).status().unwrap();
        assert!(status.success());
    }
    prepared(&request);
    assert_eq!(fs::read(request.out.join("train.bin")).unwrap(), plain);
}

/// The lines of the samples of a check.
fn found(split: &Split, check: Check) -> Vec<usize> {
    let finding = split.finding(check).unwrap();
    assert_eq!(finding.count.min(5), finding.samples.len());
    finding.samples.iter().map(|sample| sample.line).collect()
}

#[test]
fn flaws_of_a_corpus_are_counted_and_told() {
    let (folder, request) = workshop();
    let put = |name: &str, lines: &[&str]| {
        fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
    };
    let long = "Haus ".repeat(300);
    put("train.de", &["Haus", "", "Ja", "Ja", &long, "Haus", "a b c d e f g h i j", "  "]);
    put("train.en", &["house", "lost", "yes", "", "long", "house", "a", "blank"]);
    put("valid.de", &["Haus", "Hof"]);
    put("valid.en", &["home", "yard"]);
    let (report, told) = prepared(&request);
    let train = &report.splits[0];
    assert_eq!((train.lines, train.kept), (8, 4));
    assert_eq!(found(train, Check::Empty), [2, 4, 8]);
    assert_eq!(found(train, Check::TooLong), [5]);
    assert_eq!(found(train, Check::Duplicate), [6]);
    assert_eq!(found(train, Check::Unbalanced), [7]);
    assert_eq!(found(&report.splits[1], Check::Overlap), [1]);
    for part in [
        "train: 4 of 8 pairs",
        "\n  a side is empty                                      3  37.500 %  left out\n",
        "\n            2:  | lost\n            4: Ja | \n",
        "\n  longer than 250 tokens                               1  12.500 %  left out\n",
        "\n  same as an earlier pair                              1  12.500 %\n",
        "\n  a side is in the training text                       1  50.000 %\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    // The text for scoring keeps all lines.
    put("valid.de", &["Haus", ""]);
    prepared(&request);
    assert_eq!(read_lines(&request.out.join("valid.source")).unwrap(), ["Haus", ""]);
    assert_eq!(Corpus::open(&request.out.join("valid.bin")).unwrap().len(), 1);
}

#[test]
fn wrong_input_is_named() {
    let (folder, request) = workshop();
    prepared(&request);
    let path = |name: &str| folder.path().join(name);
    let refused = |name: &str, bytes: &[u8], parts: &[&str]| {
        let before = fs::read(path(name)).unwrap();
        fs::write(path(name), bytes).unwrap();
        let message = misuse(run(&request, &mut Vec::new()));
        fs::write(path(name), before).unwrap();
        for part in parts {
            assert!(message.contains(part), "{message}, without {part}");
        }
    };
    refused("valid.en", b"one\ntwo\n", &["valid.de has 100 lines", "valid.en has 2"]);
    let bad = [&b"good\nb\xFFd\n"[..], &b"good\n".repeat(298)].concat();
    refused("train.de", &bad, &["train.de:2: not UTF-8", "--clean"]);
    let long = [&b"good\n".repeat(299)[..], &b"x".repeat((1 << 20) + 1)].concat();
    refused("train.de", &long, &["train.de:300: longer than 1 MiB"]);
    refused("train.de", b"", &["train.de has 0 lines", "train.en has 300"]);
    let small = PrepareRequest { vocab_size: 3, ..request.clone() };
    assert!(misuse(run(&small, &mut Vec::new())).contains("too small"));
    assert!(up_to_date(&request), "a refused run leaves what was there");

    fs::write(path("test.de"), "").unwrap();
    fs::write(path("test.en"), "").unwrap();
    let message = misuse(run(&request, &mut Vec::new()));
    assert!(message.contains("test.de") && message.contains("empty"), "{message}");
    fs::write(path("test.de"), "\n\n").unwrap();
    fs::write(path("test.en"), "a\nb\n").unwrap();
    let message = misuse(run(&request, &mut Vec::new()));
    assert!(message.contains("test: none of the 2 pairs"), "{message}");

    fs::remove_file(path("valid.de")).unwrap();
    let message = misuse(run(&request, &mut Vec::new()));
    assert!(message.contains("cannot read") && message.contains("valid.de"), "{message}");
    let same = PrepareRequest { target_lang: "de".into(), ..request.clone() };
    assert!(misuse(run(&same, &mut Vec::new())).contains("both \"de\""));
}

// The quickstart corpus -----------------------------------------------------------------------

#[test]
fn quickstart_splits_share_no_sentence() {
    for lang in ["de", "en"] {
        let mut splits: Vec<HashSet<String>> = Vec::new();
        for (name, count) in [("train", 20_000), ("valid", 500), ("test", 1000)] {
            let lines = quickstart_lines(&format!("{name}.{lang}"));
            assert_eq!(lines.len(), count);
            let plain = |line: &String| -> String {
                line.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
            };
            let sentences: HashSet<String> = lines.iter().map(plain).collect();
            assert!(splits.iter().all(|other| other.is_disjoint(&sentences)), "{name}.{lang}");
            splits.push(sentences);
        }
    }
}

#[test]
fn quickstart_has_no_flaws() {
    let folder = TempDir::new().unwrap();
    let prefix = |name: &str| quickstart().join(name).display().to_string();
    let request = PrepareRequest {
        source_lang: "de".into(),
        target_lang: "en".into(),
        train: prefix("train"),
        valid: prefix("valid"),
        test: Some(prefix("test")),
        vocab_size: 4000,
        out: folder.path().into(),
        ..PrepareRequest::default()
    };
    let (report, told) = prepared(&request);
    for split in &report.splits {
        assert_eq!(split.kept, split.lines, "{told}");
        for check in [Check::Duplicate, Check::Overlap, Check::Encoding, Check::Script] {
            assert_eq!(split.finding(check).unwrap().count, 0, "{told}");
        }
        assert_eq!(split.unknown, 0, "{told}");
    }
}
