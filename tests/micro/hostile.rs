//! Hostile use of the core as a library: any sizes, numbers, tokens, texts, bytes and addresses give an error or a
//! valid translation, without integer overflow where that is checked.

use super::searches::configs;
use a2d_core::config::{Config, Stack};
use a2d_core::image::{Format, Image, Sizes, checksum, stream_bytes};
use a2d_core::micro::{
    Arena, Error, Limits, Model, Options, Translator, arena_bytes, arena_bytes_with,
};
use a2d_core::rng;
use a2d_core::search::{Search, Sentence};
use a2d_core::shape::Shape;
use a2d_core::token::{self, Tokenizer};
use a2d_host::backend::cpu::Cpu;
use a2d_host::data::vocab::Vocab;
use a2d_host::export::{Beside, write_with};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{config, image, listed, model, shortlist, tokenizer, weights};
use a2d_tests::helpers::model::{self as helpers, Model as OnCpu};
use std::task::Poll;

const EXTREMES: [usize; 5] = [0, 1, 2, usize::MAX / 2, usize::MAX];
const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];
/// The largest arena that is allocated.
const MOST_ARENA: usize = 1 << 20;

/// Rounds of each test, and of the campaign, which runs for minutes.
const ROUNDS: u64 = 150;
const MANY: u64 = 8_000;

/// A random number generator: its key and its position.
struct Dice(u64, u32);

impl Dice {
    fn bits(&mut self) -> u32 {
        self.1 += 1;
        rng::bits(self.0, self.1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Bytes at `offset` from a multiple of 16.
struct Placed {
    words: Words,
    offset: usize,
    len: usize,
}

impl Placed {
    fn new(bytes: &[u8], offset: usize) -> Self {
        let mut words = Words::zeros(bytes.len() + offset);
        words.bytes_mut()[offset..][..bytes.len()].copy_from_slice(bytes);
        Self { words, offset, len: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        &self.words.bytes()[self.offset..][..self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.words.bytes_mut()[self.offset..][..self.len]
    }
}

/// Small images of every kind: each format, pre-norm and post-norm, vocabularies with letters or byte fallback,
/// shortlists.
fn images() -> Vec<Vec<u8>> {
    let lines = ["der die das den dem", "the them then there"];
    let bytes = Vocab::learn_with(lines.into_iter(), 290, true).expect("a vocabulary");
    let bytes = (bytes.source().len(), bytes.source().tables().expect("tables"));
    let letters = (7, tokenizer());
    let mut all = Vec::new();
    for (seed, format) in (0..).zip(FORMATS) {
        for (size, tables) in [&bytes, &letters] {
            let sizes =
                Config { source_vocabulary: *size, target_vocabulary: *size, ..config(true, true) };
            let lists: Vec<Vec<u16>> =
                (0..*size as u16).map(|id| vec![id, *size as u16 - 1 - id, id, id]).collect();
            for list in [vec![], shortlist(&[0, 1, 2, 3], &lists)] {
                let config = Config { normalize_before: list.is_empty(), ..sizes };
                let weights = weights(&config, seed);
                let beside = Beside { shortlist: list, ..Beside::default() };
                all.push(write_with(&config, &weights, tables, &beside, format).expect("an image"));
            }
        }
        let weights = weights(&configs()[0], seed);
        all.push(image(&configs()[0], &weights, format).bytes().to_vec());
        let lists = vec![vec![16; 50]; 19];
        all.push(listed(&configs()[0], &weights, format, &[0, 1, 2, 3], &lists).bytes().to_vec());
    }
    all
}

/// Asserts that an error is one that hostile weights may cause.
fn harmless<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(Error::Nothing | Error::Token { .. } | Error::TooLong { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Translates tokens, at once and in steps, and text; returns whether there was a translation.
fn translate<const N: usize>(
    model: &Model<'_, N>,
    arena: &mut [u8],
    limits: Limits,
    options: Options,
    source: &[u32],
    text: &str,
) -> bool {
    let mut translator = Translator::new(model, arena, limits, options).expect("an arena");
    let room = limits.target.min(1 << 10);
    let (mut out, mut written) = (vec![u32::MAX; room], vec![0; stream_bytes(&[]) * room + 400]);
    let whole = harmless(translator.translate_tokens(source, &mut out));
    let whole = whole.map(|done| out[..done.length].to_vec());
    if let Some(tokens) = &whole {
        let foreign = |id: &u32| *id as usize >= model.config().target_vocabulary || *id == 1;
        assert!(!tokens.iter().any(foreign), "{tokens:?}");
        let mut job = translator.start_tokens(source).expect("the same tokens");
        let mut steps = Vec::new();
        // One poll for each layer and step, and one more for each token: the search must end.
        let most = 2 * (limits.target.min(1 << 10) + 2) + model.config().encoder.layers + 4;
        let ended = (0..most).any(|_| match job.poll().expect("the same numbers") {
            Poll::Pending => false,
            Poll::Ready(Some(token)) => {
                steps.push(token);
                false
            }
            Poll::Ready(None) => true,
        });
        assert!(ended && steps == *tokens, "{steps:?} {tokens:?}");
        for other in EXTREMES.map(|n| Limits { source: n, target: n, beam: n, ..limits }) {
            assert!(
                job.peak(&other) >= job.peak(&Limits { source: 0, target: 0, beam: 0, ..other })
            );
        }
        if let Some(found) = job.found() {
            let at = EXTREMES.map(|i| EXTREMES.map(|j| found.token(i, j, i).is_some()));
            assert!(!at[3].contains(&true) && !at[4].contains(&true));
        }
    }
    if model.source().is_some() {
        let line = match translator.translate(text, &mut written) {
            Err(Error::Output { .. }) => None,
            other => harmless(other),
        };
        let ends = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
        assert!(!line.is_some_and(|done| done.text.contains(ends)));
    }
    whole.is_some()
}

/// The error that limits and an arena must give before any translation.
fn refused(limits: &Limits, needed: usize, arena: &[u8]) -> Option<Error> {
    let missing = needed.saturating_sub(arena.len());
    match () {
        () if [limits.source, limits.target, limits.beam].contains(&0) => Some(Error::Limits),
        () if missing > 0 => Some(Error::Arena { missing }),
        () if !arena.as_ptr().addr().is_multiple_of(4) => Some(Error::Misaligned),
        () => None,
    }
}

#[test]
fn every_combination_of_extreme_limits_is_answered() {
    let mut count = [0; 2];
    for image in images() {
        let image = Words::new(&image);
        let model = Model::<2>::new(image.bytes()).expect("an image");
        let limits = EXTREMES.into_iter().flat_map(|source| {
            EXTREMES.into_iter().flat_map(move |target| {
                EXTREMES.into_iter().flat_map(move |beam| {
                    [false, true].map(|int8_cache| Limits { source, target, beam, int8_cache })
                })
            })
        });
        for limits in limits {
            let needed = model.arena_bytes(&limits);
            let sizes =
                [0, 1, 3, 4, 17, needed.saturating_sub(1), needed, needed.saturating_add(5)];
            for (size, offset) in sizes.into_iter().flat_map(|size| [0, 1, 2, 4].map(|o| (size, o)))
            {
                let mut arena = Placed::new(&vec![0xff; size.min(MOST_ARENA)], offset);
                let wanted = refused(&limits, needed, arena.bytes());
                let options = Options { cut: true, ..Options::default() };
                let made = Translator::new(&model, arena.bytes_mut(), limits, options).map(|_| ());
                assert_eq!(made.err(), wanted, "{limits:?}, {size} bytes at {offset}");
                count[0] += 1;
                if wanted.is_none() && offset < 4 && size == needed {
                    translate(&model, arena.bytes_mut(), limits, options, &[4, 5, 6], "der 🙂");
                    count[1] += 1;
                }
            }
        }
    }
    println!("{} translators, {} translate", count[0], count[1]);
}

#[test]
fn options_that_are_no_numbers_are_answered() {
    let floats =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -1.0, -0.0, 1e-300, 1e19];
    let limits = Limits { source: 9, target: 6, beam: 2, int8_cache: false };
    for image in images() {
        let image = Words::new(&image);
        let model = Model::<2>::new(image.bytes()).expect("an image");
        let mut arena = Words::zeros(model.arena_bytes(&limits));
        for (a, b) in floats.into_iter().flat_map(|a| floats.map(|b| (a, b))) {
            let length_penalty = (a * b) as f32;
            let options = Options { length_penalty, max_length_a: a, max_length_b: b, cut: true };
            assert!(translate(&model, arena.bytes_mut(), limits, options, &[4, 5, 6], "das"));
        }
    }
}

#[test]
fn tokens_out_of_range_are_refused_by_name() {
    let limits = Limits { source: 9, target: 6, beam: 2, int8_cache: true };
    for image in images() {
        let image = Words::new(&image);
        let model = Model::<2>::new(image.bytes()).expect("an image");
        let size = model.config().source_vocabulary as u32;
        let mut arena = Words::zeros(model.arena_bytes(&limits));
        let mut translator =
            Translator::new(&model, arena.bytes_mut(), limits, Options::default()).expect("room");
        let mut out = [0; 6];
        for id in [0, 1, 2, 3, size - 1, size, size + 1, 1 << 16, u32::MAX / 2, u32::MAX] {
            for source in [vec![id], vec![4, id], vec![id; 8], vec![4, id, 2]] {
                let found = translator.translate_tokens(&source, &mut out);
                match id < size {
                    true => assert!(found.is_ok(), "{id}: {found:?}"),
                    false => assert_eq!(found, Err(Error::Token { id })),
                }
            }
        }
    }
}

/// Random bytes: valid text, and invalid UTF-8.
fn bytes(dice: &mut Dice) -> Vec<u8> {
    const PARTS: [&[u8]; 22] = [
        b"der",
        b" ",
        b"\xe2\x96\x81",
        b"\0",
        b"\n",
        b"\r\n",
        b"\x7f",
        b"\xef\xbf\xbd",
        b"\xed\xa0\x80", // a lone surrogate
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x99\x82",
        b"\xf0\x9f\x99",
        b"</s>",
        b"<0x0A>",
        b"\xcc\x81",
        b"!",
    ];
    let length = dice.below(40);
    let mut bytes: Vec<u8> = (0..length).flat_map(|_| dice.of(&PARTS)).copied().collect();
    // A third is valid text.
    if dice.below(3) == 0 {
        bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
    }
    bytes
}

fn odd_texts(rounds: u64) {
    let limits = Limits { source: 30, target: 9, beam: 2, int8_cache: false };
    let images = images();
    for image in &images {
        let image = Words::new(image);
        let model = Model::<2>::new(image.bytes()).expect("an image");
        let Some(tokenizer) = model.source() else { continue };
        let mut arena = Words::zeros(model.arena_bytes(&limits));
        let options = Options { cut: true, ..Options::default() };
        for round in 0..rounds {
            let dice = &mut Dice(round, 0);
            let bytes = bytes(dice);
            let mut tokens = vec![0; dice.below(3 * bytes.len() + 9)];
            let found = tokenizer.encode_bytes(&bytes, &mut tokens);
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text,
                Err(error) => {
                    assert_eq!(found, Err(token::Error::Utf8 { at: error.valid_up_to() }));
                    continue;
                }
            };
            match found {
                Ok(count) => {
                    let (mut out, mut stream) =
                        (vec![0; tokenizer.stream_bytes()], tokenizer.stream());
                    for id in &tokens[..count] {
                        stream.push(*id, &mut out).expect("room");
                    }
                }
                Err(error) => assert!(matches!(error, token::Error::Room { .. }), "{error}"),
            }
            translate(&model, arena.bytes_mut(), limits, options, &[], text);
        }
    }
}

#[test]
fn odd_texts_are_answered() {
    odd_texts(ROUNDS);
}

#[test]
fn endless_texts_take_a_moment() {
    let limits = Limits { source: 30, target: 9, beam: 1, int8_cache: false };
    for image in images() {
        let image = Words::new(&image);
        let model = Model::<2>::new(image.bytes()).expect("an image");
        if model.source().is_none() {
            continue;
        }
        let mut arena = Words::zeros(model.arena_bytes(&limits));
        for part in ["x", "e", "de ", "▁", "\0", "\u{fffd}", "🙂", " "] {
            let text = part.repeat(1 << 20);
            for cut in [false, true] {
                let options = Options { cut, ..Options::default() };
                translate(&model, arena.bytes_mut(), limits, options, &[], &text);
            }
        }
    }
}

/// Repairs the length and the checksum of an image.
fn repair(image: &mut [u8]) {
    if image.len() >= 20 {
        let len = image.len() as u32;
        image[12..16].copy_from_slice(&len.to_le_bytes());
        let sum = checksum(image);
        image[16..20].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Opens an image and uses all of it; returns which stages were reached: opened, given an arena, translated.
fn used(image: &[u8], dice: &mut Dice) -> [u64; 3] {
    let placed = Placed::new(image, dice.of(&[0, 0, 0, 0, 4, 8, 1, 2]));
    assert!(stream_bytes(placed.bytes()) >= 9);
    if let Ok(image) = Image::new(placed.bytes()) {
        for limits in EXTREMES.map(|n| Limits { source: n, target: n, beam: n, int8_cache: true }) {
            let sizes = image.shortlist().map(|list| list.sizes());
            let _ = arena_bytes_with(image.config(), dice.below(2) == 0, sizes, &limits);
        }
        let _ = Tokenizer::new(image.tokenizer()).map(|tokenizer| tokenizer.stream_bytes());
    }
    let _ = Model::<0>::new(placed.bytes()).map(|model| model.config().encoder.layers);
    let model = match Model::<2>::new(placed.bytes()) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return [0; 3];
        }
    };
    let small = [1, 2, 3, 7];
    let [source, target, beam] = [dice.of(&small), dice.of(&small), dice.of(&small)];
    let limits = Limits { source, target, beam, int8_cache: dice.below(2) == 0 };
    let needed = model.arena_bytes(&limits);
    if needed > MOST_ARENA {
        let mut arena = Arena::<16>::new();
        let refused = Translator::new(&model, &mut arena, limits, Options::default()).err();
        assert_eq!(refused, Some(Error::Arena { missing: needed - 16 }));
        return [1, 0, 0];
    }
    let source: Vec<u32> = (0..dice.below(4)).map(|_| dice.bits() % 9).collect();
    let mut arena = Placed::new(&vec![0xff; needed], 4);
    let options = Options { cut: true, ..Options::default() };
    let done = translate(&model, arena.bytes_mut(), limits, options, &source, "der the");
    [1, 1, u64::from(done)]
}

/// Replaces words of header, sections, configuration and directory by extreme values.
fn edited(image: &[u8], dice: &mut Dice) -> Vec<u8> {
    const WORDS: [u32; 16] = [
        0,
        1,
        2,
        3,
        4,
        7,
        16,
        17,
        32,
        255,
        1 << 16,
        1 << 24,
        (1 << 24) + 1,
        1 << 31,
        u32::MAX - 15,
        u32::MAX,
    ];
    let mut image = image.to_vec();
    // Header, section table and configuration come before the weights, so most edits are early.
    let early = image.len().min(if dice.below(4) == 0 { usize::MAX } else { 1024 });
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(early) / 4 * 4;
        let Some(word) = image.get_mut(at..at + 4) else { continue };
        let old = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let new = match dice.below(4) {
            0 => old.wrapping_add(dice.bits() % 33).wrapping_sub(16),
            1 => old ^ 1 << (dice.bits() % 32),
            _ => dice.of(&WORDS),
        };
        word.copy_from_slice(&new.to_le_bytes());
    }
    match dice.below(12) {
        0 => image.truncate(dice.below(image.len() + 1)),
        1 => image.extend([0; 48]),
        _ => {}
    }
    repair(&mut image);
    image
}

fn hostile_images(rounds: u64) -> [u64; 3] {
    let mut count = [0; 3];
    for (number, image) in images().iter().enumerate() {
        for round in 0..rounds {
            let dice = &mut Dice(rng::derive(number as u64, round), 0);
            let image = edited(image, dice);
            let used = used(&image, dice);
            count.iter_mut().zip(used).for_each(|(count, used)| *count += used);
        }
    }
    count
}

#[test]
fn images_that_lie_are_refused_or_run() {
    let [opened, _, done] = hostile_images(4 * ROUNDS);
    assert!(opened > 100 && done > 100, "{opened} open, {done} translate: too few to say anything");
}

/// Images with weights of NaN, infinity and the largest and smallest numbers.
fn hostile_weights(rounds: u64) -> [u64; 3] {
    const WORDS: [u32; 8] =
        [0x7fc0_0000, 0x7f80_0000, 0xff80_0000, 0x7f7f_ffff, 0xff7f_ffff, 1, 0x8000_0000, u32::MAX];
    let mut count = [0; 3];
    for (number, image) in images().iter().enumerate() {
        let whole = Words::new(image);
        let from = image.len() - Image::new(whole.bytes()).expect("an image").weights().len();
        for round in 0..rounds {
            let dice = &mut Dice(rng::derive(77 + number as u64, round), 0);
            let (word, log) = (dice.of(&WORDS), dice.below(12));
            let every = 1 + dice.below(1 << log);
            let mut image = image.clone();
            // Only a shortlist follows the weights; it may be damaged too.
            let words = image[from / 4 * 4..].chunks_exact_mut(4).skip(dice.below(every));
            words.step_by(every).for_each(|bytes| bytes.copy_from_slice(&word.to_le_bytes()));
            repair(&mut image);
            let used = used(&image, dice);
            count.iter_mut().zip(used).for_each(|(count, used)| *count += used);
        }
    }
    count
}

#[test]
fn numbers_that_are_none_end_in_an_error_or_a_translation() {
    let [opened, _, done] = hostile_weights(ROUNDS);
    assert!(done > 100 && done < opened, "{opened} open, {done} translate");
}

#[test]
fn sizes_beyond_any_memory_are_counted_in_no_time() {
    const SIZES: [usize; 6] = [0, 1, 31, 1 << 24, usize::MAX / 2, usize::MAX];
    let sizes = |key| Sizes { always: SIZES[key % 6], each: SIZES[key / 6 % 6] };
    for key in 0..6_u32.pow(6) {
        let size = |place: u32| SIZES[(key / 6_u32.pow(place) % 6) as usize];
        let stack =
            Stack { d_model: size(0), ffn_dim: size(1), attention_heads: 1, layers: size(2) };
        let config = Config {
            source_vocabulary: size(3),
            target_vocabulary: size(3),
            encoder: stack,
            decoder: stack,
            normalize_before: key % 2 == 0,
            ..config(true, true)
        };
        let limits = Limits {
            source: size(4).min(1 << 20),
            target: size(5).min(1 << 20),
            beam: size(4).min(1 << 12),
            int8_cache: key % 3 == 0,
        };
        let without = arena_bytes(&config, key % 5 == 0, &limits);
        let with = arena_bytes_with(&config, key % 5 == 0, Some(sizes(key as usize)), &limits);
        assert!(without.is_multiple_of(4) || without == usize::MAX);
        assert!(with.is_multiple_of(4) || with == usize::MAX);
    }
    for (rows, cols) in SIZES.into_iter().flat_map(|rows| SIZES.map(|cols| (rows, cols))) {
        let shape = Shape::matrix(rows, cols);
        assert_eq!(shape.len(), rows.saturating_mul(cols));
        assert_eq!(shape.is_empty(), rows == 0 || cols == 0);
    }
}

#[test]
fn searches_of_extreme_sizes_are_answered() {
    let mut b = Cpu::new(1);
    let config = configs()[1];
    let model: OnCpu<_> = model(&mut b, &config, &weights(&config, 5));
    let sources = helpers::sentences(3, &[4, 2], 19);
    let batch =
        helpers::batch(&mut b, &sources, &[vec![2], vec![2]], a2d_core::batch::Layout::Packed);
    let memory = model.encode(&mut b, &batch.source, &batch.encoder_grid, &mut ());
    let runs = helpers::runs(sources.iter().map(Vec::len), a2d_core::batch::Layout::Packed);
    let mut found = 0;
    for (beam, max_length) in EXTREMES.into_iter().flat_map(|k| EXTREMES.map(|n| (k, n))) {
        for (min_length, count) in EXTREMES.into_iter().flat_map(|m| [0, 1, 2].map(|n| (m, n))) {
            let how = Search { beam, min_length, ..Search::GREEDY };
            let sentences: Vec<Sentence> = runs[..count]
                .iter()
                .map(|memory| Sentence { memory: *memory, max_length })
                .collect();
            let needed = how.workspace(count, max_length);
            for less in [0, 1] {
                let room = |n: usize| n.min(1 << 16).saturating_sub(less);
                let (mut words, mut floats) = (vec![7; room(needed.0)], vec![0.5; room(needed.1)]);
                match how.run(&mut b, &model, &memory, &sentences, &mut words, &mut floats) {
                    Ok(all) => {
                        found += 1;
                        for rank in EXTREMES {
                            let length = all.length(0, rank);
                            assert!(length <= max_length.max(1).saturating_add(1), "{length}");
                            assert!(
                                EXTREMES
                                    .iter()
                                    .all(|at| all.token(*at, rank, *at).is_none_or(|id| id < 19))
                            );
                        }
                    }
                    Err(error) => assert!(!error.to_string().contains('\n')),
                }
            }
        }
    }
    assert!(found > 50, "{found} searches");
}

#[test]
#[ignore = "minutes: cargo test --release -p a2d-tests --test micro campaign -- --ignored"]
fn campaign() {
    odd_texts(MANY);
    println!("{} odd texts", MANY * 12);
    let [opened, fit, done] = hostile_images(MANY);
    println!("{} images, {opened} open, {fit} fit, {done} translate", MANY * images().len() as u64);
    let [opened, fit, done] = hostile_weights(MANY / 8);
    println!(
        "{} weights, {opened} open, {fit} fit, {done} translate",
        MANY / 8 * images().len() as u64
    );
}
