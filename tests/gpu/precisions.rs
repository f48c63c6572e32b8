//! Matrix products in each precision, compared with plain loops over rounded operands.

use crate::suite::{Noise, values};
use a2d_core::backend::{Backend as _, Train};
use a2d_core::config::Activation;
use a2d_core::shape::Shape;
use a2d_gpu::{By, Form, Gpu, Precision};

/// Rows, inputs and outputs of linear maps: smaller than a tile, not a multiple of one, several tiles, and an odd
/// number of tiles in depth, in each form.
const SIZES: [[usize; 3]; 11] = [
    [1, 1, 1],
    [3, 5, 2],
    [16, 16, 16],
    [17, 64, 33],
    [1, 200, 7],
    [130, 36, 70],
    [64, 72, 257],
    [300, 128, 96],
    [9, 515, 140],
    [96, 32, 160],
    [40, 96, 48],
];

/// `x` rounded as an operand of `precision`.
fn rounded(x: f32, precision: Precision) -> f64 {
    let fraction = match precision {
        Precision::F32 => 23,
        Precision::Tf32 | Precision::F16 => 10,
        Precision::Bf16 => 7,
    };
    let unit = f64::powi(2.0, x.abs().log2().floor().max(-126.0) as i32 - fraction);
    let units = f64::from(x) / unit;
    // CUDA rounds to tf32 only with ties away from zero.
    unit * if precision == Precision::Tf32 { units.round() } else { units.round_ties_even() }
}

/// The largest error of `got` as the products of the rows of `a` and `b`, relative to the largest possible sum.
fn distance(got: &[f32], a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert_eq!(got.len(), a.len() * b.len());
    let size = |row: &Vec<f64>| row.iter().map(|x| x * x).sum::<f64>().sqrt();
    let largest = |rows: &[Vec<f64>]| rows.iter().map(size).fold(1e-30, f64::max);
    let scale = largest(a) * largest(b);
    let mut most = 0.0f64;
    for (got, (a, b)) in got.iter().zip(a.iter().flat_map(|a| b.iter().map(move |b| (a, b)))) {
        let want: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        let off = (f64::from(*got) - want).abs();
        // The error of a NaN is infinite.
        most = if off.is_nan() { f64::INFINITY } else { most.max(off / scale) };
    }
    most
}

/// The rounded rows of a row-major matrix.
fn rows(x: &[f32], columns: usize, precision: Precision) -> Vec<Vec<f64>> {
    let row = |row: &[f32]| row.iter().map(|&x| rounded(x, precision)).collect();
    x.chunks(columns).map(row).collect()
}

fn columns(x: &[f32], columns: usize, precision: Precision) -> Vec<Vec<f64>> {
    let column = |c| x.iter().skip(c).step_by(columns).map(|&x| rounded(x, precision)).collect();
    (0..columns).map(column).collect()
}

/// The largest error of results that are rounded in bf16, as products and attention read them. Checks that they are.
fn most_where_rounded(results: &[f32], p: Precision) -> f64 {
    if p != Precision::Bf16 {
        return 2e-6;
    }
    assert!(results.iter().all(|&x| rounded(x, p) == f64::from(x)), "not rounded");
    1.0 / 256.0
}

/// Products in all three forms: `linear` and its two gradients.
pub fn round_their_operands<B: Train>(b: &mut B, precision: Precision) {
    let p = precision;
    for [n, i, o] in SIZES {
        let noise = &mut Noise::new(7);
        let [x, w, dy] = [n * i, o * i, n * o].map(|len| noise.list(len));
        let [tx, tw, tdy] = [(&x, [n, i]), (&w, [o, i]), (&dy, [n, o])]
            .map(|(data, [rows, cols])| b.tensor(data, Shape::matrix(rows, cols)));
        let y = b.linear(&tx, &tw, None);
        let back = b.linear_grad(&tdy, &tx, &tw, false, None);
        let [y, dx, dw] = [&y, &back.x, &back.w].map(|t| values(b, t));
        let found = [
            distance(&y, &rows(&x, i, p), &rows(&w, i, p)),
            distance(&dx, &rows(&dy, o, p), &columns(&w, i, p)),
            distance(&dw, &columns(&dy, o, p), &columns(&x, i, p)),
        ];
        println!("{p}: {n} x {i} by {o}: {:?}", found.map(|off| format!("{off:.1e}")));
        let most = [2e-6, most_where_rounded(&dx, p), 2e-6];
        let all = found.iter().zip(most).all(|(&off, most)| off < most);
        assert!(all, "{p}: {n} x {i} by {o}: {found:?}");
        maps_of_one_input_round_theirs(b, p, [n, i, o]);
    }
}

/// The same for three maps of one input, and for the gradients of two.
fn maps_of_one_input_round_theirs<B: Train>(b: &mut B, p: Precision, [n, i, o]: [usize; 3]) {
    let noise = &mut Noise::new(8);
    let (x, w, dy) = (noise.list(n * i), noise.list(3 * o * i), noise.list(2 * n * o));
    let tx = b.tensor(&x, Shape::matrix(n, i));
    let bias = b.zeros(Shape::vector(o));
    let ws: Vec<_> = w.chunks(o * i).map(|w| b.tensor(w, Shape::matrix(o, i))).collect();
    let ws = b.together(ws);
    let [k, v, q] = b.linears(&tx, [0, 1, 2].map(|m| [&ws[m], &bias]));
    let dys: Vec<_> = dy.chunks(n * o).map(|dy| b.tensor(dy, Shape::matrix(n, o))).collect();
    let back = b.linears_grad(&dys, &tx, &[&ws[0], &ws[1]], None);
    for (m, y) in [k, v, q].iter().enumerate() {
        let w = &w[m * o * i..][..o * i];
        let y = values(b, y);
        let off = distance(&y, &rows(&x, i, p), &rows(w, i, p));
        assert!(off < most_where_rounded(&y, p), "{p}: map {m} of {n} x {i} by {o}: {off}");
    }
    for (m, (dw, _)) in back.maps.iter().enumerate() {
        let dy = &dy[m * n * o..][..n * o];
        let off = distance(&values(b, dw), &columns(dy, o, p), &columns(&x, i, p));
        assert!(off < 2e-6, "{p}: gradient {m} of {n} x {i} by {o}: {off}");
    }
    // Side by side, the rows of both maps are those of one product of twice the depth.
    let wide: Vec<f32> = (0..n)
        .flat_map(|r| (0..2).flat_map(move |m| (0..o).map(move |c| (r, m, c))))
        .map(|(r, m, c)| dy[(m * n + r) * o + c])
        .collect();
    let dx = values(b, &back.x.expect("the gradient of x"));
    let off = distance(&dx, &rows(&wide, 2 * o, p), &columns(&w[..2 * o * i], i, p));
    assert!(off < most_where_rounded(&dx, p), "{p}: dx of {n} x {i} by {o}: {off}");
}

/// Where a library computes products, it computes all of them, and sums and biases in the same pass.
pub fn are_of_the_library(b: &mut Gpu, p: Precision) {
    let by_library = matches!(b.products(), By::CublasLt(_));
    let [n, i, o] = [5, 24, 16];
    let noise = &mut Noise::new(9);
    let [x, w, dy] = [[n, i], [o, i], [n, o]]
        .map(|[rows, cols]| b.tensor(&noise.list(rows * cols), Shape::matrix(rows, cols)));
    let shift = noise.list(o);
    let bias = b.tensor(&shift, Shape::vector(o));
    let results = [
        b.linear(&x, &w, None),
        b.linear(&x, &w, Some(&bias)),
        b.linear_activate(&x, [&w, &bias], Activation::Relu),
    ];
    let [plain, added, relu] = results.each_ref().map(|y| values(b, y));
    for (at, plain) in plain.iter().enumerate() {
        let want = plain + shift[at % o];
        // In bf16 results of ReLU are rounded, as products alone read them, and so are their biases.
        let rounding = if p == Precision::Bf16 { (want.abs() + 1.0) / 256.0 } else { 1e-5 };
        let [added, relu] = [added[at] - want, relu[at] - want.max(0.0)].map(f32::abs);
        assert!(added < 1e-5 && relu < rounding, "{p}: {added}, {relu}");
    }
    let once = b.linear_grad(&dy, &x, &w, true, None);
    let twice = b.linear_grad(&dy, &x, &w, true, Some(once.x.clone()));
    for (once, twice) in values(b, &once.x).iter().zip(values(b, &twice.x)) {
        assert!((2.0 * once - twice).abs() < 1e-4, "{p}: {once} twice is {twice}");
    }
    // Three results, and two gradients with two products each.
    let expected = if by_library { 7 } else { 0 };
    assert_eq!(b.products_by_library(), expected, "{p}: {}", b.products());
}

/// The tiles of tensor cores: cubek's choice for the large shape leaves none.
pub fn leave_registers_to_a_unit(gpu: &Gpu, p: Precision, on_cuda: bool) {
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        let sums = [64, 1024, 4096, 4104, 16_384, 65_536]
            .map(|m| gpu.sums_per_unit(form, [m, 1024, 1024]));
        println!("{p} {form:?}: {sums:?}");
        assert!(sums.iter().flatten().all(|&sums| sums <= 128), "{p} {form:?}: {sums:?}");
        let has_tiles = on_cuda && p != Precision::F32;
        assert!(!has_tiles || sums.iter().all(Option::is_some), "{p} {form:?}: {sums:?}");
    }
}
