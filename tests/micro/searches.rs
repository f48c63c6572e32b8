//! Searches on images give what the CPU backend gives, at once or in steps, alone or one after the other.

use a2d_core::batch::Layout;
use a2d_core::config::Config;
use a2d_core::image::Format;
use a2d_core::micro::{Error, Limits, Model, Options, Translator, arena_bytes};
use a2d_core::search::Search;
use a2d_host::backend::cpu::Cpu;
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{config, image, marian, model, weights};
use a2d_tests::helpers::model::{Hypothesis, search, sentences};
use std::task::Poll;

pub const LENGTHS: [usize; 8] = [6, 1, 9, 4, 3, 5, 2, 7];
pub const TARGET: usize = 11;

/// Options that limit a translation to the number of source tokens, EOS included, plus 2.
pub fn options() -> Options {
    Options { length_penalty: 0.8, max_length_a: 1.0, max_length_b: 2.0, cut: false }
}

pub fn limits(beam: usize) -> Limits {
    Limits { source: 9, target: TARGET, beam, int8_cache: false }
}

pub fn configs() -> [Config; 6] {
    let usual = |pre, shared| config(pre, shared);
    [
        usual(false, false),
        usual(false, true),
        usual(true, false),
        usual(true, true),
        marian(false),
        marian(true),
    ]
}

/// An arena of exactly the size that is needed.
pub fn arena(model: &Model<'_>, limits: &Limits) -> Words {
    Words::zeros(arena_bytes(model.config(), model.quantised(), limits))
}

/// All hypotheses of each source, EOS included.
fn found(image: &Words, sources: &[Vec<u32>], beam: usize) -> Vec<Vec<Hypothesis>> {
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut arena = arena(&model, &limits(beam));
    let mut translator =
        Translator::new(&model, arena.bytes_mut(), limits(beam), options()).expect("room");
    let one = |source: &Vec<u32>| {
        let mut job = translator.start_tokens(&source[..source.len() - 1]).expect("a sentence");
        job.finish().expect("numbers");
        let Some(found) = job.found() else { return Vec::new() };
        let hypothesis = |rank| {
            let mut tokens = vec![0; found.length(0, rank)];
            found.tokens(0, rank, &mut tokens);
            let each = (0..tokens.len()).map(|at| found.token(0, rank, at).expect("a token"));
            assert!(
                each.eq(tokens.iter().copied()) && found.token(0, rank, tokens.len()).is_none()
            );
            (tokens, found.score(0, rank))
        };
        (0..found.count(0)).map(hypothesis).collect()
    };
    sources.iter().map(one).collect()
}

#[test]
fn an_image_of_floats_searches_as_the_cpu_does() {
    let mut b = Cpu::new(1);
    let sources = sentences(9, &LENGTHS, 19);
    for (seed, config) in configs().iter().enumerate() {
        let weights = weights(config, 40 + seed as u64);
        let on_cpu = model(&mut b, config, &weights);
        let image = image(config, &weights, Format::F32);
        for beam in [1, 2, 5] {
            let how = Search { beam, length_penalty: 0.8, ..Search::GREEDY };
            let wanted = search(&mut b, &on_cpu, how, &sources, Layout::Packed, |n| n + 2);
            for ((source, found), wanted) in
                sources.iter().zip(found(&image, &sources, beam)).zip(&wanted)
            {
                // A source of nothing but EOS is an empty sentence.
                if source.len() == 1 {
                    assert!(found.is_empty());
                    continue;
                }
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(wanted) {
                    assert_eq!(found.0, wanted.0, "beam {beam} of {source:?}");
                    assert!((found.1 - wanted.1).abs() <= 1e-5 * wanted.1.abs().max(1.0));
                }
            }
        }
    }
}

#[test]
fn steps_are_the_whole() {
    let sources = sentences(9, &LENGTHS, 19);
    for format in [Format::F32, Format::Int8, Format::Int4] {
        for (config, beam) in configs().iter().flat_map(|c| [(c, 1), (c, 3)]) {
            let image = image(config, &weights(config, 50), format);
            let model: Model<'_> = Model::new(image.bytes()).expect("an image");
            let mut arena = arena(&model, &limits(beam));
            let mut translator =
                Translator::new(&model, arena.bytes_mut(), limits(beam), options()).expect("room");
            for source in &sources {
                let source = &source[..source.len() - 1];
                let (mut out, mut told, mut waits) = ([0; TARGET], Vec::new(), 0);
                let done = translator.translate_tokens(source, &mut out).expect("numbers");
                let mut job = translator.start_tokens(source).expect("a sentence");
                loop {
                    match job.poll().expect("numbers") {
                        Poll::Ready(Some(token)) => told.push(token),
                        Poll::Ready(None) => break,
                        Poll::Pending => waits += 1,
                    }
                }
                assert_eq!(job.poll(), Ok(Poll::Ready(None)));
                let mut job = translator.start_tokens(source).expect("a sentence");
                job.finish().expect("numbers");
                let again = std::iter::from_fn(|| match job.poll() {
                    Ok(Poll::Ready(token)) => token,
                    other => panic!("{other:?} after the end"),
                });
                assert_eq!(again.collect::<Vec<_>>(), told);
                assert_eq!(told, out[..done.length]);
                let most = config.encoder.layers + 3;
                assert!(beam > 1 || waits <= most, "tokens come as they are found");
                assert_eq!(source.is_empty(), told.is_empty());
            }
        }
    }
}

#[test]
fn sentences_before_change_nothing() {
    let sources = sentences(9, &LENGTHS, 19);
    for format in [Format::F32, Format::Int8, Format::Int4] {
        let config = config(true, true);
        let image = image(&config, &weights(&config, 60), format);
        let together = found(&image, &sources, 4);
        for (source, together) in sources.iter().zip(&together) {
            assert_eq!(&found(&image, std::slice::from_ref(source), 4)[0], together);
        }
    }
}

#[test]
fn what_cannot_be_translated_is_told() {
    let config = config(false, true);
    let image = image(&config, &weights(&config, 70), Format::Int8);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut memory = arena(&model, &limits(2));
    let mut translator =
        Translator::new(&model, memory.bytes_mut(), limits(2), options()).expect("room");
    let mut out = [0; TARGET];
    let long = [5; 9];
    let refused = translator.translate_tokens(&long, &mut out);
    assert_eq!(refused, Err(Error::TooLong { found: 10, most: 9 }));
    let foreign = translator.translate_tokens(&[4, 19], &mut out);
    assert_eq!(foreign, Err(Error::Token { id: 19 }));
    let short = translator.translate_tokens(&[4, 5], &mut []);
    assert!(matches!(short, Err(Error::Output { needed: 1.. })), "{short:?}");
    let empty = translator.translate_tokens(&[], &mut []).expect("nothing");
    assert_eq!((empty.length, empty.score), (0, 0.0));
    assert!(!translator.translate_tokens(&long[..8], &mut out).expect("room").cut);
    let whole = out;
    let mut memory = arena(&model, &limits(2));
    let cutting = Options { cut: true, ..options() };
    let mut cutting =
        Translator::new(&model, memory.bytes_mut(), limits(2), cutting).expect("room");
    let mut out = [0; TARGET];
    assert!(cutting.translate_tokens(&long, &mut out).expect("cut").cut);
    assert_eq!(out, whole);
}
