//! Matrix products of every shape and type, compared with plain loops.

mod machine;

use cuda::float::{BF16, F16, Rounding, TF32};
use machine::Run;

/// The type of an operand: its name, size and encoding.
struct Operand {
    name: &'static str,
    bytes: usize,
    encode: fn(f64) -> u32,
    /// The value that a product uses.
    value: fn(u32) -> f64,
}

const OPERANDS: [Operand; 3] = [
    Operand {
        name: "bf16",
        bytes: 2,
        encode: |x| BF16.encode(x, Rounding::Nearest),
        value: |x| BF16.decode(x),
    },
    Operand {
        name: "f16",
        bytes: 2,
        encode: |x| F16.encode(x, Rounding::Nearest),
        value: |x| F16.decode(x),
    },
    // Not rounded first: a product truncates to the upper bits.
    Operand {
        name: "tf32",
        bytes: 4,
        encode: |x| (x as f32).to_bits(),
        value: |x| TF32.decode(x >> 13),
    },
];

/// Memory of a test, with the alignment of matrices.
#[repr(C, align(32))]
struct Memory {
    a: [u8; 4096],
    b: [u8; 4096],
    d: [f32; 1024],
}

fn write(to: &mut [u8], at: usize, bytes: usize, bits: u32) {
    to[at * bytes..][..bytes].copy_from_slice(&bits.to_ne_bytes()[..bytes]);
}

fn registers(prefix: &str, count: usize) -> String {
    let all: Vec<_> = (0..count).map(|i| format!("%{prefix}{}", 10 + i)).collect();
    format!("{{{}}}", all.join(", "))
}

/// Checks one product; `a_rows` and `b_rows` say whether the operands are stored by rows.
fn agrees(of: &Operand, [m, n, k]: [usize; 3], a_rows: bool, b_rows: bool) {
    let shape = format!("m{m}n{n}k{k}");
    let (a_count, b_count) = match of.name {
        "f16" => (8, 8),
        "bf16" => (m * k / 64, k * n / 64),
        _ => (4, 4),
    };
    let order = |rows| if rows { "row" } else { "col" };
    let (a_order, b_order) = (order(a_rows), order(b_rows));
    let types =
        if of.name == "f16" { "f32.f32".into() } else { format!("f32.{0}.{0}.f32", of.name) };
    let (a_stride, b_stride) = (if a_rows { k } else { m } + 16, if b_rows { n } else { k } + 8);
    let a = registers("r", a_count);
    let b = registers("r", b_count).replace("%r", "%r2");
    let c = registers("f", 8);
    let zeros = ["0f3F000000"; 8].join(", ");
    let body = format!(
        ".reg .b32 %r2<40>;
        add.s64 %rd2, %rd1, 4096; add.s64 %rd3, %rd1, 8192;
        wmma.load.a.sync.aligned.{a_order}.{shape}.global.{name} {a}, [%rd1], {a_stride};
        wmma.load.b.sync.aligned.{b_order}.{shape}.{name} {b}, [%rd2], {b_stride};
        wmma.mma.sync.aligned.{a_order}.{b_order}.{shape}.{types} {c}, {a}, {b}, {{{zeros}}};
        wmma.store.d.sync.aligned.col.{shape}.global.f32 [%rd3], {c}, {m};",
        name = of.name,
    )
    .replace(".reg .b32 %r2<40>", ".reg .b32 %r2<41>");
    let mut memory = Box::new(Memory { a: [0xff; 4096], b: [0xff; 4096], d: [f32::NAN; 1024] });
    let number = |i: usize, seed: usize| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0;
    let (mut left, mut right) = (vec![0.0; m * k], vec![0.0; k * n]);
    for (i, left) in left.iter_mut().enumerate() {
        let (row, column) = (i / k, i % k);
        let bits = (of.encode)(number(i, 1));
        *left = (of.value)(bits);
        let at = if a_rows { row * a_stride + column } else { column * a_stride + row };
        write(&mut memory.a, at, of.bytes, bits);
    }
    for (i, right) in right.iter_mut().enumerate() {
        let (row, column) = (i / n, i % n);
        let bits = (of.encode)(number(i, 2));
        *right = (of.value)(bits);
        let at = if b_rows { row * b_stride + column } else { column * b_stride + row };
        write(&mut memory.b, at, of.bytes, bits);
    }
    Run::new(&body)
        .on(std::slice::from_mut(&mut *memory))
        .unwrap_or_else(|fault| panic!("{}", fault.what));
    for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
        let want: f64 =
            0.5 + (0..k).map(|i| left[row * k + i] * right[i * n + column]).sum::<f64>();
        let got = f64::from(memory.d[column * m + row]);
        assert!(
            (got - want).abs() < 2e-6,
            "{} {shape} {a_order} {b_order} [{row}, {column}]: {got}, not {want}",
            of.name
        );
    }
}

#[test]
fn products_are_those_of_plain_loops() {
    for of in &OPERANDS {
        let shapes: &[_] = if of.name == "tf32" {
            &[[16, 16, 8]]
        } else {
            &[[16, 16, 16], [32, 8, 16], [8, 32, 16]]
        };
        for &shape in shapes {
            for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
                agrees(of, shape, a, b);
            }
        }
    }
}

#[test]
fn some_lanes_make_no_matrix() {
    let body = "setp.lt.u32 %p1, %r1, 16; @%p1 ret;
        wmma.load.a.sync.aligned.row.m16n16k16.bf16 {%r10, %r11, %r12, %r13}, [%rd1], 16;";
    let mut memory = Box::new(Memory { a: [0; 4096], b: [0; 4096], d: [0.0; 1024] });
    let memory = std::slice::from_mut(&mut *memory);
    assert_eq!(Run::new(body).on(memory).unwrap_err().code, 715);
    let body = "add.s64 %rd1, %rd1, 16; wmma.load.a.sync.aligned.row.m16n16k16.bf16 {%r10, %r11, %r12, %r13}, [%rd1], 16;";
    assert_eq!(Run::new(body).on(memory).unwrap_err().code, 716);
}
