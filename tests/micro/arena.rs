//! The size of the arena is exact, to the byte.

use super::searches::{arena, configs, limits, options};
use a2d_core::image::Format;
use a2d_core::micro::{Error, Limits, Model, Options, Translator, arena_bytes};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{config, image, weights};
use a2d_tests::helpers::model::plain;

#[test]
fn all_of_it_is_used() {
    let cases = [(1, 1, 1), (9, 11, 1), (9, 11, 5), (30, 2, 2), (2, 40, 3), (7, 7, 8)];
    for (format, config) in [Format::F32, Format::Int8, Format::Int4]
        .into_iter()
        .flat_map(|format| configs().map(|config| (format, config)))
    {
        let image = image(&config, &weights(&config, 80), format);
        let model: Model<'_> = Model::new(image.bytes()).expect("an image");
        let cases = cases.into_iter().flat_map(|case| [(case, false), (case, true)]);
        for ((source, target, beam), int8_cache) in cases {
            let limits = Limits { source: source + 1, target, beam, int8_cache };
            let mut memory = arena(&model, &limits);
            let len = memory.bytes().len();
            let all = Options { max_length_a: 0.0, max_length_b: target as f64, ..options() };
            let mut translator =
                Translator::new(&model, memory.bytes_mut(), limits, all).expect("room");
            let mut job = translator.start_tokens(&vec![5; source]).expect("a sentence");
            job.finish().expect("numbers");
            assert_eq!(job.peak(&limits), len, "{format:?} {config:?} {limits:?}");
        }
    }
}

#[test]
fn a_word_less_is_refused_with_the_number_missing() {
    let config = config(false, false);
    let image = image(&config, &weights(&config, 81), Format::Int8);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let len = arena_bytes(&config, true, &limits(3));
    let mut memory = Words::zeros(len + 16);
    for less in [1, 4, 100, len] {
        let short = &mut memory.bytes_mut()[..len - less];
        let refused = Translator::new(&model, short, limits(3), options());
        assert_eq!(refused.err(), Some(Error::Arena { missing: less }));
    }
    for off in 1..4 {
        let crooked = &mut memory.bytes_mut()[off..];
        let refused = Translator::new(&model, crooked, limits(3), options());
        assert_eq!(refused.err(), Some(Error::Misaligned));
    }
    for none in [
        Limits { source: 0, ..limits(1) },
        Limits { target: 0, ..limits(1) },
        Limits { beam: 0, ..limits(1) },
    ] {
        let refused = Translator::new(&model, memory.bytes_mut(), none, options());
        assert_eq!(refused.err(), Some(Error::Limits));
    }
    let absurd = Limits { source: usize::MAX, target: usize::MAX, beam: usize::MAX, ..limits(1) };
    let refused = Translator::new(&model, memory.bytes_mut(), absurd, options());
    assert!(matches!(refused.err(), Some(Error::Arena { .. })));
}

/// The size is computed at compile time.
const BYTES: usize = {
    use a2d_core::config::{Config, Stack};
    let stack = Stack { d_model: 64, ffn_dim: 256, attention_heads: 4, layers: 2 };
    let config = Config { share_embeddings: true, ..plain(4000, stack, stack) };
    arena_bytes(&config, true, &Limits { source: 64, target: 64, beam: 1, int8_cache: false })
};

#[test]
fn the_size_is_a_constant() {
    const { assert!(BYTES > 100_000 && BYTES < 300_000) };
}

/// Runs `f` on a thread with a stack of `stack` bytes; a stack overflow ends the program.
#[cfg(not(debug_assertions))]
fn within<T: Send>(stack: usize, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack);
        thread.spawn_scoped(scope, f).expect("a thread").join().expect("no panic")
    })
}

/// The stack size that the documentation of `micro` states, on a 64-bit machine, with the needs of the thread itself.
#[cfg(not(debug_assertions))]
#[test]
fn the_stack_is_as_small_as_is_said() {
    let config = config(true, false);
    let image = image(&config, &weights(&config, 82), Format::Int4);
    let mut memory = Words::zeros(arena_bytes(&config, true, &limits(5)));
    let model: Box<Model<'_>> =
        within(16 << 10, || Box::new(Model::new(image.bytes()).expect("an image")));
    let length = within(16 << 10, || {
        let mut translator =
            Translator::new(&model, memory.bytes_mut(), limits(5), options()).expect("room");
        translator.translate_tokens(&[4, 5, 6], &mut [0; 11]).expect("numbers").length
    });
    assert!(length > 0);
}
