//! Arithmetic, conversions and rounding.

mod machine;

use machine::each;

/// The value of `%r9` in thread 0 after `body`.
fn one(body: &str) -> u32 {
    each(&format!("{body} st.global.u32 [%rd2], %r9;"))[0]
}

fn float(body: &str) -> f32 {
    f32::from_bits(each(&format!("{body} st.global.f32 [%rd2], %f9;"))[0])
}

#[test]
fn integers() {
    assert_eq!(one("mov.u32 %r2, 7; mad.lo.s32 %r9, %r2, -3, 1;"), (-20i32) as u32);
    assert_eq!(one("mov.u32 %r2, -7; div.s32 %r9, %r2, 2;"), (-3i32) as u32);
    assert_eq!(one("mov.u32 %r2, -7; rem.u32 %r9, %r2, 10;"), (u32::MAX - 6) % 10);
    assert_eq!(one("mov.u32 %r2, 0x80000001; mul.hi.u32 %r9, %r2, 4;"), 2);
    assert_eq!(one("mov.u32 %r2, 1; shl.b32 %r9, %r2, 32;"), 0);
    assert_eq!(one("mov.u32 %r2, -8; shr.s32 %r9, %r2, 40;"), u32::MAX);
    assert_eq!(one("mov.u32 %r2, 5; bfi.b32 %r9, %r2, 0xff, 4, 3;"), 0xdf);
    assert_eq!(one("mov.u32 %r2, 0xabcd; bfe.u32 %r9, %r2, 4, 8;"), 0xbc);
    assert_eq!(one("mov.u32 %r2, 0xabcd; bfe.s32 %r9, %r2, 4, 8;"), 0xffff_ffbc);
    assert_eq!(one("mov.u32 %r2, 0x33221100; prmt.b32 %r9, %r2, 0x77665544, 0x7531;"), 0x7755_3311);
    assert_eq!(one("mov.u32 %r2, 12; lop3.b32 %r9, %r2, 10, 6, 0x96;"), 12 ^ 10 ^ 6);
    assert_eq!(one("mov.u32 %r2, 0x2000003; mul24.lo.u32 %r9, %r2, 5;"), 15);
    assert_eq!(one("mov.u16 %rs1, -2; mul.wide.s16 %r9, %rs1, 3;"), (-6i32) as u32);
    assert_eq!(one("mov.u64 %rd3, 0x1ffffffff; cvt.u32.u64 %r9, %rd3;"), u32::MAX);
    assert_eq!(
        one("mov.b32 %r2, 0x12345678; mov.b32 {%rs1, %rs2}, %r2; mov.b32 %r9, {%rs2, %rs1};"),
        0x5678_1234
    );
}

#[test]
fn floats() {
    assert_eq!(
        float("mov.f32 %f1, 0f3F800001; fma.rn.f32 %f9, %f1, %f1, 0fBF800002;"),
        2f32.powi(-46)
    );
    // 1 + 2^-24 lies between 1 and the next float.
    let sum = "mov.f32 %f1, 0f3F800000; mov.f32 %f2, 0f33800000;";
    assert_eq!(float(&format!("{sum} fma.rm.f32 %f9, %f1, %f1, %f2;")), 1.0);
    assert_eq!(float(&format!("{sum} fma.rp.f32 %f9, %f1, %f1, %f2;")), 1.0f32.next_up());
    assert_eq!(float(&format!("{sum} add.rp.f32 %f9, %f1, %f2;")), 1.0f32.next_up());
    assert_eq!(float("mov.f32 %f1, 0f40400000; ex2.approx.ftz.f32 %f9, %f1;"), 8.0);
    assert_eq!(float("mov.f32 %f1, 0f7FC00000; max.f32 %f9, %f1, 0f40000000;"), 2.0);
    assert!(float("mov.f32 %f1, 0f7FC00000; max.NaN.f32 %f9, %f1, 0f40000000;").is_nan());
    assert_eq!(float("mov.f32 %f1, 0f7FC00000; cvt.sat.f32.f32 %f9, %f1;"), 0.0);
    assert_eq!(float("mov.f32 %f1, 0f40400000; add.sat.f32 %f9, %f1, %f1;"), 1.0);
    assert_eq!(float("mov.f32 %f1, 0f00000001; mul.ftz.f32 %f9, %f1, 0f4B000000;"), 0.0);
    assert_eq!(float("mov.f32 %f1, 0f40400000; div.rn.f32 %f9, %f1, 0f3F000000;"), 6.0);
    assert_eq!(
        float("mov.f64 %fd1, 0d3FF0000000000001; cvt.rp.f32.f64 %f9, %fd1;"),
        1.0f32.next_up()
    );
}

#[test]
fn conversions() {
    let to_int = |how: &str, x: f32| {
        one(&format!("mov.f32 %f1, 0f{:08X}; cvt.{how}.f32 %r9, %f1;", x.to_bits())) as i32
    };
    assert_eq!(to_int("rni.s32", 2.5), 2);
    assert_eq!(to_int("rzi.s32", -2.5), -2);
    assert_eq!(to_int("rmi.s32", -2.5), -3);
    assert_eq!(to_int("rpi.s32", 2.1), 3);
    assert_eq!(to_int("rzi.s32", 1e10), i32::MAX);
    assert_eq!(to_int("rzi.u32", -1.0), 0);
    assert_eq!(to_int("rzi.s32", f32::NAN), 0);
    assert_eq!(float("mov.u32 %r2, 0xffffffff; cvt.rn.f32.u32 %f9, %r2;"), 2f32.powi(32));
    assert_eq!(float("mov.u32 %r2, 0xffffffff; cvt.rn.f32.s32 %f9, %r2;"), -1.0);
    assert_eq!(float("mov.u32 %r2, 0xffffffff; cvt.rz.f32.u32 %f9, %r2;"), 4_294_967_040.0);
    let short = |ty: &str, bits: u32| {
        one(&format!(
            "mov.f32 %f1, 0f{bits:08X}; cvt.rn.{ty}.f32 %rs1, %f1; cvt.u32.u16 %r9, %rs1;"
        ))
    };
    assert_eq!(short("bf16", 0x3f80_8000), 0x3f80);
    assert_eq!(short("bf16", 0x3f81_8000), 0x3f82);
    assert_eq!(short("bf16", 0x3f80_8001), 0x3f81);
    assert_eq!(short("f16", 0x3f80_1000), 0x3c00);
    assert_eq!(short("f16", 0x477f_e000), 0x7bff);
    assert_eq!(short("f16", 0x4780_0000), 0x7c00);
    assert_eq!(short("f16", 0x3380_0000), 0x0001);
    assert_eq!(
        one("{ .reg .b32 x; mov.f32 %f1, 0f3F801000; cvt.rna.tf32.f32 x, %f1; mov.b32 %r9, x; }"),
        0x3f80_2000
    );
    assert_eq!(one("mov.f32 %f1, 0f3F800000; cvt.rn.f16x2.f32 %r9, %f1, 0fC0000000;"), 0x3c00_c000);
    assert_eq!(float("mov.b16 %rs1, 0xC000; cvt.f32.f16 %f9, %rs1;"), -2.0);
}

#[test]
fn halves() {
    let sum = "mov.b16 %rs1, 0x3C00; mov.b16 %rs2, 0x1000; add.f16 %rs3, %rs1, %rs2; cvt.u32.u16 %r9, %rs3;";
    // 1 + 2^-11 is a tie, which rounds to even.
    assert_eq!(one(sum), 0x3c00);
    assert_eq!(one("mov.b32 %r2, 0x3C004000; mul.f16x2 %r9, %r2, %r2;"), 0x3c00_4400);
    assert_eq!(
        one("mov.b16 %rs1, 0x3F80; fma.rn.bf16 %rs3, %rs1, %rs1, %rs1; cvt.u32.u16 %r9, %rs3;"),
        0x4000
    );
}

#[test]
fn comparisons() {
    let is = |how: &str, a: u32, b: u32| {
        one(&format!(
            "mov.b32 %r2, {a}; mov.b32 %r3, {b}; mov.b32 %f1, %r2; mov.b32 %f2, %r3; {how} selp.b32 %r9, 1, 0, %p1;"
        ))
    };
    let (one, nan) = (1f32.to_bits(), f32::NAN.to_bits());
    assert_eq!(is("setp.lt.s32 %p1, %r2, %r3;", u32::MAX, 0), 1);
    assert_eq!(is("setp.lt.u32 %p1, %r2, %r3;", u32::MAX, 0), 0);
    assert_eq!(is("setp.eq.f32 %p1, %f1, %f2;", 0x8000_0000, 0), 1);
    assert_eq!(is("setp.ne.f32 %p1, %f1, %f2;", one, nan), 0);
    assert_eq!(is("setp.neu.f32 %p1, %f1, %f2;", one, nan), 1);
    assert_eq!(is("setp.nan.f32 %p1, %f1, %f2;", one, nan), 1);
    assert_eq!(is("setp.num.f32 %p1, %f1, %f2;", one, nan), 0);
    assert_eq!(is("setp.lt.u32 %p2|%p1, %r2, %r3;", 1, 2), 0);
    assert_eq!(is("mov.pred %p3, 1; setp.lt.and.u32 %p1, %r2, %r3, !%p3;", 1, 2), 0);
}

#[test]
fn lanes_tell_each_other() {
    let found = each("shfl.sync.bfly.b32 %r9|%p1, %r1, 1, 0x1f, -1; st.global.u32 [%rd2], %r9;");
    assert_eq!(found, std::array::from_fn(|i| i as u32 ^ 1));
    let found = each(
        "shfl.sync.down.b32 %r9|%p1, %r1, 4, 0x1f, -1; @!%p1 mov.u32 %r9, 99; st.global.u32 [%rd2], %r9;",
    );
    assert_eq!(found, std::array::from_fn(|i| if i < 28 { i as u32 + 4 } else { 99 }));
    let found = each(
        "shfl.sync.up.b32 %r9|%p1, %r1, 1, 0, -1; @!%p1 mov.u32 %r9, 99; st.global.u32 [%rd2], %r9;",
    );
    assert_eq!(found, std::array::from_fn(|i| if i > 0 { i as u32 - 1 } else { 99 }));
    let found = each(
        "setp.lt.u32 %p1, %r1, 5; vote.sync.ballot.b32 %r9, %p1, -1; st.global.u32 [%rd2], %r9;",
    );
    assert_eq!(found, [31; 32]);
}
