//! Translating text gives the same as encoding it, translating the tokens and decoding.

use a2d_core::config::Config;
use a2d_core::image::Format;
use a2d_core::micro::{Error, Limits, Model, Options, Translator, arena_bytes};
use a2d_host::export::write;
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{config, tokenizer, weights};
use std::task::Poll;

const LIMITS: Limits = Limits { source: 6, target: 9, beam: 2, int8_cache: false };

/// A model of 7 tokens and their vocabulary.
fn image() -> Words {
    let config = Config { source_vocabulary: 7, target_vocabulary: 7, ..config(true, true) };
    let weights = weights(&config, 21);
    Words::new(&write(&config, &weights, &tokenizer(), Format::Int8).expect("an image"))
}

/// Runs `f` with a translator of `limits` and `options`.
fn with<R>(
    limits: Limits,
    options: Options,
    f: impl FnOnce(&Model<'_>, &mut Translator<'_, '_>) -> R,
) -> R {
    let image = image();
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut arena = Words::zeros(arena_bytes(model.config(), true, &limits));
    let mut translator = Translator::new(&model, arena.bytes_mut(), limits, options).expect("room");
    f(&model, &mut translator)
}

#[test]
fn text_is_its_tokens_translated() {
    for beam in [1, 2] {
        with(Limits { beam, ..LIMITS }, Options::default(), |model, translator| {
            let tokenizer = model.source().expect("a vocabulary");
            for line in ["a", "a a", "aa a", "b", "a b\u{301}", "aaaaa"] {
                let (mut tokens, mut found, mut text) = ([0; 64], [0; 9], [0; 64]);
                let count = tokenizer.encode(line, &mut tokens).expect("room");
                let done = translator.translate_tokens(&tokens[..count], &mut found).expect(line);
                let wanted = tokenizer.decode(&found[..done.length], &mut text).expect("room");
                let mut out = [0; 64];
                let got = translator.translate(line, &mut out).expect(line);
                assert_eq!(got.text.as_bytes(), &text[..wanted], "{line}");
                assert_eq!((got.score, got.cut), (done.score, false));
                assert_eq!(streamed(model, translator, line), got.text);
                assert_eq!(translator.translate_string(line).as_deref(), Ok(got.text));
            }
        });
    }
}

/// The translation, streamed token by token.
fn streamed(model: &Model<'_>, translator: &mut Translator<'_, '_>, line: &str) -> String {
    let mut stream = model.source().expect("a vocabulary").stream();
    let mut job = translator.start(line).expect(line);
    let (mut all, mut out) = (Vec::new(), [0; 32]);
    while let Poll::Pending | Poll::Ready(Some(_)) = match job.poll().expect("numbers") {
        Poll::Ready(Some(token)) => {
            let len = stream.push(token, &mut out).expect("room");
            all.extend_from_slice(&out[..len]);
            Poll::Ready(Some(token))
        }
        other => other,
    } {}
    let len = stream.finish(&mut out).expect("room");
    all.extend_from_slice(&out[..len]);
    String::from_utf8(all).expect("text")
}

#[test]
fn a_blank_line_is_a_blank_line() {
    with(LIMITS, Options::default(), |_, translator| {
        for line in ["", " ", " \t\u{3000}"] {
            let got = translator.translate(line, &mut []).expect(line);
            assert_eq!((got.text, got.score, got.cut), ("", 0.0, false));
            assert_eq!(translator.translate_string(line).as_deref(), Ok(""));
        }
    });
}

#[test]
fn a_line_that_is_too_long_is_refused_or_cut() {
    let long = "a ".repeat(9);
    with(LIMITS, Options::default(), |_, translator| {
        let refused = translator.translate(&long, &mut [0; 64]).err();
        assert_eq!(refused, Some(Error::TooLong { found: 11, most: 6 }));
        // Longer than the whole arena.
        let refused = translator.translate(&"a ".repeat(1 << 20), &mut [0; 64]).err();
        assert!(matches!(refused, Some(Error::TooLong { most: 6, .. })), "{refused:?}");
    });
    with(LIMITS, Options { cut: true, ..Options::default() }, |_, translator| {
        let mut out = [[0; 64]; 3];
        let [short, cut, endless] = &mut out;
        let short = translator.translate("a a a a a", short).expect("room");
        let cut = translator.translate(&long, cut).expect("cut");
        let endless = translator.translate(&"a ".repeat(1 << 20), endless).expect("cut");
        assert_eq!([short.cut, cut.cut, endless.cut], [false, true, true]);
        assert_eq!([cut.text, endless.text], [short.text; 2]);
    });
}

#[test]
fn a_short_output_is_told_what_it_needs() {
    with(LIMITS, Options::default(), |_, translator| {
        let mut out = [0; 64];
        let length = translator.translate("a a", &mut out).expect("room").text.len();
        assert!(length > 1);
        for less in 1..=length {
            let refused = translator.translate("a a", &mut out[..length - less]).err();
            assert_eq!(refused, Some(Error::Output { needed: length }));
        }
        assert_eq!(
            translator.translate("a a", &mut out[..length]).expect("room").text.len(),
            length
        );
    });
}

#[test]
fn without_a_vocabulary_there_is_no_text() {
    let config = config(true, true);
    let image = a2d_tests::helpers::image::image(&config, &weights(&config, 1), Format::Int4);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut arena = Words::zeros(arena_bytes(model.config(), true, &LIMITS));
    let mut translator =
        Translator::new(&model, arena.bytes_mut(), LIMITS, Options::default()).expect("room");
    assert_eq!(translator.translate("a", &mut [0; 64]).err(), Some(Error::Tokenizer));
    assert!(translator.translate_tokens(&[5], &mut [0; 9]).is_ok());
}

#[test]
fn text_is_normalised_where_the_vocabulary_says_so() {
    let config = Config { source_vocabulary: 7, target_vocabulary: 7, ..config(true, true) };
    let mut tables = tokenizer();
    (tables[3], tables[5]) = (2, 1);
    let image = write(&config, &weights(&config, 21), &tables, Format::Int8).expect("an image");
    let image = Words::new(&image);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut arena = Words::zeros(arena_bytes(model.config(), true, &LIMITS));
    let mut translator =
        Translator::new(&model, arena.bytes_mut(), LIMITS, Options::default()).expect("room");
    let mut translated = |line| {
        let mut out = [0; 64];
        translator.translate(line, &mut out).expect(line).text.to_owned()
    };
    let plain = translated("aa a");
    assert!(!plain.is_empty());
    assert_eq!(translated("\u{feff}a\u{200b}a\u{a0}\ta "), plain);
    assert_eq!(translated("\u{200b}\u{ad}"), "");
}
