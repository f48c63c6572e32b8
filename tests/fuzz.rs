//! Replays the seeds and the findings of fuzzers: nothing may panic.

use a2d_core::config::{Activation, Config, Head, Output, Stack};
use a2d_core::image::Format;
use a2d_host::data::vocab::spm::{
    Convention, Kind, Model, Parts, Piece, Trainer, Type, joint, tables,
};
use a2d_host::data::vocab::wordpiece::{self, Rules};
use a2d_host::data::vocab::{LineForm, Symbols, Vocab, Words};
use a2d_host::export::{Beside, write, write_with};
use a2d_tests::helpers::image::{config, listed, text, tokenizer, weights};
use a2d_tests::helpers::tensor_files;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "fuzz/src/lib.rs"]
mod fuzz;

/// A fuzz target: its name, its function and its seeds.
type Target = (&'static str, fn(&[u8]) -> bool, fn() -> Vec<Vec<u8>>);

const TARGETS: [Target; 5] = [
    ("image", fuzz::image, image_seeds),
    ("pickle", fuzz::pickle, pickle_seeds),
    ("sentencepiece", fuzz::sentencepiece, sentencepiece_seeds),
    ("token", fuzz::token, token_seeds),
    ("wordpiece", fuzz::wordpiece, wordpiece_seeds),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The first 200 test lines of the quickstart.
fn lines(language: &str) -> Vec<String> {
    let file = folder().join("../../fixtures/quickstart").join(format!("test.{language}"));
    let text = fs::read_to_string(file).expect("the quickstart");
    text.lines().take(200).map(String::from).collect()
}

fn vocabulary(size: usize, bytes: bool, form: LineForm) -> Vec<u8> {
    learnt(size, bytes, Words::new(form))
}

/// Tables with symbols, of which one begins with another, and some have spaces.
fn with_symbols(size: usize, bytes: bool, form: LineForm) -> Vec<u8> {
    let texts = ["%s", "%1$s", "{ $name }", "{ $names }", "Hund", "Hunde", "é", "<b>", "e"];
    let symbols = Symbols::new(texts.map(String::from).into()).expect("symbols");
    learnt(size, bytes, Words::with_symbols(form, symbols))
}

fn learnt(size: usize, bytes: bool, mut words: Words) -> Vec<u8> {
    [lines("de"), lines("en")].concat().iter().for_each(|line| words.add(line));
    let vocab = Vocab::learn_words(words, size, bytes, &mut || Ok(()));
    vocab.expect("a vocabulary").source().tables().expect("tables")
}

/// Images of the smallest models that have every kind of parameter.
fn image_seeds() -> Vec<Vec<u8>> {
    let stack =
        |d_model, attention_heads| Stack { d_model, ffn_dim: 5, attention_heads, layers: 1 };
    let shared = Config {
        source_vocabulary: 7,
        target_vocabulary: 7,
        encoder: stack(4, 2),
        decoder: stack(4, 2),
        ..config(true, true)
    };
    let apart = Config {
        target_vocabulary: 9,
        share_embeddings: false,
        normalize_before: false,
        activation: Activation::Relu,
        encoder: stack(6, 3),
        ..shared
    };
    let deep = Config { decoder: Stack { layers: 2, ..shared.decoder }, ..shared };
    let deep = Config { encoder: Stack { layers: 2, ..shared.encoder }, ..deep };
    let tables = tokenizer();
    let mut seeds = Vec::new();
    for (format, number) in [Format::F32, Format::Int8, Format::Int4].into_iter().zip(0u8..) {
        for (config, tokenizer) in [(shared, &tables[..]), (apart, &[]), (deep, &[])] {
            let image = write(&config, &weights(&config, 7), tokenizer, format).expect("an image");
            // Two tokens with a beam of 2. The second seed has no directory; the target adds one, of another format.
            let head = |how| [how, 0b1001_1110, 5, 6];
            seeds.push([&head(0), &image[..]].concat());
            seeds.push(
                [&head(2 | (((number + 1) % 4) << 4)), &without_directory(image)[..]].concat(),
            );
        }
    }
    for (kind, labels) in [(8, 0), (28, 0), (25, 3), (36, 2), (49, 9)] {
        let of = text(kind);
        let output = if labels > 0 { Output::Labels(labels) } else { Output::Vector(5) };
        let head = of.head.map(|head| Head { output, ..head });
        let target_vocabulary = output.targets();
        let encoder = stack(4, 2);
        let config = Config { source_vocabulary: 7, target_vocabulary, encoder, head, ..of };
        let labels = (0..labels).map(|number| "é".repeat(number)).collect();
        let beside = Beside { labels, ..Beside::default() };
        for format in [Format::F32, Format::Int4] {
            let image = write_with(&config, &weights(&config, 7), &tables, &beside, format);
            seeds.push([&[0, 0b1101_1110, 5, 6], &image.expect("an image")[..]].concat());
        }
    }
    let lists: Vec<Vec<u16>> = (0..7).map(|id| vec![id, 6 - id]).collect();
    let image = listed(&shared, &weights(&shared, 7), Format::Int8, &[0, 1, 2, 3], &lists);
    seeds.push([&[64, 0b1001_1110, 5, 6], image.bytes()].concat());
    seeds
}

/// Small files of tensors of each kind.
fn pickle_seeds() -> Vec<Vec<u8>> {
    tensor_files::kinds().into_iter().map(|(_, bytes)| bytes).collect()
}

/// An image without a directory, with as many bytes of weights as the largest weight of these models.
fn without_directory(mut image: Vec<u8>) -> Vec<u8> {
    const LEN: u32 = 256;
    let word =
        |of: &[u8], at: usize| u32::from_le_bytes([of[at], of[at + 1], of[at + 2], of[at + 3]]);
    // The offsets and lengths of sections 3 and 4 in the section table.
    let (directory, weights) = (32 + 2 * 16 + 4, 32 + 3 * 16 + 4);
    let start = word(&image, directory);
    image.drain(start as usize..word(&image, weights) as usize);
    image.truncate((start + LEN) as usize);
    for (at, word) in [(directory + 4, 0), (weights, start), (weights + 4, LEN)] {
        image[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    image
}

/// Tables of small SentencePiece models of each kind, with text.
fn sentencepiece_seeds() -> Vec<Vec<u8>> {
    let kinds =
        [(Type::Unigram, false), (Type::Unigram, true), (Type::Bpe, false), (Type::Bpe, true)];
    let seed = |(cut, bytes): (Type, bool)| {
        let model = small_model(cut, bytes);
        let mut pieces = joint(std::slice::from_ref(&model));
        pieces.extend([">>en<<", "xyz"].map(String::from));
        let text = ">>en<< Der Hund</s> und xyz \u{1}é  ▁der%s.";
        let tables = |convention| {
            let tables = tables(&model, &pieces, convention, Parts::Both).expect("tables");
            [&[text.len() as u8], text.as_bytes(), &tables].concat()
        };
        [Convention::Plain, Convention::Marian].map(tables)
    };
    kinds.into_iter().flat_map(seed).collect()
}

fn small_model(cut: Type, bytes: bool) -> Model {
    let piece = |text: &str, kind: Kind, score: f32| Piece {
        text: text.into(),
        score,
        kind: Some(kind as i32),
    };
    let normal = ["▁", "d", "e", "r", "u", "n", "er", "▁d", "▁der", "un", "und", "▁und", "H", "."];
    let mut pieces = vec![piece("<unk>", Kind::Unknown, 0.0), piece("</s>", Kind::Control, 0.0)];
    pieces.extend([piece("%s", Kind::UserDefined, 0.0)]);
    pieces.extend((2_u8..).zip(normal).map(|(n, text)| piece(text, Kind::Normal, -f32::from(n))));
    let byte = |byte: u8| piece(&format!("<0x{byte:02X}>"), Kind::Byte, 0.0);
    pieces.extend((0..=255).filter(|_| bytes).map(byte));
    let trainer = Trainer { kind: Some(cut as i32), byte_fallback: bytes, ..Trainer::default() };
    Model { pieces, trainer: Some(trainer), ..Model::default() }
}

/// Tables with text, and text for the built-in vocabularies.
fn token_seeds() -> Vec<Vec<u8>> {
    let texts = [lines("de"), lines("en")].map(|lines| lines[..3].to_vec()).concat();
    let sizes = [(50, false), (60, false), (300, true)];
    let tables = sizes.map(|(size, bytes)| vocabulary(size, bytes, LineForm::None));
    let with_tables = tables.iter().zip(&texts).map(|(tables, text)| {
        let text = &text.as_bytes()[..text.len().min(40)];
        [&[text.len() as u8], text, tables].concat()
    });
    let hard = ["\u{feff} e\u{301}\u{323}\u{a0} ", "각\u{11a8}\u{1d160}x\u{345}\u{315}"];
    let normalised = [LineForm::Nfc, LineForm::Nfkc].into_iter().zip(hard);
    let normalised = normalised.map(|(form, text)| {
        let tables = vocabulary(300, true, form);
        [&[text.len() as u8], text.as_bytes(), &tables].concat()
    });
    let odd = ["▁ a▁▁b  c", "é🙂\0x\u{301}", "…!?(–)"].map(String::from);
    let texts = texts
        .iter()
        .chain(&odd)
        .flat_map(|text| [0, 1].map(|number| [&[number], text.as_bytes()].concat()));
    let placeholders =
        ["{ $name } %s%1$s Hunde", "{\u{a0}$names}\u{301}{ $names }e\u{301}Hund\u{301}"];
    let kinds = [(60, false, LineForm::None), (320, true, LineForm::Nfc)];
    let symbols = kinds.into_iter().zip(placeholders).map(|((size, bytes, form), text)| {
        [&[text.len() as u8], text.as_bytes(), &with_symbols(size, bytes, form)].concat()
    });
    with_tables.chain(texts.clone()).chain(normalised).chain(symbols).collect()
}

/// Tables of a small WordPiece vocabulary by each rule, with text.
fn wordpiece_seeds() -> Vec<Vec<u8>> {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] [ é É ß ##ß e ##e the ##re ᄀ ##ᅡ ##ᆨ 각 豈 ##. . ǆ";
    let text = "Thére É[MASK][ß]각 豈Ǆ.\u{1}e\u{301}É";
    let seed = |bits: u8| {
        let rules = Rules {
            lowercase: bits & 1 > 0,
            strip_accents: bits & 2 > 0,
            ideographs: bits & 4 > 0,
        };
        let model = wordpiece::Model::from_lines(&words.replace(' ', "\n"), rules);
        let vocab = Vocab::wordpiece(&model.expect("a model")).expect("a vocabulary");
        let tables = vocab.source().tables().expect("tables");
        [&[text.len() as u8], text.as_bytes(), &tables].concat()
    };
    (0..8).map(seed).collect()
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder().join("corpus").join(name)).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("an input"));
    paths.into_iter().map(read).collect()
}

#[test]
fn what_fuzzers_begin_with_is_sound() {
    for (name, target, seeds) in TARGETS {
        for (number, seed) in seeds().iter().enumerate() {
            assert!(target(seed), "{name} {number}");
        }
    }
}

#[test]
fn what_fuzzers_found_is_harmless() {
    for (name, target, _) in TARGETS {
        let inputs = corpus(name);
        let mut sound = 0;
        for (path, input) in &inputs {
            eprintln!("{}", path.display()); // shown if the target panics
            sound += usize::from(target(input));
        }
        // The corpus must keep some valid inputs.
        assert!(sound > 0, "{name}: none of {} inputs is sound", inputs.len());
        eprintln!("{name}: {sound} of {} inputs are sound", inputs.len());
    }
}

#[test]
#[ignore = "writes what fuzzers begin with: cargo test --release -p a2d-tests --test fuzz -- --ignored"]
fn write_seeds() {
    for (name, size, bytes) in [("letters", 100, false), ("bytes", 400, true)] {
        fs::write(
            folder().join("vocabularies").join(name),
            vocabulary(size, bytes, LineForm::None),
        )
        .expect("written");
    }
    for (name, _, seeds) in TARGETS {
        for (number, seed) in seeds().iter().enumerate() {
            let file = folder().join("corpus").join(name).join(format!("seed-{number:02}"));
            fs::write(file, seed).expect("written");
        }
    }
}
