//! Divergence and reconvergence of lanes, barriers, memory, and faults.

mod machine;

use cuda::ptx::module::parse;
use machine::{Run, each};

#[test]
fn lanes_part_and_meet() {
    // Each lane loops as many times as its number; after the loop all lanes must be active.
    let found = each(
        "mov.u32 %r9, 0; mov.u32 %r2, 0;
        $loop: setp.ge.u32 %p1, %r2, %r1; @%p1 bra $done;
        and.b32 %r3, %r2, 1; setp.eq.u32 %p2, %r3, 0; @%p2 bra $even;
        add.u32 %r9, %r9, 100; bra.uni $next;
        $even: add.u32 %r9, %r9, 1;
        $next: add.u32 %r2, %r2, 1; bra $loop;
        $done: activemask.b32 %r4; setp.ne.u32 %p3, %r4, -1; @%p3 mov.u32 %r9, 12345;
        st.global.u32 [%rd2], %r9;",
    );
    assert_eq!(found, std::array::from_fn(|i| (i as u32).div_ceil(2) + i as u32 / 2 * 100));
}

#[test]
fn a_guard_spares_lanes() {
    let found = each("setp.lt.u32 %p1, %r1, 8; @%p1 ret; @!%p1 st.global.u32 [%rd2], 7;");
    assert_eq!(found, std::array::from_fn(|i| if i < 8 { i as u32 } else { 7 }));
}

/// Each thread of a block reads what the opposite one wrote. The threads do not fill the last warp.
#[test]
fn warps_meet_at_barriers() {
    let run = Run {
        grid: [3, 2, 1],
        block: [50, 2, 1],
        shared: 400,
        module: ".extern .shared .align 16 .b8 room[];",
        body: "mov.u32 %r2, %tid.y; mad.lo.u32 %r2, %r2, 50, %r1;
            mov.u32 %r3, %ctaid.y; mov.u32 %r4, %ctaid.x; mad.lo.u32 %r3, %r3, 3, %r4;
            mov.u32 %r5, room; mad.lo.u32 %r6, %r2, 4, %r5;
            mad.lo.u32 %r7, %r3, 1000, %r2; st.shared.u32 [%r6], %r7;
            bar.sync 0;
            setp.ge.u32 %p1, %r2, 90; @%p1 ret;
            sub.u32 %r8, 99, %r2; mad.lo.u32 %r6, %r8, 4, %r5; ld.shared.u32 %r9, [%r6];
            bar.sync 0;
            mad.lo.u32 %r10, %r3, 100, %r2; mul.wide.u32 %rd2, %r10, 4; add.s64 %rd2, %rd1, %rd2;
            st.global.u32 [%rd2], %r9;",
    };
    let mut memory = [0u32; 600];
    run.on(&mut memory).unwrap();
    for (i, &found) in memory.iter().enumerate() {
        let (block, thread) = (i as u32 / 100, i as u32 % 100);
        assert_eq!(found, if thread < 90 { block * 1000 + 99 - thread } else { 0 });
    }
}

#[test]
fn nothing_is_zero_before_it_is_written() {
    let mut memory = [0u32; 2];
    let body = ".shared .align 4 .b8 room[8]; .local .align 8 .b8 depot[8];
        ld.shared.u32 %r9, [room+4]; st.global.u32 [%rd1], %r9; ld.local.u32 %r9, [depot]; st.global.u32 [%rd1+4], %r9;";
    Run::new(body).on(&mut memory).unwrap();
    assert_eq!(memory, [u32::MAX; 2]);
}

#[test]
fn every_thread_has_memory_of_its_own() {
    let found = each(
        ".local .align 8 .b8 depot[16];
        mov.u64 %rd3, depot; cvta.local.u64 %rd4, %rd3; st.u32 [%rd4+8], %r1; ld.local.u32 %r9, [depot+8];
        add.u32 %r9, %r9, 1; st.global.u32 [%rd2], %r9;",
    );
    assert_eq!(found, std::array::from_fn(|i| i as u32 + 1));
}

#[test]
fn vectors_and_short_elements() {
    let mut memory = [0x0403_0201u32, 0x8070_6050, 3, 4, 0, 0, 0, 0, 0];
    let body = "setp.ne.u32 %p1, %r1, 0; @%p1 ret;
        ld.global.nc.v4.u32 {%r2, %r3, %r4, %r5}, [%rd1]; st.global.v2.u32 [%rd1+16], {%r5, %r2};
        ld.global.s8 %r6, [%rd1+7]; st.global.u32 [%rd1+24], %r6; ld.global.u16 %rs1, [%rd1+2]; st.global.u8 [%rd1+29], %rs1;
        atom.global.add.u32 %r7, [%rd1+8], 5; st.global.u32 [%rd1+32], %r7;";
    let mut aligned = Box::new([[0u128; 3]; 1]);
    let words: &mut [u32] =
        unsafe { std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast(), 12) };
    words[..9].copy_from_slice(&memory);
    Run::new(body).on(words).unwrap();
    memory.copy_from_slice(&words[..9]);
    assert_eq!(memory, [0x0403_0201, 0x8070_6050, 8, 4, 4, 0x0403_0201, 0xffff_ff80, 0x300, 3]);
}

#[test]
fn what_is_out_of_bounds_is_told() {
    let body = "mul.wide.u32 %rd2, %r1, 4; add.s64 %rd2, %rd1, %rd2; st.global.u32 [%rd2], %r1;";
    let mut memory = [0u32; 40];
    let run = Run { block: [37, 1, 1], ..Run::new(body) };
    let fault = run.on(&mut memory[..36]).unwrap_err();
    assert_eq!(fault.code, 700);
    for part in [
        "test: Write of 4 bytes at Global",
        "0 bytes past the end of 144",
        "st.global.u32",
        "block [0, 0, 0]",
        "thread [36, 0, 0]",
    ] {
        assert!(fault.what.contains(part), "{}", fault.what);
    }
    let shared =
        Run { module: ".shared .align 4 .b8 room[8];", ..Run::new("ld.shared.u32 %r2, [room+8];") };
    assert_eq!(shared.on(&mut memory).unwrap_err().code, 700);
    assert_eq!(Run::new("ld.global.u32 %r2, [%rd1+2];").on(&mut memory).unwrap_err().code, 716);
    assert_eq!(
        Run::new("st.param.u32 [test_param_0], %r1;").on(&mut memory).unwrap_err().code,
        700
    );
}

#[test]
fn what_is_not_understood_does_not_load() {
    for (body, why) in [
        ("frobnicate.u32 %r2, %r1;", "`frobnicate`"),
        ("add.frob.u32 %r2, %r1, 1;", "`.frob`"),
        ("add.u32 %r2, %r1, nobody;", "what is nobody?"),
        ("add.u32 %r2, %rd1, 1;", "%rd1 is a Long"),
        ("add.u32 %r2, %r1;", "operands"),
        ("bra $nowhere;", "where is $nowhere?"),
        ("bar.sync 1;", "barrier"),
        ("call.uni f, ();", "`call`"),
    ] {
        let error = parse(&Run::new(body).text()).unwrap_err();
        assert!(error.why.contains(why) && error.line == 18, "{}: {}", error.line, error.why);
    }
}
