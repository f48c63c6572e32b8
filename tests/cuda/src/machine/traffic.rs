//! Bytes that a launch moves, counted on a sample of its blocks.
//!
//! What a warp asks for in one instruction is counted in sectors of 32 bytes, as a device fetches them. Of these, the ones
//! that a block has lately touched, up to [`REUSED`] bytes for each of its threads (about its share of a device's caches),
//! move no bytes, and sectors that most blocks read move once.
//!
//! Products, cubek's and a library's, read their operands again and again, mostly from a cache, and would take too long to
//! run: of them, each operand and the result count once.

use super::LANES;
use std::collections::{HashMap, VecDeque};
use std::ops::AddAssign;

/// Bytes of a sector, as a shift.
const SECTOR: u32 = 5;

/// Bytes for each thread of a block that are still in a cache when they are touched again.
const REUSED: usize = 256;

/// The blocks of a launch that are run.
const SAMPLE: usize = 12;

/// Bytes that are read, and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub read: u64,
    pub written: u64,
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.written += other.written;
    }
}

/// What a launch asks for, and what of it moves between the caches and the device's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub asked: Bytes,
    pub moved: Bytes,
}

impl Traffic {
    /// All that is asked for moves.
    pub fn once(bytes: Bytes) -> Self {
        Self { asked: bytes, moved: bytes }
    }
}

/// The bytes of a product's operands and of its result, if the kernel of this name is one. The name says how long a vector
/// of each is, and the parameters end with their lengths in vectors, twice.
pub fn product(name: &str, params: &[u8]) -> Option<Bytes> {
    let words: Vec<&str> = name.strip_prefix("matmul_entry_")?.split('_').collect();
    let vector = |of: &str| {
        let at = words.windows(2).position(|two| two == [of, "size"])?;
        let each = match words[at.checked_sub(1)?] {
            "f32" | "tf32" => 4,
            "bf16" | "f16" => 2,
            _ => return None,
        };
        words.get(at + 2)?.parse::<u64>().ok().map(|count| count * each)
    };
    let lengths = params.len().checked_sub(24).map(|at| &params[at..])?;
    let bytes = |number: usize, of| {
        let length = lengths[4 * number..].first_chunk::<4>()?;
        Some(vector(of)? * u64::from(u32::from_ne_bytes(*length)))
    };
    Some(Bytes { read: bytes(0, "lhs")? + bytes(1, "rhs")?, written: bytes(2, "acc")? })
}

/// The numbers of the blocks that stand for all `blocks`: all of a few, or some that are spread evenly.
pub fn sample(blocks: usize) -> Vec<usize> {
    let count = blocks.min(SAMPLE);
    // The middle of each of as many ranges, shifted within it by multiples of the golden ratio, so that no period is hit.
    let within = |i: usize| (i as f64 * 0.618_033_988_749_895).fract();
    (0..count).map(|i| ((i as f64 + within(i)) * blocks as f64 / count as f64) as usize).collect()
}

/// Counts the accesses of one block.
#[derive(Debug)]
pub struct Counter {
    asked: Bytes,
    reads: Vec<u64>,
    written: u64,
    /// The sectors touched last, in order, and whether each was written.
    recent: VecDeque<u64>,
    held: HashMap<u64, bool>,
    most: usize,
}

impl Counter {
    pub fn new(threads: usize) -> Self {
        Self {
            asked: Bytes::default(),
            reads: Vec::new(),
            written: 0,
            recent: VecDeque::new(),
            held: HashMap::new(),
            most: (threads * REUSED) >> SECTOR,
        }
    }

    /// Records an access of `bytes` bytes by each of the lanes.
    pub fn add(&mut self, at: &[usize; LANES], lanes: u32, bytes: u32, [reads, writes]: [bool; 2]) {
        let mut before = None;
        for lane in (0..LANES).filter(|lane| lanes >> lane & 1 != 0) {
            let first = at[lane] as u64;
            for sector in first >> SECTOR..=(first + u64::from(bytes) - 1) >> SECTOR {
                if before.replace(sector) != Some(sector) {
                    self.touch(sector, [reads, writes]);
                }
            }
        }
    }

    fn touch(&mut self, sector: u64, [reads, writes]: [bool; 2]) {
        let bytes = |counts: bool| u64::from(counts) << SECTOR;
        self.asked += Bytes { read: bytes(reads), written: bytes(writes) };
        let before = self.held.get(&sector).copied();
        self.held.insert(sector, writes || before == Some(true));
        self.written += bytes(writes && before != Some(true));
        if before.is_none() {
            self.hold(sector);
            if reads {
                self.reads.push(sector);
            }
        }
    }

    fn hold(&mut self, sector: u64) {
        self.recent.push_back(sector);
        if self.recent.len() > self.most
            && let Some(oldest) = self.recent.pop_front()
        {
            self.held.remove(&oldest);
        }
    }
}

/// The traffic of `blocks` blocks, of which some were counted.
pub fn estimate(blocks: usize, counted: &[Counter]) -> Traffic {
    let mut readers = HashMap::<u64, usize>::new();
    for counter in counted {
        let mut own = counter.reads.clone();
        own.sort_unstable();
        own.dedup();
        for sector in own {
            *readers.entry(sector).or_default() += 1;
        }
    }
    let most = |sector: &u64| counted.len() > 1 && 2 * readers[sector] > counted.len();
    let common = readers.keys().filter(|sector| most(sector)).count() as u64;
    let mut all = Traffic::default();
    for counter in counted {
        all.asked += counter.asked;
        let alone = counter.reads.iter().filter(|sector| !most(sector)).count() as u64;
        all.moved += Bytes { read: alone << SECTOR, written: counter.written };
    }
    let scaled = |Bytes { read, written }: Bytes| {
        let scaled = |bytes: u64| bytes * blocks as u64 / counted.len().max(1) as u64;
        Bytes { read: scaled(read), written: scaled(written) }
    };
    let mut traffic = Traffic { asked: scaled(all.asked), moved: scaled(all.moved) };
    traffic.moved.read += common << SECTOR;
    traffic
}
