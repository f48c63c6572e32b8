//! The bytes that are counted for a launch.

mod machine;

use cuda::machine::traffic::{Bytes, Traffic};
use machine::Run;

/// Blocks of a launch: more than are sampled.
const BLOCKS: usize = 64;

/// Memory that starts where a sector does.
#[derive(Clone)]
#[repr(align(32))]
struct Sector(#[allow(dead_code)] [u32; 8]);

/// What a kernel of one warp in each block moves. Its thread of number `%r2` has memory at `%rd2`, `bytes` after the thread before.
fn traffic(bytes: usize, body: &str) -> Traffic {
    let body = format!(
        "mov.u32 %r3, %ctaid.x; mad.lo.u32 %r2, %r3, 32, %r1; mul.wide.u32 %rd2, %r2, {bytes}; add.s64 %rd2, %rd1, %rd2; {body}"
    );
    let mut memory = vec![Sector([1; 8]); 1 << 15];
    let run = Run { grid: [BLOCKS as u32, 1, 1], ..Run::new(&body) };
    let traffic = run.traffic(&mut memory).unwrap_or_else(|fault| panic!("{}", fault.what));
    assert!(memory.iter().all(|sector| sector.0 == [1; 8]), "counting changes no memory");
    traffic
}

fn bytes(read: usize, written: usize) -> Bytes {
    Bytes { read: read as u64, written: written as u64 }
}

#[test]
fn neighbours_share_sectors_and_strangers_move_one_each() {
    let copy = "ld.global.u32 %r9, [%rd2]; st.global.u32 [%rd2], %r9;";
    assert_eq!(traffic(4, copy), Traffic::once(bytes(4 * 32 * BLOCKS, 4 * 32 * BLOCKS)));
    let load = "ld.global.u32 %r9, [%rd2];";
    assert_eq!(traffic(128, load), Traffic::once(bytes(32 * 32 * BLOCKS, 0)));
}

#[test]
fn what_a_block_or_all_blocks_read_again_moves_once() {
    let twice = "ld.global.u32 %r9, [%rd2]; ld.global.u32 %r9, [%rd2];";
    let Traffic { asked, moved } = traffic(4, twice);
    assert_eq!((asked, moved), (bytes(2 * 128 * BLOCKS, 0), bytes(128 * BLOCKS, 0)));
    let Traffic { asked, moved } = traffic(4, "ld.global.u32 %r9, [%rd1];");
    assert_eq!((asked, moved), (bytes(32 * BLOCKS, 0), bytes(32, 0)));
}

/// A block of 32 threads keeps 8,192 bytes: 64 rows of a word for each thread.
#[test]
fn what_a_block_read_long_ago_moves_again() {
    let rows = |rows: usize| {
        let body = format!(
            "mov.u32 %r4, 0;
            $again: and.b32 %r5, %r4, {}; mul.wide.u32 %rd3, %r5, {};
            add.s64 %rd3, %rd2, %rd3; ld.global.u32 %r9, [%rd3];
            add.u32 %r4, %r4, 1; setp.lt.u32 %p1, %r4, {}; @%p1 bra $again;",
            rows - 1,
            128 * BLOCKS,
            2 * rows
        );
        traffic(4, &body).moved
    };
    assert_eq!(rows(64), bytes(64 * 128 * BLOCKS, 0));
    assert_eq!(rows(128), bytes(2 * 128 * 128 * BLOCKS, 0));
}
