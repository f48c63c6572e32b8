//! Classifiers and embedders give what the CPU backend gives, at once or in steps, in exactly the memory that was computed.

use a2d_core::backend::Device;
use a2d_core::batch::{Batch, Layout};
use a2d_core::config::{Config, Output, Task, token};
use a2d_core::image::Format;
use a2d_core::kd;
use a2d_core::micro::{
    Becomes, Classifier, Embedder, Error, Limits, Model, Options, TextJob, TextLimits, TextReader,
    ToLabel, Translator, text_arena_bytes,
};
use a2d_core::rows;
use a2d_host::backend::cpu::Cpu;
use a2d_host::export::{Beside, write_with};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{TEXTS, config, image, model, text, tokenizer, weights};
use a2d_tests::helpers::model::{LAYERS, read, sentences, slices};
use std::task::Poll;

/// Tokens of texts, EOS included, BOS not.
const LENGTHS: [usize; 6] = [6, 1, 9, 4, 2, 7];
/// The longest text: BOS and the most tokens.
const LIMITS: TextLimits = TextLimits { tokens: 10, int8_cache: false };
const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];

/// An arena of exactly the size that is needed.
fn arena(model: &Model<'_>, limits: &TextLimits) -> Words {
    assert_eq!(
        model.text_arena_bytes(limits),
        text_arena_bytes(model.config(), model.quantised(), limits)
    );
    Words::zeros(model.text_arena_bytes(limits))
}

fn labels_of(config: &Config) -> Option<usize> {
    match config.head.expect("a text model").output {
        Output::Labels(count) => Some(count),
        Output::Vector(_) => None,
    }
}

/// The probabilities or the vectors of texts that end with EOS, on the CPU.
fn on_cpu(config: &Config, weights: &[Vec<f32>], texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let b = &mut Cpu::new(1);
    let model = model::<_, LAYERS>(b, config, weights);
    let head = config.head.expect("a text model");
    let texts: Vec<_> = texts.iter().map(|text| [&[token::BOS], &text[..]].concat()).collect();
    let (texts, labels) = (slices(&texts), vec![0; texts.len()]);
    let all = (&texts[..], &labels[..]);
    let batch = Batch::texts(b, &config.special, all, 0..texts.len(), Layout::Padded);
    let pooled = kd::forward(&model, b, &batch, &mut ());
    let output = model.vectors(b, pooled);
    assert_eq!(b.shape(&output).cols(), head.output.width());
    let mut found = read(b, &output);
    let finished = |row: &mut [f32]| {
        match labels_of(config) {
            Some(_) => rows::softmax(row),
            None => rows::unit(row).expect("numbers"),
        }
        row.to_vec()
    };
    found.chunks_mut(head.output.width()).map(finished).collect()
}

/// The same by an image, in an arena of the exact size.
fn by_image(image: &Words, texts: &[Vec<u32>], limits: TextLimits) -> Vec<Vec<f32>> {
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let mut arena = arena(&model, &limits);
    let mut out = vec![vec![0.0; model.config().head.expect("a head").output.width()]; texts.len()];
    let all = texts.iter().map(|text| &text[..text.len() - 1]).zip(&mut out);
    if labels_of(model.config()).is_some() {
        let mut classifier = Classifier::new(&model, arena.bytes_mut(), limits).expect("room");
        for (text, out) in all {
            let label = classifier.start_tokens(text).expect("a text").label(out).expect("numbers");
            let most = out.iter().copied().fold(0.0, f32::max);
            assert_eq!((label.probability, label.name, label.cut), (most, "", false));
            assert_eq!(out.iter().position(|p| *p == most), Some(label.number));
        }
    } else {
        let mut embedder = Embedder::new(&model, arena.bytes_mut(), limits).expect("room");
        for (text, out) in all {
            embedder.start_tokens(text).expect("a text").vector(out).expect("numbers");
        }
    }
    out
}

#[test]
fn an_image_of_floats_reads_as_the_cpu_does() {
    for kind in 0..TEXTS {
        let (config, texts) = (text(kind), sentences(kind, &LENGTHS, 19));
        let weights = weights(&config, kind);
        let wanted = on_cpu(&config, &weights, &texts);
        let found = by_image(&image(&config, &weights, Format::F32), &texts, LIMITS);
        for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let off = found.iter().zip(wanted).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            // Rounding grows where a norm divides by a small deviation.
            assert!(off < 5e-5, "kind {kind}, text {i}: {off}, {found:?}, {wanted:?}");
        }
        assert!(found.iter().any(|row| *row != found[0]) || found[0].len() == 1, "{config:?}");
    }
}

#[test]
fn a_quantised_image_is_near() {
    let (mut far, mut count) = (0, 0);
    for kind in 0..TEXTS {
        let (config, texts) = (text(kind), sentences(kind, &LENGTHS, 19));
        let weights = weights(&config, kind);
        let wanted = on_cpu(&config, &weights, &texts);
        for int8_cache in [false, true] {
            let limits = TextLimits { int8_cache, ..LIMITS };
            let found = by_image(&image(&config, &weights, Format::Int8), &texts, limits);
            for (x, y) in found.iter().flatten().zip(wanted.iter().flatten()) {
                count += 1;
                far += usize::from((x - y).abs() > 0.1);
            }
        }
    }
    assert!(far * 20 < count, "{far} of {count}");
}

/// Polls a job to its end; returns the polls that were not the last, and the peak.
fn polled<T: Becomes, const N: usize>(job: &mut TextJob<'_, '_, T, N>) -> (usize, usize) {
    let mut waits = 0;
    while job.poll() == Ok(Poll::Pending) {
        waits += 1;
    }
    assert_eq!(job.poll(), Ok(Poll::Ready(())));
    (waits, job.peak())
}

/// Reads the longest text in steps in an arena of the exact size.
fn exact<T: Becomes>(model: &Model<'_>, limits: TextLimits) {
    let needed = model.text_arena_bytes(&limits);
    let mut arena = arena(model, &limits);
    let missing = TextReader::<T>::new(model, &mut arena.bytes_mut()[..needed - 1], limits).err();
    assert_eq!(missing, Some(Error::Arena { missing: 1 }));
    let mut reader = TextReader::<T>::new(model, arena.bytes_mut(), limits).expect("room");
    for len in (0..=limits.tokens - 2).rev() {
        let mut job = reader.start_tokens(&vec![5; len]).expect("a text");
        let (waits, peak) = polled(&mut job);
        assert_eq!(waits, model.config().encoder.layers + 1);
        assert!(peak <= needed && (peak == needed) == (len == limits.tokens - 2), "{limits:?}");
    }
}

#[test]
fn the_arena_is_exact_and_a_step_is_a_layer() {
    for (kind, format) in (0..TEXTS).flat_map(|kind| FORMATS.map(|format| (kind, format))) {
        let config = text(kind);
        let image = image(&config, &weights(&config, kind), format);
        let model: Model<'_> = Model::new(image.bytes()).expect("an image");
        for (tokens, int8_cache) in [(2, false), (9, true), (11, false)] {
            let limits = TextLimits { tokens, int8_cache };
            match labels_of(&config) {
                Some(_) => exact::<ToLabel>(&model, limits),
                None => exact::<a2d_core::micro::ToVector>(&model, limits),
            }
        }
    }
}

#[test]
fn texts_before_change_nothing() {
    for kind in [0, 4, 25, 33] {
        let (config, texts) = (text(kind), sentences(kind, &LENGTHS, 19));
        let image = image(&config, &weights(&config, kind), Format::Int4);
        let together = by_image(&image, &texts, LIMITS);
        for (text, together) in texts.iter().zip(&together) {
            assert_eq!(&by_image(&image, std::slice::from_ref(text), LIMITS)[0], together);
        }
    }
}

#[test]
fn a_model_for_another_task_is_refused() {
    let models = [config(true, true), text(0), text(4)];
    let tasks = [Task::Translate, Task::Classify, Task::Embed];
    for (config, found) in models.iter().zip(tasks) {
        assert_eq!(config.task(), found);
        let image = image(config, &weights(config, 3), Format::Int8);
        let model: Model<'_> = Model::new(image.bytes()).expect("an image");
        let mut arena = Words::zeros(1 << 20);
        let limits = Limits { source: 4, target: 4, beam: 1, int8_cache: false };
        let refused = [
            Translator::new(&model, arena.bytes_mut(), limits, Options::default()).err(),
            Classifier::new(&model, arena.bytes_mut(), LIMITS).err(),
            Embedder::new(&model, arena.bytes_mut(), LIMITS).err(),
        ];
        for (wanted, refused) in tasks.into_iter().zip(refused) {
            let error = (found != wanted).then_some(Error::Task { found, wanted });
            assert_eq!(refused, error);
        }
    }
    let error = Error::Task { found: Task::Classify, wanted: Task::Translate };
    assert_eq!(error.to_string(), "the task of the image is classify, not translate");
}

/// A classifier of 7 tokens with their vocabulary, and names for its labels.
fn named() -> (Words, Vec<String>) {
    let config = Config { source_vocabulary: 7, ..text(0) };
    let names: Vec<String> =
        (0..config.target_vocabulary).map(|number| format!("Étiquette {number}")).collect();
    let beside = Beside { labels: names.clone(), ..Beside::default() };
    let weights = weights(&config, 5);
    let image = write_with(&config, &weights, &tokenizer(), &beside, Format::Int8);
    (Words::new(&image.expect("an image")), names)
}

#[test]
fn text_is_its_tokens() {
    let (image, names) = named();
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    assert_eq!(model.source().expect("a vocabulary").len(), 7);
    assert!(model.target().is_none());
    let mut arena = arena(&model, &LIMITS);
    let mut classifier = Classifier::new(&model, arena.bytes_mut(), LIMITS).expect("room");
    for line in ["", " \t", "a", "a a", "aa a b", "b"] {
        let mut tokens = [0; 64];
        let blank = line.trim().is_empty();
        let count = model.source().expect("a vocabulary").encode(line, &mut tokens).expect("room");
        let tokens = if blank { &[] } else { &tokens[..count] };
        let mut found = [[0.0; 9]; 2];
        let [by_text, by_tokens] = &mut found;
        let label = classifier.classify(line, by_text).expect("a text");
        let same = classifier.start_tokens(tokens).expect("tokens").label(by_tokens);
        assert_eq!(Ok(label), same);
        assert_eq!(label.name, names[label.number]);
        assert_eq!(found[0], found[1]);
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let (image, _) = named();
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let count = model.config().target_vocabulary;
    let mut memory = arena(&model, &LIMITS);
    let mut classifier = Classifier::new(&model, memory.bytes_mut(), LIMITS).expect("room");
    let mut out = vec![0.0; count];
    let words = |count| vec!["a"; count].join(" ");
    let refused = classifier.classify(&words(9), &mut out);
    assert_eq!(refused, Err(Error::TooLong { found: 11, most: 10 }));
    let foreign = classifier.start_tokens(&[4, 7]).err();
    assert_eq!(foreign, Some(Error::Token { id: 7 }));
    let short = classifier.classify("a", &mut out[..count - 1]);
    assert_eq!(short, Err(Error::Output { needed: count }));
    let whole = classifier.classify(&words(8), &mut out).expect("room");
    assert!(!whole.cut);
    let mut cutting = Classifier::new(&model, memory.bytes_mut(), LIMITS).expect("room").cutting();
    for more in [9, 1 << 20] {
        let mut cut = vec![0.0; count];
        let label = cutting.classify(&words(more), &mut cut).expect("cut");
        assert!(label.cut && label.number == whole.number && cut == out);
    }
    for tokens in [0, 1] {
        let limits = TextLimits { tokens, ..LIMITS };
        let refused = Classifier::new(&model, memory.bytes_mut(), limits).err();
        assert_eq!(refused, Some(Error::Limits));
    }
    let endless = TextLimits { tokens: usize::MAX, ..LIMITS };
    let refused = Classifier::new(&model, memory.bytes_mut(), endless).err();
    assert!(matches!(refused, Some(Error::Arena { .. })), "{refused:?}");
}

/// A table of positions limits the text, whatever the limit of the reader.
#[test]
fn a_text_is_no_longer_than_the_positions_of_the_model() {
    let config = text(28);
    assert_eq!(config.embedding.positions, 11);
    let image = image(&config, &weights(&config, 1), Format::F32);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let limits = TextLimits { tokens: 40, int8_cache: false };
    let mut arena = arena(&model, &limits);
    let mut reader = Embedder::new(&model, arena.bytes_mut(), limits).expect("room");
    assert!(reader.start_tokens(&[5; 9]).is_ok());
    let refused = reader.start_tokens(&[5; 10]).err();
    assert_eq!(refused, Some(Error::TooLong { found: 12, most: 11 }));
    assert_eq!(reader.start("a").err(), Some(Error::Tokenizer));
}

#[test]
fn weights_that_are_no_numbers_are_told() {
    for kind in [0, 4] {
        let config = text(kind);
        let mut weights = weights(&config, 1);
        weights[0][5 * config.encoder.d_model] = f32::NAN;
        let image = image(&config, &weights, Format::F32);
        let model: Model<'_> = Model::new(image.bytes()).expect("an image");
        let (mut arena, mut out) = (arena(&model, &LIMITS), [0.0; 64]);
        let found = match kind {
            0 => {
                let mut reader = Classifier::new(&model, arena.bytes_mut(), LIMITS).expect("room");
                reader.start_tokens(&[5]).expect("a text").label(&mut out).err()
            }
            _ => {
                let mut reader = Embedder::new(&model, arena.bytes_mut(), LIMITS).expect("room");
                reader.start_tokens(&[5]).expect("a text").vector(&mut out).err()
            }
        };
        assert_eq!(found, Some(Error::Nothing));
    }
}
