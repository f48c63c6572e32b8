//! Images with packed weights: the bits of the device's own code, with every instruction set of this machine.

use a2d_core::backend::Backend;
use a2d_core::config::{Config, Stack, Task};
use a2d_core::image::{Format, GROUP, unpack};
use a2d_core::micro::{
    self, Classifier, Embedder, Limits, Model, Parameter, TextLimits, Translator,
};
use a2d_core::rng;
use a2d_core::rows;
use a2d_core::search::Search;
use a2d_core::shape::Shape;
use a2d_host::run::model::MOST_LAYERS;
use a2d_host::translate::image::{Runner, Words};
use a2d_host::translate::packed::{Arithmetic, PackedModel};
use a2d_host::translate::{Hypothesis, SearchOptions};
use a2d_packed::{Isa, Packed, Weights};
use a2d_tests::helpers::image::{self, Parameters};
use core::task::Poll;
use std::path::Path;

const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];

fn draw(key: u64, number: u64, below: usize) -> usize {
    (rng::derive(key, number) >> 16) as usize % below
}

/// Models of several shapes: widths that fill no vector, and some that fill several.
fn configs() -> Vec<Config> {
    let wide = Stack { d_model: 96, ffn_dim: 200, attention_heads: 2, layers: 1 };
    let of = |config: Config| Config { encoder: wide, decoder: wide, ..config };
    vec![
        image::config(false, true),
        image::config(true, false),
        image::marian(true),
        image::marian(false),
        Config { source_vocabulary: 70, target_vocabulary: 70, ..of(image::config(true, true)) },
    ]
}

/// Sentences of all lengths, without EOS.
fn sentences(config: &Config) -> Vec<Vec<u32>> {
    let tokens = |key: u64| 1 + draw(key, 0, 11);
    let token = |key, i| 4 + draw(key, i + 1, config.source_vocabulary - 4) as u32;
    (0..37).map(|key| (0..tokens(key) as u64).map(|i| token(key, i)).collect()).collect()
}

fn options(beam: usize) -> SearchOptions {
    SearchOptions {
        search: Search { beam, ..Search::GREEDY },
        max_length_a: 1.2,
        max_length_b: 10.0,
        max_tokens: 4096,
        n_best: beam,
    }
}

/// The hypotheses of a sentence by the device's own code.
fn by_board(
    model: &Model<'_, MOST_LAYERS>,
    source: &[u32],
    options: &SearchOptions,
    int8_cache: bool,
) -> Vec<Hypothesis> {
    let (length, beam) = (source.len() + 1, options.search.beam);
    let limits = Limits { source: length, target: options.max_length(length), beam, int8_cache };
    let mut arena = Words::zeros(model.arena_bytes(&limits));
    let how = micro::Options::DEFAULT;
    let mut translator = Translator::new(model, arena.bytes_mut(), limits, how).expect("room");
    let mut job = translator.start_tokens(source).expect("a sentence within the limits");
    job.finish().expect("a model without NaN");
    let found = job.found().expect("a translation");
    let hypothesis = |rank| {
        let mut tokens = vec![0; found.length(0, rank)];
        found.tokens(0, rank, &mut tokens);
        tokens.pop();
        Hypothesis { tokens, score: found.score(0, rank) }
    };
    (0..found.count(0)).map(hypothesis).collect()
}

/// Compares every instruction set with a board: all sentences of a model, with these beams and caches.
fn compare(what: &str, config: &Config, image: &Words, beams: &[usize], caches: &[bool]) {
    let sources = sentences(config);
    let ended: Vec<_> =
        sources.iter().map(|source| [&source[..], &[config.special.eos]].concat()).collect();
    let model = || Model::new(image.bytes()).expect("an image");
    for (&beam, &int8_cache) in beams.iter().flat_map(|beam| caches.iter().map(move |c| (beam, c)))
    {
        let options = options(beam);
        let of_board = |source: &Vec<u32>| by_board(&model(), source, &options, int8_cache);
        let board: Vec<_> = sources.iter().map(of_board).collect();
        for isa in Isa::all() {
            let packed = PackedModel::new(model(), Arithmetic { int8_cache, isa }).expect("memory");
            let found = packed.search(&ended, &options, &|_| Ok(())).expect("no signal");
            assert!(found == board, "{what}, beam {beam}, {int8_cache}, {isa}");
        }
    }
}

#[test]
fn every_instruction_set_has_the_bits_of_a_board() {
    for (number, config) in configs().iter().enumerate() {
        let weights = image::weights(config, number as u64);
        for format in FORMATS {
            let bytes = image::image(config, &weights, format);
            let what = format!("model {number}, {format:?}");
            compare(&what, config, &bytes, &[1, 4], &[false, true]);
        }
    }
}

/// The probabilities or the vector of a text, by a board.
fn read_by_board(model: &Model<'_>, limits: TextLimits, text: &[u32]) -> Vec<f32> {
    let mut arena = Words::zeros(model.text_arena_bytes(&limits));
    let mut out = vec![0.0; model.config().head.expect("a head").output.width()];
    if model.config().task() == Task::Classify {
        let mut board = Classifier::new(model, arena.bytes_mut(), limits).expect("room");
        board.start_tokens(text).expect("a text").label(&mut out).expect("numbers");
    } else {
        let mut board = Embedder::new(model, arena.bytes_mut(), limits).expect("room");
        board.start_tokens(text).expect("a text").vector(&mut out).expect("numbers");
    }
    out
}

/// The same with packed weights.
fn read_packed(
    model: &Model<'_>,
    weights: &Weights<'_>,
    limits: TextLimits,
    texts: &[Vec<u32>],
) -> Vec<Vec<f32>> {
    let mut out = vec![vec![0.0; model.config().head.expect("a head").output.width()]; texts.len()];
    if model.config().task() == Task::Classify {
        let mut all = a2d_packed::Classifier::new(model, weights, limits).expect("limits");
        for (text, out) in texts.iter().zip(&mut out) {
            let label = all.classify_tokens(text, out).expect("numbers");
            assert_eq!(out[label.number], label.probability);
        }
    } else {
        let mut all = a2d_packed::Embedder::new(model, weights, limits).expect("limits");
        for (text, out) in texts.iter().zip(&mut out) {
            assert_eq!(all.embed_tokens(text, out), Ok(false));
        }
    }
    out
}

#[test]
fn texts_have_the_bits_of_a_board() {
    let texts: Vec<Vec<u32>> =
        (0..7).map(|len| (0..len).map(|i| 4 + (3 * i + len) % 15).collect()).collect();
    for kind in 0..image::TEXTS {
        let config = image::text(kind);
        let weights = image::weights(&config, kind);
        let limits = TextLimits { tokens: 9, int8_cache: kind % 5 < 2 };
        for format in FORMATS {
            let bytes = image::image(&config, &weights, format);
            let model: Model<'_> = Model::new(bytes.bytes()).expect("an image");
            let board: Vec<_> =
                texts.iter().map(|text| read_by_board(&model, limits, text)).collect();
            for isa in Isa::all() {
                let weights = Weights::new(&model, isa).expect("memory");
                let found = read_packed(&model, &weights, limits, &texts);
                assert!(found == board, "kind {kind}, {format:?}, {isa}");
            }
        }
    }
}

#[test]
fn packed_texts_are_refused_as_on_a_board() {
    let config = image::text(0);
    let bytes = image::image(&config, &image::weights(&config, 1), Format::Int8);
    let model: Model<'_> = Model::new(bytes.bytes()).expect("an image");
    let weights = Weights::new(&model, Isa::PORTABLE).expect("memory");
    let limits = |tokens| TextLimits { tokens, int8_cache: false };
    let task = |wanted| Some(micro::Error::Task { found: Task::Classify, wanted });
    let embedder = a2d_packed::Embedder::new(&model, &weights, limits(5));
    assert_eq!(embedder.err(), task(Task::Embed));
    let (of, how) =
        (Limits { source: 1, target: 1, beam: 1, int8_cache: false }, micro::Options::DEFAULT);
    let translator = a2d_packed::Translator::new(&model, &weights, of, how);
    assert_eq!(translator.err(), task(Task::Translate));
    let classifier = |tokens| a2d_packed::Classifier::new(&model, &weights, limits(tokens));
    assert_eq!(classifier(1).err(), Some(micro::Error::Limits));
    let mut out = [0.0; 9];
    let mut five = classifier(5).expect("limits");
    let refused = five.classify_tokens(&[4; 4], &mut out);
    assert_eq!(refused, Err(micro::Error::TooLong { found: 6, most: 5 }));
    assert_eq!(five.classify_tokens(&[19], &mut out), Err(micro::Error::Token { id: 19 }));
    assert_eq!(five.classify("a", &mut out), Err(micro::Error::Tokenizer));
    assert!(five.cutting().classify_tokens(&[4; 4], &mut out).expect("cut").cut);
}

#[test]
fn shortlists_in_a_batch_have_the_bits_of_a_board() {
    // One thread has all sentences in one batch.
    let thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for (number, config) in configs().iter().enumerate() {
        let weights = image::weights(config, 100 + number as u64);
        let list = |token: u64| {
            let id = |i| draw(token, i, config.target_vocabulary) as u16;
            let mut list: Vec<u16> = (0..3).map(id).collect();
            list.sort_unstable();
            list.dedup();
            list
        };
        let lists: Vec<_> = (0..config.source_vocabulary as u64).map(list).collect();
        for format in FORMATS {
            let bytes = image::listed(config, &weights, format, &[0, 1, 2, 3, 5], &lists);
            let what = format!("model {number}, {format:?}");
            thread.install(|| compare(&what, config, &bytes, &[1, 3], &[false, true]));
        }
    }
}

/// The tokens that a job returns, one a step, and the steps without one.
fn stream(mut poll: impl FnMut() -> Poll<Option<u32>>) -> (Vec<u32>, usize) {
    let (mut tokens, mut pending) = (Vec::new(), 0);
    loop {
        match poll() {
            Poll::Pending => pending += 1,
            Poll::Ready(Some(token)) => tokens.push(token),
            Poll::Ready(None) => return (tokens, pending),
        }
    }
}

/// Compares the streams of all sentences with those of a board, within limits that some sentences exceed.
fn compare_streams(what: &str, bytes: &[u8], sources: &[Vec<u32>], beam: usize, int8_cache: bool) {
    let model: Model<'_, MOST_LAYERS> = Model::new(bytes).expect("an image");
    let limits = Limits { source: 9, target: 12, beam, int8_cache };
    let how = micro::Options::DEFAULT;
    let mut arena = Words::zeros(model.arena_bytes(&limits));
    let mut board = Translator::new(&model, arena.bytes_mut(), limits, how).expect("room");
    let weights = Weights::new(&model, Isa::best()).expect("memory");
    let mut packed = a2d_packed::Translator::new(&model, &weights, limits, how).expect("memory");
    for source in sources {
        let wanted = board.start_tokens(source);
        let found = packed.start_tokens(source);
        match (wanted, found) {
            (Ok(mut wanted), Ok(mut found)) => {
                let wanted = stream(|| wanted.poll().expect("no NaN")).0;
                let found = stream(|| found.poll().expect("no NaN"));
                assert_eq!(found.0, wanted, "{what}, beam {beam}, {int8_cache}");
                assert!(source.is_empty() || found.1 > model.config().encoder.layers, "{what}");
            }
            (wanted, found) => assert_eq!(found.err(), wanted.err(), "{what}"),
        }
    }
}

#[test]
fn a_sentence_is_streamed_as_on_a_board() {
    for (number, config) in configs().iter().enumerate() {
        let weights = image::weights(config, 200 + number as u64);
        let unknown = vec![config.source_vocabulary as u32];
        let sources = [sentences(config), vec![Vec::new(), unknown]].concat();
        for (format, beam) in [(Format::F32, 1), (Format::Int8, 1), (Format::Int8, 3)] {
            let bytes = image::image(config, &weights, format);
            let what = format!("model {number}, {format:?}");
            compare_streams(&what, bytes.bytes(), &sources, beam, beam == 1);
        }
    }
}

#[test]
fn lines_have_the_text_of_a_board() {
    let bytes = Words::new(include_bytes!("../fixtures/nano/nano.a2d"));
    let model: Model<'_, MOST_LAYERS> = Model::new(bytes.bytes()).expect("an image");
    let limits = Limits { source: 11, target: 14, beam: 2, int8_cache: true };
    let how = micro::Options::DEFAULT;
    let mut arena = Words::zeros(model.arena_bytes(&limits));
    let mut board = Translator::new(&model, arena.bytes_mut(), limits, how).expect("room");
    let weights = Weights::new(&model, Isa::best()).expect("memory");
    let mut packed = a2d_packed::Translator::new(&model, &weights, limits, how).expect("memory");
    let long = "Ich habe keinen Hunger und keinen Durst, und das ist das Ende der Geschichte.";
    for line in include_str!("device/sentences.txt").lines().chain(["", " \u{3000}", long]) {
        let mut out = [[0; 160]; 2];
        let [wanted, found] = out.each_mut();
        let wanted = board.translate(line, wanted).map(|done| done.text);
        let found = packed.start(line).and_then(|mut job| {
            job.finish()?;
            job.text(found)
        });
        assert_eq!(found, wanted, "{line}");
        assert_eq!(found.is_err(), line == long, "{line}");
    }
}

#[test]
fn a_limit_of_0_is_refused() {
    let bytes = Words::new(include_bytes!("../fixtures/nano/nano.a2d"));
    let model: Model<'_, MOST_LAYERS> = Model::new(bytes.bytes()).expect("an image");
    let weights = Weights::new(&model, Isa::PORTABLE).expect("memory");
    for (source, target, beam) in [(0, 1, 1), (1, 0, 1), (1, 1, 0)] {
        let limits = Limits { source, target, beam, int8_cache: false };
        let how = micro::Options::DEFAULT;
        let refused = a2d_packed::Translator::new(&model, &weights, limits, how);
        assert_eq!(refused.err(), Some(micro::Error::Limits));
    }
}

/// A matrix of random bytes, extreme ones often, and rows that are their own bytes: the largest magnitude is 127.
struct Integers {
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: Vec<f32>,
    w: Vec<u8>,
}

impl Integers {
    fn new(key: u64) -> Self {
        let size = |number, most| 1 + draw(key, number, most);
        let (rows, inputs, outputs) = (size(0, 40), size(1, 150), 1 + size(2, 70));
        let number = |at: usize, least: i32| match draw(key, 10 + at as u64, 300) {
            0..25 => least,
            25..50 => 127,
            any => any as i32 % 256 - 128,
        };
        let mut x: Vec<f32> =
            (0..rows * inputs).map(|at| number(at, -127).max(-127) as f32).collect();
        x.chunks_exact_mut(inputs).for_each(|row| row[0] = 127.0);
        let w = (0..outputs * inputs).map(|at| number(at + 100_000, -128) as u8).collect();
        Self { rows, inputs, outputs, x, w }
    }

    /// `x w^T` for a weight whose numbers and scales are `bytes`.
    fn product(&self, format: Format, bytes: &[u8], isa: Isa) -> Vec<f32> {
        let mut parameters = Parameters::default();
        parameters.push(format, Shape::matrix(self.outputs, self.inputs), bytes);
        parameters.with(|weights| {
            let weights = Weights::of(weights, isa).expect("memory");
            let mut b = Packed::new(&weights);
            let x = b.tensor(&self.x, Shape::matrix(self.rows, self.inputs));
            let y = b.linear(&x, &Parameter::new(0), None);
            let mut out = vec![0.0; self.rows * self.outputs];
            a2d_core::backend::Device::read(&mut b, &y, &mut out).expect("memory");
            out
        })
    }

    /// A value for each row of x and row of w.
    fn each(&self, value: impl Fn(&[f32], usize) -> f32) -> Vec<f32> {
        let rows = self.x.chunks_exact(self.inputs);
        rows.flat_map(|x| (0..self.outputs).map(|o| value(x, o)).collect::<Vec<_>>()).collect()
    }
}

/// Numbers, then scales at a multiple of 16.
fn joined(mut numbers: Vec<u8>, scales: impl Iterator<Item = u8>) -> Vec<u8> {
    numbers.resize(numbers.len().next_multiple_of(16), 0);
    numbers.extend(scales);
    numbers
}

/// `sum x w` in 64 bits.
fn exact(x: &[f32], w: impl Iterator<Item = i8>) -> i64 {
    x.iter().zip(w).map(|(x, w)| *x as i64 * i64::from(w)).sum()
}

/// Keys of random products: so many, or as many as `A2D_TEST_PRODUCTS` says.
fn keys(count: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("A2D_TEST_PRODUCTS").ok();
    0..wanted.map_or(count, |count| count.parse().expect("a number"))
}

#[test]
fn products_of_int8_are_exact() {
    for key in keys(150) {
        let of = Integers::new(key);
        let scales: Vec<f32> = (0..of.outputs).map(|o| 0.5 + o as f32 / 7.0).collect();
        let bytes = joined(of.w.clone(), scales.iter().flat_map(|scale| scale.to_le_bytes()));
        let wanted = of.each(|x, o| {
            let w = of.w[o * of.inputs..].iter().map(|w| *w as i8);
            exact(x, w) as f32 * scales[o]
        });
        for isa in Isa::all() {
            assert!(of.product(Format::Int8, &bytes, isa) == wanted, "{key}: {isa}");
        }
    }
}

#[test]
fn products_of_int4_are_exact_in_each_group() {
    for key in keys(150) {
        let of = Integers::new(key);
        let groups = of.inputs.div_ceil(GROUP);
        let numbers: Vec<u8> =
            (0..of.outputs * groups * GROUP / 2).map(|at| of.w[at % of.w.len()]).collect();
        let scale = |at: usize| ((0.5 + at as f32 / 9.0).to_bits() >> 16) as u16;
        let scales = (0..of.outputs * groups).flat_map(|at| scale(at).to_le_bytes());
        let bytes = joined(numbers.clone(), scales);
        let wanted = of.each(|x, o| {
            x.chunks(GROUP).enumerate().fold(0.0, |sum, (g, x)| {
                let at = o * groups + g;
                let w = unpack(numbers[at * GROUP / 2..].first_chunk().expect("a group"));
                sum + exact(x, w.into_iter()) as f32 * f32::from_bits(u32::from(scale(at)) << 16)
            })
        });
        for isa in Isa::all() {
            assert!(of.product(Format::Int4, &bytes, isa) == wanted, "{key}: {isa}");
        }
    }
}

#[test]
fn products_of_floats_have_the_lanes_of_the_formulas() {
    for key in keys(60) {
        let of = Integers::new(key);
        let w: Vec<f32> = of.w.iter().map(|w| f32::from(*w as i8) / 37.0).collect();
        let bytes: Vec<u8> = w.iter().flat_map(|w| w.to_le_bytes()).collect();
        let wanted = of.each(|x, o| rows::dot(x, &w[o * of.inputs..][..of.inputs]));
        for isa in Isa::all() {
            assert!(of.product(Format::F32, &bytes, isa) == wanted, "{key}: {isa}");
        }
    }
}

/// A file of `tests/device`.
fn device(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("device").join(name);
    std::fs::read_to_string(path).expect("a file")
}

/// FNV-1a over the bytes of tokens, as the device programs print it.
fn fingerprint(tokens: impl Iterator<Item = u32>) -> String {
    let bytes = tokens.flat_map(u32::to_le_bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn every_instruction_set_has_the_fingerprint_of_the_devices() {
    let limits = device("limits");
    let limit = |name: &str| -> usize {
        let mut words = limits.lines().filter_map(|line| line.split_once(' '));
        words.find(|(key, _)| *key == name).expect(name).1.parse().expect("a number")
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/nano/nano.a2d");
    let bytes = Words::read(&path).expect("an image");
    let model = || Model::<MOST_LAYERS>::new(bytes.bytes()).expect("an image");
    let source = *model().source().expect("a vocabulary");
    let encode = |line: &str| {
        let mut tokens = vec![0; source.room(line.len())];
        let count = source.encode(line, &mut tokens).expect("a sentence");
        tokens.truncate(count);
        tokens
    };
    let sources: Vec<_> = device("sentences.txt").lines().map(encode).collect();
    let wanted = device("fingerprint");
    let wanted: Vec<_> = wanted.lines().filter_map(|line| line.split_once(' ')).collect();
    for isa in Isa::all() {
        let arithmetic = Arithmetic { int8_cache: limit("int8_cache") == 1, isa };
        let runner = Runner::new(&path, bytes.bytes(), arithmetic).expect("memory");
        assert!(
            sources.iter().all(|source| source.len() >= 3),
            "the limit of the devices is the lower one"
        );
        let options = SearchOptions {
            max_length_a: 0.0,
            max_length_b: limit("target") as f64,
            ..options(limit("beam"))
        };
        let found = runner.tokens(&sources, &options, &|_| Ok(())).expect("translations");
        for (count, wanted) in &wanted {
            let few = &found[..count.parse().expect("a number")];
            let tokens = few.iter().flat_map(|best| best[0].tokens.iter().copied());
            assert_eq!(fingerprint(tokens), *wanted, "{isa}, {count} sentences");
        }
    }
}

#[test]
fn instruction_sets_have_names() {
    assert_eq!(Isa::all().last(), Some(Isa::PORTABLE));
    for isa in Isa::all() {
        assert_eq!(isa.name().parse(), Ok(isa));
    }
    let unknown = "mmx".parse::<Isa>().unwrap_err().to_string();
    assert!(unknown.starts_with("no such instruction set; this processor has "), "{unknown}");
    assert!(unknown.ends_with("portable"), "{unknown}");
}
