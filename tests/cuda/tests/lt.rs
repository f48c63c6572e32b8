//! The stand-in for cuBLASLt: its products, compared with plain loops, and what it refuses.

use cuda::float::{BF16, F16, Format, Rounding, TF32};
use cuda::lt::product::*;
use std::ops::Range;

/// 3 by 2 from a depth of 4, each operand as its flag says, in batches of two. The types are those of operands and result.
fn product([kind, result]: [u32; 2], compute: u32, transposed: [bool; 2]) -> Product {
    let layout = |[rows, cols]: [u64; 2], turned: bool, kind| {
        let [rows, cols] = if turned { [cols, rows] } else { [rows, cols] };
        let ld = rows as i64 + 1;
        Layout { count: 2, step: 32, ..Layout::new(kind, [rows, cols], ld) }
    };
    let out = layout([3, 2], false, result);
    let of = Description { transposed, ..Description::new(compute, R_32F) };
    let (left, right) = (layout([3, 4], transposed[0], kind), layout([4, 2], transposed[1], kind));
    Product { of, left, right, sum: out, out }
}

/// Aligned memory for each part of a product.
#[repr(C, align(256))]
struct Parts {
    left: [f32; 64],
    right: [f32; 64],
    sum: [f32; 64],
    out: [f32; 64],
    workspace: [f32; 64],
    bias: [f32; 64],
}

impl Parts {
    fn new() -> Box<Self> {
        let numbers = |seed: u32| {
            std::array::from_fn(|i| ((i as u32 * 37 + seed * 11) % 19) as f32 / 7.0 - 1.0)
        };
        let [left, right, sum, bias] = [1, 2, 3, 4].map(numbers);
        Box::new(Self { left, right, sum, out: [f32::NAN; 64], workspace: [f32::NAN; 64], bias })
    }

    fn memory(&mut self) -> Memory {
        let at = |x: &mut [f32; 64]| x.as_mut_ptr() as u64;
        Memory {
            left: at(&mut self.left),
            right: at(&mut self.right),
            sum: at(&mut self.sum),
            out: at(&mut self.out),
            workspace: at(&mut self.workspace),
            workspace_bytes: 256,
        }
    }

    /// Whether a range lies in one of the parts.
    fn holds(&self) -> impl Fn(&Range<u64>) -> bool + use<> {
        let from = std::ptr::from_ref(self) as u64;
        move |range| {
            let (first, last) =
                (range.start.wrapping_sub(from) / 256, (range.end - 1).wrapping_sub(from) / 256);
            first == last && last < 6
        }
    }

    /// Rounds an operand in place to 16 bits.
    fn shorten(x: &mut [f32; 64], format: Format) {
        let short = x.map(|x| format.encode(f64::from(x), Rounding::Nearest) as u16);
        for (x, pair) in x.iter_mut().zip(short.chunks(2)) {
            *x = f32::from_bits(u32::from(pair[0]) | u32::from(pair[1]) << 16);
        }
    }
}

/// An element of an operand that `turned` says to be transposed.
fn element(x: &[f64], of: &Layout, turned: bool, number: usize, [row, col]: [usize; 2]) -> f64 {
    let [row, col] = if turned { [col, row] } else { [row, col] };
    x[number * of.step as usize + col * of.ld as usize + row]
}

fn agrees([kind, result]: [u32; 2], compute: u32, transposed: [bool; 2], epilogue: u32, beta: f32) {
    let mut parts = Parts::new();
    let mut product = product([kind, result], compute, transposed);
    let round = |x: &[f32; 64], kind: u32, compute: u32| -> Vec<f64> {
        let format = match (kind, compute) {
            (R_16BF, _) => Some((BF16, Rounding::Nearest)),
            (R_16F, _) => Some((F16, Rounding::Nearest)),
            (_, COMPUTE_TF32) => Some((TF32, Rounding::Away)),
            _ => None,
        };
        let round = |&x: &f32| match format {
            Some((format, rounding)) => format.decode(format.encode(f64::from(x), rounding)),
            None => f64::from(x),
        };
        x.iter().map(round).collect()
    };
    let [left, right] = [&parts.left, &parts.right].map(|x| round(x, kind, compute));
    let [sum, bias] = [&parts.sum, &parts.bias].map(|x| round(x, result, COMPUTE_32F));
    let Parts { left: a, right: b, sum: c, bias: d, .. } = &mut *parts;
    for (x, kind) in [(a, kind), (b, kind), (c, result), (d, result)] {
        match kind {
            R_16BF => Parts::shorten(x, BF16),
            R_16F => Parts::shorten(x, F16),
            _ => {}
        }
    }
    product.of.epilogue = epilogue;
    product.of.bias = parts.bias.as_mut_ptr() as u64;
    product.of.bias_step = 8;
    let algorithm = product.algorithm(256, [256, 256, 4, 4]).unwrap();
    let (memory, holds) = (parts.memory(), parts.holds());
    // 16-bit operands are half as far apart: only 64 bytes.
    let algorithm = Algorithm { alignment: [4; 4], ..algorithm };
    product.check_launch(&algorithm, &memory, beta, holds).unwrap();
    // SAFETY: checked, and nothing else uses the memory.
    unsafe { product.run(&memory, [2.0, beta]) };
    for (number, row, col) in
        (0..2).flat_map(|b| (0..3).flat_map(move |r| (0..2).map(move |c| (b, r, c))))
    {
        let term = |i| {
            element(&left, &product.left, transposed[0], number, [row, i])
                * element(&right, &product.right, transposed[1], number, [i, col])
        };
        let at = number * 32 + col * 4 + row;
        let mut want = 2.0 * (0..4).map(term).sum::<f64>() + f64::from(beta) * sum[at];
        if epilogue & BIAS != 0 {
            want += bias[number * 8 + row];
        }
        if epilogue & RELU != 0 {
            want = want.max(0.0);
        }
        let short = |format: Format| {
            let half = parts.out[at / 2].to_bits() >> (16 * (at % 2)) & 0xffff;
            (format.decode(half), format.decode(format.encode(want, Rounding::Nearest)))
        };
        let (got, want) = match result {
            R_16BF => short(BF16),
            R_16F => short(F16),
            _ => (f64::from(parts.out[at]), want),
        };
        assert!((got - want).abs() < 1e-5, "{kind} {compute} {transposed:?}: {got}, not {want}");
    }
    for (number, col) in (0..2).flat_map(|b| (0..2).map(move |c| (b, c))) {
        let term = |i| element(&right, &product.right, transposed[1], number, [i, col]);
        let want = (0..4).map(term).sum::<f64>();
        let off = f64::from(parts.bias[number * 8 + col]) - want;
        assert_eq!(off.abs() < 1e-5, epilogue == BGRADB, "sums of B's columns");
    }
    if result == R_32F {
        assert!(parts.out[3].is_nan(), "the gap between columns was written");
    }
}

#[test]
fn products_are_those_of_plain_loops() {
    for transposed in [[false, false], [true, false], [false, true], [true, true]] {
        for (kinds, compute) in [
            ([R_32F; 2], COMPUTE_32F),
            ([R_32F; 2], COMPUTE_TF32),
            ([R_16BF, R_32F], COMPUTE_32F),
            ([R_16BF; 2], COMPUTE_32F),
            ([R_16F, R_32F], COMPUTE_32F),
            ([R_16F; 2], COMPUTE_32F),
        ] {
            agrees(kinds, compute, transposed, DEFAULT, 0.0);
            agrees(kinds, compute, transposed, BIAS, 0.0);
            agrees(kinds, compute, transposed, BIAS | RELU, 1.0);
            if kinds[1] == R_32F {
                agrees(kinds, compute, transposed, BGRADB, 1.0);
            }
        }
    }
}

#[test]
fn signs_are_kept_and_taken() {
    let mut parts = Parts::new();
    let mut signs = [0u128; 2];
    let mut product = product([R_32F; 2], COMPUTE_32F, [false, false]);
    for layout in [&mut product.left, &mut product.right, &mut product.sum, &mut product.out] {
        layout.count = 1;
    }
    product.of.signs = signs.as_mut_ptr() as u64;
    product.of.signs_ld = 128;
    let memory = parts.memory();
    let mut results = [DEFAULT, RELU | AUX, DRELU].map(|epilogue| {
        product.of.epilogue = epilogue;
        product.check().unwrap();
        // SAFETY: all memory is as described, and nothing else uses it.
        unsafe { product.run(&memory, [1.0, 0.0]) };
        let at = |i: usize| parts.out[i / 3 * 4 + i % 3];
        std::array::from_fn::<f32, 6, _>(at)
    });
    let [plain, kept, taken] = &mut results;
    assert!(plain.iter().any(|&x| x < 0.0) && plain.iter().any(|&x| x > 0.0), "{plain:?}");
    for (i, &x) in plain.iter().enumerate() {
        assert_eq!(kept[i], x.max(0.0));
        assert_eq!(taken[i], x.max(0.0));
        assert_eq!(signs[i / 3] >> (i % 3) & 1 == 1, x > 0.0);
    }
}

/// What the library says of a product that `change` has spoiled.
fn refused(change: impl FnOnce(&mut Product)) -> String {
    let mut product = product([R_32F; 2], COMPUTE_32F, [false, true]);
    change(&mut product);
    let Refusal { code, what } = product.algorithm(0, [256; 4]).unwrap_err();
    format!("{code} {what}")
}

#[test]
fn products_that_make_no_sense_are_refused() {
    assert_eq!(refused(|p| p.left.cols = 0), "7 A is empty");
    assert_eq!(refused(|p| p.right.ld = 1), "7 B: a leading dimension below the rows");
    assert_eq!(refused(|p| p.sum.count = 0), "7 C: its batch");
    assert_eq!(refused(|p| p.left.count = 1), "7 A: another number of matrices");
    assert_eq!(refused(|p| p.left.cols = 5), "7 A and B do not fit");
    assert_eq!(refused(|p| p.of.transposed[1] = false), "7 A and B do not fit");
    assert_eq!(refused(|p| p.out.rows = 2), "7 D is not of the size of A B");
    assert_eq!(refused(|p| p.sum.rows = 2), "7 C is not of the size of D");
    assert_eq!(refused(|p| p.out.step = 3), "7 the matrices of C or D overlap");
    assert_eq!(refused(|p| p.of.epilogue = BIAS), "7 an epilogue with bias, and no bias");
    assert_eq!(refused(|p| (p.of.epilogue, p.of.bias) = (BIAS, 4)), "7 a bias that is not aligned");
    let signed =
        |signs, ld| refused(|p| (p.of.epilogue, p.of.signs, p.of.signs_ld) = (DRELU, signs, ld));
    assert_eq!(signed(0, 128), "7 an epilogue with signs, and nowhere to keep them");
    assert_eq!(signed(8, 128), "7 signs that are not aligned");
    assert_eq!(signed(16, 64), "7 the leading dimension of the signs");
    assert_eq!(signed(16, 128), "7 signs of several matrices");
}

#[test]
fn products_that_the_library_lacks_are_not_supported() {
    assert_eq!(refused(|p| p.left.kind = R_16F), "15 operands of type 2 and 0");
    assert_eq!(
        refused(|p| p.out.kind = R_16F),
        "15 results that are neither f32 nor of the operands' type"
    );
    assert_eq!(refused(|p| p.of.scale = R_16F), "15 sums of type 68, scaled by 2");
    assert_eq!(refused(|p| p.of.epilogue = 32), "15 epilogue 32");
    assert_eq!(refused(|p| p.of.epilogue = BGRADB | RELU), "15 epilogue 514");
    let short = |p: &mut Product| {
        (p.left.kind, p.right.kind, p.of.compute) = (R_16F, R_16F, COMPUTE_TF32);
    };
    assert_eq!(refused(short), "15 sums of type 77, scaled by 0");
}

/// What the library says of a launch that `change` has spoiled.
fn launch(beta: f32, change: impl FnOnce(&mut Product, &mut Algorithm, &mut Memory)) -> String {
    let mut parts = Parts::new();
    let mut product = product([R_32F; 2], COMPUTE_32F, [false, false]);
    product.of.epilogue = BIAS;
    product.of.bias = parts.bias.as_ptr() as u64;
    for layout in [&mut product.left, &mut product.right, &mut product.sum, &mut product.out] {
        layout.count = 1;
    }
    let mut algorithm = product.algorithm(256, [64; 4]).unwrap();
    let (mut memory, holds) = (parts.memory(), parts.holds());
    change(&mut product, &mut algorithm, &mut memory);
    match product.check_launch(&algorithm, &memory, beta, holds) {
        Ok(()) => String::new(),
        Err(Refusal { what, .. }) => what,
    }
}

#[test]
fn launches_are_checked() {
    assert_eq!(launch(0.0, |_, _, _| {}), "");
    assert_eq!(launch(0.0, |p, _, _| p.of.transposed = [true; 2]), "A and B do not fit");
    assert_eq!(launch(0.0, |p, _, _| p.left.ld = 5), "an algorithm of another product");
    assert_eq!(launch(0.0, |_, _, m| m.left += 32), "A is not aligned to 64 bytes");
    assert_eq!(launch(0.0, |_, _, m| m.right += 64), "");
    assert_eq!(launch(0.0, |_, _, m| m.right += 256 * 8), "B is not in memory that is allocated");
    assert_eq!(launch(0.0, |_, _, m| m.sum = 4), "");
    assert_eq!(launch(1.0, |_, _, m| m.sum = 4), "C is not aligned to 64 bytes");
    assert_eq!(launch(1.0, |_, _, m| m.sum = 64), "C is not in memory that is allocated");
    assert_eq!(launch(1.0, |_, _, m| m.sum = m.out), "");
    let overlaps = |_: &mut Product, a: &mut Algorithm, m: &mut Memory| {
        (a.alignment, m.sum) = ([4; 4], m.out + 4);
    };
    assert_eq!(launch(1.0, overlaps), "C overlaps D");
    assert_eq!(launch(0.0, |_, _, m| m.out = m.left), "A overlaps D");
    assert_eq!(
        launch(0.0, |p, _, _| p.of.bias += 256),
        "the bias is not in memory that is allocated"
    );
    assert_eq!(launch(0.0, |_, _, m| m.workspace_bytes = 128), "a workspace that is too small");
    assert_eq!(launch(0.0, |_, _, m| m.workspace += 128), "a workspace that is not aligned");
    let beyond = |_: &mut Product, _: &mut Algorithm, m: &mut Memory| m.workspace_bytes = 512;
    assert_eq!(launch(0.0, beyond), "the workspace is not in memory that is allocated");
}
