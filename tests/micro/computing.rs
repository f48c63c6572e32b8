//! What products are computed with: sums of bytes, and two workers.

use super::products::noise;
use super::searches::{LENGTHS, configs, limits, options};
use a2d_core::backend::{Backend, Device};
use a2d_core::image::Format;
use a2d_core::micro::{Compute, Limits, Micro, Model, Parameter, Portable, Translator};
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_dsp::Dsp;
use a2d_host::export::int8;
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{Parameters, image, listed, weights};
use a2d_tests::helpers::model::sentences;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Two threads. Counts the products that they share.
#[derive(Default)]
struct Two(AtomicUsize);

impl Compute for Two {
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]) {
        Portable.dots(x, w, sums);
    }

    fn workers(&self) -> usize {
        2
    }

    fn join(&self, one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(one);
            other();
        });
    }
}

/// Bytes, one in three of them extreme.
fn bytes(key: u64, n: usize) -> Vec<i8> {
    let byte = |i| match rng::derive(key, i) >> 20 & 7 {
        0 => i8::MIN,
        1 => i8::MAX,
        2 => -127,
        other => (rng::derive(key, i) >> 30) as i8 ^ other as i8,
    };
    (0..n as u64).map(byte).collect()
}

#[test]
fn sums_of_bytes_are_exact() {
    let sizes = (0..70).chain([128, 131, 132, 257, 1000]);
    for (key, (cols, rows)) in
        (0..).zip(sizes.flat_map(|cols| (0..7).map(move |rows| (cols, rows))))
    {
        let (x, w) = (bytes(key, cols), bytes(key + 10_000, rows * cols));
        let want: Vec<i64> = (0..rows)
            .map(|r| {
                let row = &w[r * cols..][..cols];
                x.iter().zip(row).map(|(x, w)| i64::from(*x) * i64::from(*w)).sum()
            })
            .collect();
        for by in [&Portable as &dyn Compute, &Dsp] {
            let mut sums = vec![0; rows];
            by.dots(&x, &w, &mut sums);
            assert!(
                sums.iter().map(|sum| i64::from(*sum)).eq(want.iter().copied()),
                "{rows} {cols}"
            );
        }
    }
}

#[test]
fn sums_without_a_row_stay() {
    for by in [&Portable as &dyn Compute, &Dsp] {
        let mut sums = [7; 6];
        by.dots(&[1, 2], &[3, 4, 5], &mut sums);
        assert_eq!(sums, [11, 7, 7, 7, 7, 7]);
    }
}

#[test]
fn the_largest_sum_fits() {
    let cols = a2d_core::image::MOST_COLUMNS as usize;
    let (x, w) = (vec![-127; cols], vec![i8::MIN; cols]);
    for by in [&Portable as &dyn Compute, &Dsp] {
        let mut sums = [0];
        by.dots(&x, &w, &mut sums);
        assert_eq!(i64::from(sums[0]), 127 * 128 * cols as i64);
    }
}

#[test]
fn two_workers_share_rows_of_a_product() {
    let data = noise(70, 67 * 40);
    let (mut numbers, scales) = int8(&data, 40);
    numbers.resize(numbers.len().next_multiple_of(16), 0);
    numbers.extend(scales);
    let mut parameters = Parameters::default();
    parameters.push(Format::Int8, Shape::matrix(67, 40), Words::new(&numbers).bytes());
    for rows in [1, 2, 3, 8] {
        let x = noise(71, rows * 40);
        let by = |compute: &dyn Compute| {
            parameters.with(|weights| {
                let mut memory = Words::zeros(1 << 14);
                let b = Micro::new(memory.bytes_mut(), 0, weights).expect("room");
                let mut b = b.computing(compute);
                let x = b.tensor(&x, Shape::matrix(rows, 40));
                let y = b.linear(&x, &Parameter::new(0), None);
                let mut got = vec![f32::NAN; rows * 67];
                b.read(&y, &mut got).expect("no fault");
                got.iter().map(|y| y.to_bits()).collect::<Vec<_>>()
            })
        };
        let two = Two::default();
        assert_eq!(by(&two), by(&Portable), "{rows}");
        assert_eq!(two.0.into_inner(), 1);
    }
}

/// The best translation of a sentence, and the bits of its score.
fn translated(model: &Model<'_>, source: &[u32], compute: &dyn Compute) -> (Vec<u32>, u32) {
    let limits = Limits { source: source.len(), target: source.len() + 2, ..limits(2) };
    let mut arena = Words::zeros(model.arena_bytes(&limits));
    let translator = Translator::new(model, arena.bytes_mut(), limits, options()).expect("room");
    let mut out = vec![0; source.len() + 2];
    let mut translator = translator.computing(compute);
    let done = translator.translate_tokens(&source[..source.len() - 1], &mut out).expect("numbers");
    out.truncate(done.length);
    (out, done.score.to_bits())
}

#[test]
fn translations_have_the_same_bits_with_two_workers() {
    for config in configs() {
        let weights = weights(&config, 33);
        let target = config.target_vocabulary as u16;
        let lists: Vec<Vec<u16>> = (0..config.source_vocabulary as u16)
            .map(|id| if id > 3 { vec![4 + (id * 7) % (target - 4)] } else { Vec::new() })
            .collect();
        let images = [Format::F32, Format::Int8, Format::Int4].map(|f| image(&config, &weights, f));
        let short = listed(&config, &weights, Format::Int8, &[0, 1, 2, 3], &lists);
        for image in images.iter().chain([&short]) {
            let model: Model<'_> = Model::new(image.bytes()).expect("an image");
            for source in sentences(9, &LENGTHS, 19) {
                let two = Two::default();
                assert_eq!(
                    translated(&model, &source, &two),
                    translated(&model, &source, &Portable)
                );
                assert!(source.len() == 1 || two.0.into_inner() > 10);
            }
        }
    }
}
