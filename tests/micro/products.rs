//! Quantised products, compared with the same products in f64.

use a2d_core::backend::{Backend, Device};
use a2d_core::image::{Format, GROUP, Weight};
use a2d_core::micro::{Micro, Parameter};
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_host::export::{int4, int8};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::Parameters;

const SIZES: [[usize; 3]; 6] =
    [[1, 1, 1], [3, 5, 7], [4, 32, 9], [5, 64, 33], [9, 100, 3], [2, 257, 20]];

/// `n` pseudorandom numbers in `[-1, 1)`.
pub fn noise(key: u64, n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| 2.0 * rng::uniform(key, i) - 1.0).collect()
}

/// The bytes of a weight in an image.
fn packed(data: &[f32], cols: usize, format: Format) -> Words {
    let (mut numbers, scales) = match format {
        Format::F32 => (data.iter().flat_map(|x| x.to_le_bytes()).collect(), Vec::new()),
        Format::Int8 => int8(data, cols),
        Format::Int4 => int4(data, cols),
    };
    numbers.resize(numbers.len().next_multiple_of(16), 0);
    numbers.extend(scales);
    Words::new(&numbers)
}

/// The dequantised numbers of a weight.
fn unpacked(w: &Weight<'_>) -> Vec<f32> {
    let mut out = vec![f32::NAN; w.shape().len()];
    for (row, out) in out.chunks_mut(w.shape().cols()).enumerate() {
        w.read(row, out).expect("a row");
    }
    out
}

/// `x` `[n, cols]` times the one parameter, as a device computes it.
fn product(x: &[f32], shape: Shape, w: &Parameters, outputs: usize) -> Vec<f32> {
    w.with(|weights| {
        let mut memory = Words::zeros(1 << 16);
        let mut b = Micro::new(memory.bytes_mut(), 0, weights).expect("room");
        let input = b.tensor(x, shape);
        let y = b.linear(&input, &Parameter::new(0), None);
        let mut got = vec![f32::NAN; shape.rows() * outputs];
        b.read(&y, &mut got).expect("no fault");
        got
    })
}

fn one(format: Format, rows: usize, cols: usize, bytes: &Words) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.push(format, Shape::matrix(rows, cols), bytes.bytes());
    parameters
}

#[test]
fn weights_are_near_what_they_stand_for() {
    for [_, cols, rows] in SIZES {
        let data = noise(90, rows * cols);
        for (format, levels, group) in [(Format::Int8, 127.0, cols), (Format::Int4, 7.0, GROUP)] {
            let bytes = packed(&data, cols, format);
            let w = Weight::new(format, rows as u32, cols as u32, bytes.bytes()).expect("a weight");
            for (row, got) in data.chunks(cols).zip(unpacked(&w).chunks(cols)) {
                for (row, got) in row.chunks(group).zip(got.chunks(group)) {
                    let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                    let squares = |step: f32| row.len() as f32 * step * step;
                    let error: f32 = row.iter().zip(got).map(|(x, y)| (x - y) * (x - y)).sum();
                    // Half a step for each number; the scale of int4 is rounded to two bytes.
                    assert!(error <= squares(0.51 * most / levels), "{format:?} {cols}");
                }
            }
        }
    }
}

#[test]
fn products_are_within_the_bound_of_quantisation() {
    for [n, cols, rows] in SIZES {
        let (x, data) = (noise(91, n * cols), noise(92, rows * cols));
        for format in [Format::F32, Format::Int8, Format::Int4] {
            let bytes = packed(&data, cols, format);
            let w = Weight::new(format, rows as u32, cols as u32, bytes.bytes()).expect("a weight");
            let numbers = unpacked(&w);
            let parameter = one(format, rows, cols, &bytes);
            let got = product(&x, Shape::matrix(n, cols), &parameter, rows);
            for (i, got) in got.iter().enumerate() {
                let (x, w) = (&x[i / rows * cols..][..cols], &numbers[i % rows * cols..][..cols]);
                let sum = |f: &dyn Fn(f32, f32) -> f64| -> f64 {
                    x.iter().zip(w).map(|(x, w)| f(*x, *w)).sum()
                };
                let want = sum(&|x, w| f64::from(x) * f64::from(w));
                let weights = sum(&|_, w| f64::from(w.abs()));
                let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let step = if format == Format::F32 { 0.0 } else { f64::from(most) / 127.0 };
                let bound = 0.5 * step * weights + 1e-5 * (1.0 + weights);
                assert!((f64::from(*got) - want).abs() <= bound, "{format:?}: {got}, not {want}");
            }
        }
    }
}

#[test]
fn halves_go_to_even() {
    // 127 sets the scale to 1, so that halves are exact.
    let x = [127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.0];
    let want = [127.0, 0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 0.0];
    for at in 0..x.len() {
        let mut row = [0.0; 8];
        row[at] = 127.0;
        let bytes = packed(&row, 8, Format::Int8);
        let parameter = one(Format::Int8, 1, 8, &bytes);
        let got = product(&x, Shape::matrix(1, 8), &parameter, 1);
        assert_eq!(got, [127.0 * want[at]]);
    }
}
