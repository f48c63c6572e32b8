//! Shortlists: a search among fewer tokens.

use super::searches::{LENGTHS, configs, limits, options};
use a2d_core::image::{Error, Format};
use a2d_core::micro::{Limits, Model, Translator};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{image, listed, weights};
use a2d_tests::helpers::model::{Hypothesis, sentences};

const SPECIAL: [u16; 4] = [0, 1, 2, 3];

/// The best translation of each source, and whether the arena was used up to the last byte.
fn translated(image: &Words, sources: &[Vec<u32>], beam: usize) -> Vec<(Hypothesis, bool)> {
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let one = |source: &Vec<u32>| {
        let longest = source.len() + 2; // what the options allow
        let limits = Limits { source: source.len(), target: longest, ..limits(beam) };
        let mut arena = Words::zeros(model.arena_bytes(&limits));
        let len = arena.bytes().len();
        let mut translator =
            Translator::new(&model, arena.bytes_mut(), limits, options()).expect("room");
        let mut job = translator.start_tokens(&source[..source.len() - 1]).expect("a sentence");
        job.finish().expect("numbers");
        let mut tokens = vec![0; job.length()];
        if let Some(found) = job.found() {
            found.tokens(0, 0, &mut tokens);
        }
        ((tokens, job.score()), job.peak(&limits) == len)
    };
    sources.iter().map(one).collect()
}

#[test]
fn a_list_of_everything_changes_nothing() {
    let sources = sentences(9, &LENGTHS, 19);
    for config in configs() {
        let weights = weights(&config, 30);
        for (format, beam) in [(Format::F32, 1), (Format::Int8, 3), (Format::Int4, 2)] {
            let all: Vec<u16> = (0..config.target_vocabulary as u16).collect();
            let none = vec![Vec::new(); config.source_vocabulary];
            let with = listed(&config, &weights, format, &all, &none);
            let without = image(&config, &weights, format);
            let [with, without] = [with, without].map(|image| translated(&image, &sources, beam));
            assert!(with.iter().map(|x| &x.0).eq(without.iter().map(|x| &x.0)));
        }
    }
}

#[test]
fn only_what_is_listed_is_written() {
    let sources = sentences(9, &LENGTHS, 19);
    for config in configs() {
        let target = config.target_vocabulary as u16;
        // Each source token lists two target tokens; some are in several lists.
        let list =
            |id: u16| (id > 3).then(|| vec![4 + id % (target - 4), 4 + (id * 7) % (target - 4)]);
        let lists: Vec<Vec<u16>> = (0..19).map(|id| list(id).unwrap_or_default()).collect();
        let image = listed(&config, &weights(&config, 31), Format::Int8, &SPECIAL, &lists);
        for (source, ((tokens, _), _)) in sources.iter().zip(translated(&image, &sources, 2)) {
            let possible: Vec<u32> = source
                .iter()
                .flat_map(|id| &lists[*id as usize])
                .chain(&SPECIAL)
                .map(|id| u32::from(*id))
                .collect();
            assert!(tokens.iter().all(|id| possible.contains(id)), "{tokens:?} of {source:?}");
        }
    }
}

#[test]
fn the_arena_is_as_large_as_lists_that_do_not_overlap() {
    let config = configs()[1];
    let lists: Vec<Vec<u16>> = (0..19).map(|id| if id < 3 { vec![] } else { vec![id] }).collect();
    // EOS counts as a source token; its list is empty here.
    let weights = weights(&config, 32);
    let image = listed(&config, &weights, Format::F32, &[0, 1, 2, 3, 18], &lists);
    let model: Model<'_> = Model::new(image.bytes()).expect("an image");
    let sizes = model.image().shortlist().expect("a shortlist").sizes();
    assert_eq!((sizes.always, sizes.each, sizes.most(2, 19), sizes.most(90, 19)), (5, 1, 7, 19));
    let whole: Vec<u16> = (0..19).collect();
    let whole = listed(&config, &weights, Format::F32, &whole, &vec![Vec::new(); 19]);
    assert!(translated(&whole, &[vec![4, 5, 6, 7, 2]], 3)[0].1);
}

#[test]
fn a_damaged_list_is_refused() {
    let config = configs()[1];
    let weights = weights(&config, 33);
    let opened = |always: &[u16], lists: &[Vec<u16>]| {
        let image = listed(&config, &weights, Format::Int4, always, lists);
        Model::<6>::new(image.bytes()).map(drop)
    };
    let lists = vec![vec![5, 6]; 19];
    assert_eq!(opened(&SPECIAL, &lists), Ok(()));
    for always in [&[0, 1, 2][..], &[0, 1, 2, 4], &[0, 1, 3, 2], &[0, 1, 2, 3, 19], &[]] {
        assert_eq!(opened(always, &lists), Err(Error::Shortlist), "{always:?}");
    }
    assert_eq!(opened(&SPECIAL, &vec![vec![19]; 19]), Err(Error::Shortlist));
    assert_eq!(opened(&SPECIAL, &lists[1..]), Err(Error::Shortlist));
}
