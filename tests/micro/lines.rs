//! One line of output for each line of input, even if a model prefers control characters: on the host, for all of
//! n-best, and from images.

use a2d_core::config::Config;
use a2d_core::image::Format;
use a2d_core::micro::{Limits, Model, Options, Translator};
use a2d_core::search::Search;
use a2d_host::backend::cpu::{Cpu, Tensor};
use a2d_host::data::vocab::{EOS, Vocab};
use a2d_host::export::{Beside, write_with};
use a2d_host::run::model;
use a2d_host::translate::image::Words;
use a2d_host::translate::{self, translate_lines, translate_tokens};
use a2d_tests::helpers::image::{self, config, shortlist, weights};

const LINES: [&str; 7] =
    ["der die das", "eine — eins", "", "the them then", "é🙂", "den dem", "there"];
const BEAM: usize = 3;

/// A vocabulary with byte fallback, and a random model that prefers control characters.
fn random(seed: u64) -> (Vocab, Config, Vec<Vec<f32>>) {
    let vocab = Vocab::learn_with(LINES.into_iter(), 300, true).expect("a vocabulary");
    let size = vocab.source().len();
    let sizes = Config { source_vocabulary: size, target_vocabulary: size, ..config(true, true) };
    let config = Config { normalize_before: seed.is_multiple_of(2), ..sizes };
    let mut weights = weights(&config, seed);
    let width = config.decoder.d_model;
    let table = weights.iter_mut().find(|w| w.len() == size * width).expect("a table");
    for (id, row) in table.chunks_mut(width).enumerate().filter(|(id, _)| is_control(*id as u32)) {
        row.iter_mut().for_each(|w| *w *= if id == 4 + 0x0a { 12.0 } else { 6.0 });
    }
    (vocab, config, weights)
}

/// Whether a token is the byte of a control character.
fn is_control(id: u32) -> bool {
    (4..260).contains(&id) && ((id - 4) as u8).is_ascii_control()
}

fn options(beam: usize) -> translate::SearchOptions {
    translate::SearchOptions {
        search: Search { beam, length_penalty: 0.8, ..Search::GREEDY },
        max_length_a: 1.0,
        max_length_b: 8.0,
        max_tokens: 100,
        n_best: beam,
    }
}

/// All hypotheses of each line on the host. Asserts first that an unrestricted search writes control characters.
fn on_host(seed: u64, beam: usize) -> Vec<Vec<(String, f32)>> {
    let (vocab, config, weights) = random(seed);
    let mut b = Cpu::new(1);
    let model: model::Model<Tensor> = image::model(&mut b, &config, &weights);
    let mut sources = vocab.source().encode_batch(&LINES).expect("lines");
    sources.iter_mut().for_each(|source| source.push(EOS));
    let free = translate_tokens(&mut b, &model, &sources, &options(beam), &|_| Ok(()));
    let free = free.expect("a translation");
    let written = free.iter().flatten().flat_map(|h| &h.tokens);
    assert!(written.filter(|id| is_control(**id)).count() > 3, "the model likes something else");
    let found = translate_lines(&mut b, &model, &vocab, &LINES, &options(beam), &|_| Ok(()));
    let found = found.expect("a translation").lines.into_iter();
    found.map(|line| line.into_iter().map(|t| (t.text, t.score)).collect()).collect()
}

/// [`on_host`] from an image, by the search of the device; checks the tokens too.
fn from_image(seed: u64, beam: usize, format: Format, list: &[u8]) -> Vec<Vec<(String, f32)>> {
    let (vocab, config, weights) = random(seed);
    let tables = vocab.source().tables().expect("tables");
    let beside = Beside { shortlist: list.to_vec(), ..Beside::default() };
    let image = write_with(&config, &weights, &tables, &beside, format).expect("an image");
    let image = Words::new(&image);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let limits = Limits { source: 40, target: 50, beam, int8_cache: false };
    let mut arena = Words::zeros(model.arena_bytes(&limits));
    let options = Options { length_penalty: 0.8, max_length_a: 1.0, max_length_b: 8.0, cut: false };
    let mut translator = Translator::new(&model, arena.bytes_mut(), limits, options).expect("room");
    let mut line = |line: &&str| {
        let mut job = translator.start(line).expect("a line");
        job.finish().expect("numbers");
        let Some(found) = job.found() else { return vec![(String::new(), 0.0)] };
        let hypothesis = |rank| {
            let mut tokens = vec![0; found.length(0, rank)];
            found.tokens(0, rank, &mut tokens);
            assert!(!tokens.iter().any(|id| is_control(*id)), "{line:?}: {tokens:?}");
            (vocab.target().decode(&tokens).expect("tokens"), found.score(0, rank))
        };
        let all: Vec<_> = (0..found.count(0)).map(hypothesis).collect();
        let mut out = [0; 400];
        assert_eq!(job.text(&mut out).expect("room"), all[0].0);
        all
    };
    LINES.iter().map(&mut line).collect()
}

/// Asserts one line of text per line of input, as many hypotheses as the search keeps, and no control character.
fn check(found: &[Vec<(String, f32)>], beam: usize) {
    assert_eq!(found.len(), LINES.len());
    let best: String = found.iter().map(|line| format!("{}\n", line[0].0)).collect();
    assert_eq!(best.lines().count(), LINES.len());
    for (line, all) in LINES.iter().zip(found) {
        assert_eq!(all.len(), if line.is_empty() { 1 } else { beam }, "{line:?}");
        assert!(!all.iter().any(|(text, _)| text.contains(char::is_control)), "{all:?}");
    }
}

#[test]
fn a_model_that_likes_control_characters_writes_none() {
    for seed in 0..4 {
        for beam in [1, BEAM] {
            let host = on_host(seed, beam);
            check(&host, beam);
            let image = from_image(seed, beam, Format::F32, &[]);
            for (host, image) in host.iter().zip(&image) {
                assert!(host.iter().map(|h| &h.0).eq(image.iter().map(|h| &h.0)));
                let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
                assert!(host.iter().zip(image).all(|(h, i)| near(h.1, i.1)), "{host:?} {image:?}");
            }
            check(&from_image(seed, beam, Format::Int8, &[]), beam);
        }
    }
}

#[test]
fn a_shortlist_of_control_characters_lets_none_through() {
    // Every control character is listed, and a few letters.
    let always: Vec<u16> = (0..4 + 0x20).chain(4 + 0x7f..4 + 0x80).chain(270..280).collect();
    for seed in 0..4 {
        let size = random(seed).0.sizes().target;
        let list = shortlist(&always, &vec![Vec::new(); size]);
        for beam in [1, BEAM] {
            check(&from_image(seed, beam, Format::Int8, &list), beam);
        }
    }
}
