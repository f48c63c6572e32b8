//! The memory spaces of a kernel: address translation and checks.

use super::check::{Checks, How, Who};
use super::traffic::Counter;
use super::warp::{Longs, Words};
use super::{ILLEGAL_ADDRESS, LANES, Launch, MISALIGNED_ADDRESS, Trouble};
use crate::ptx::code::{Address, Space};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The first generic address of shared memory, far above the addresses of the host.
pub const SHARED: u64 = 1 << 60;
/// The first generic address of local memory.
pub const LOCAL: u64 = 1 << 61;
const WINDOW: u64 = 1 << 32;

/// The byte that fills unwritten memory: NaN as a float, out of range as an index.
pub const UNWRITTEN: u8 = 0xff;

/// The host address of each lane's access, checked to be valid for it.
pub struct Places([usize; LANES]);

pub struct Memory<'a> {
    /// In 64-bit words, for alignment.
    shared: Vec<u64>,
    shared_bytes: u64,
    local: Vec<u64>,
    local_each: u64,
    params: Vec<u64>,
    param_bytes: u64,
    ranges: &'a [(u64, u64)],
    /// The range found last.
    range: (u64, u64),
    block: usize,
    warp: usize,
    checks: Option<&'a Mutex<Checks>>,
    /// Counts the accesses to global memory, which is not written then.
    pub counter: Option<Counter>,
    /// Where writes go that are only counted.
    nowhere: [u64; 2],
}

/// Unwritten memory of `bytes` bytes, and a word more to align it.
fn room(bytes: usize) -> Vec<u64> {
    vec![!0; bytes.div_ceil(8) + 1]
}

/// The first address in `room` that 16 divides.
fn start(room: &[u64]) -> usize {
    (room.as_ptr() as usize).next_multiple_of(16)
}

impl<'a> Memory<'a> {
    pub fn new(launch: &'a Launch<'a>, threads: usize, checks: Option<&'a Mutex<Checks>>) -> Self {
        let kernel = launch.kernel;
        let shared_bytes = kernel.shared + launch.shared;
        let local_each = kernel.local.next_multiple_of(16);
        let params = launch.params.chunks(8).map(|chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(bytes)
        });
        // One word more, to align the first.
        let mut padded = room(launch.params.len() + 8);
        let skipped = (start(&padded) - padded.as_ptr() as usize) / 8;
        for (to, from) in padded[skipped..].iter_mut().zip(params) {
            *to = from;
        }
        Self {
            shared: room(shared_bytes + 8),
            shared_bytes: shared_bytes as u64,
            local: room(local_each * threads + 8),
            local_each: local_each as u64,
            params: padded,
            param_bytes: launch.params.len() as u64,
            ranges: &launch.ranges,
            range: (0, 0),
            block: 0,
            warp: 0,
            checks,
            counter: None,
            nowhere: [0; 2],
        }
    }

    /// Begins another block, with unwritten memory.
    pub fn begin(&mut self, block: usize) {
        self.block = block;
        self.shared.fill(!0);
        self.local.fill(!0);
        self.barrier();
    }

    /// Sets the warp whose turn it is.
    pub fn enter(&mut self, warp: usize) {
        self.warp = warp;
    }

    /// Separates the accesses before it from those after it.
    pub fn barrier(&self) {
        if let Some(checks) = self.checks {
            checks.lock().expect("no panic before").barrier();
        }
    }

    /// Translates and checks an access of `bytes` bytes by each lane.
    #[inline(always)]
    pub fn places(
        &mut self,
        address: Address,
        at: &Longs,
        lanes: u32,
        bytes: u32,
        how: How,
    ) -> Result<Places, Trouble> {
        let found = match self.together(address.space, at, lanes, u64::from(bytes)) {
            Some(found) if how != How::Write || address.space != Space::Param => found,
            _ => self.one_by_one(address.space, at, lanes, u64::from(bytes), how)?,
        };
        if let Some(checks) = self.checks
            && Self::is_common(address.space, at[lanes.trailing_zeros() as usize])
        {
            self.check(checks, &found, lanes, bytes, how);
        }
        if self.counter.is_some()
            && Self::is_global(address.space, at[lanes.trailing_zeros() as usize])
        {
            return Ok(self.count(found, lanes, bytes, how));
        }
        Ok(found)
    }

    /// Counts an access to global memory.
    #[cold]
    fn count(&mut self, found: Places, lanes: u32, bytes: u32, how: How) -> Places {
        let (reads, writes) = (how != How::Write, matches!(how, How::Write | How::Change));
        if let Some(counter) = &mut self.counter {
            counter.add(&found.0, lanes, bytes, [reads, writes]);
        }
        if writes { Places([self.nowhere.as_mut_ptr().expose_provenance(); LANES]) } else { found }
    }

    /// The fast path: all lanes are aligned and in one range. Inactive lanes get the place of the first active one.
    #[inline(always)]
    fn together(&mut self, space: Space, at: &Longs, lanes: u32, bytes: u64) -> Option<Places> {
        let first = at[lanes.trailing_zeros() as usize];
        let mut all = *at;
        if lanes != !0 {
            for (i, one) in all.iter_mut().enumerate() {
                *one = if lanes >> i & 1 != 0 { *one } else { first };
            }
        }
        let (mut low, mut high, mut any) = (first as i64, first as i64, 0);
        for &one in &all {
            low = low.min(one as i64);
            high = high.max(one as i64);
            any |= one;
        }
        let (low, high) = (low as u64, high as u64);
        if any & (bytes - 1) != 0 || low > high {
            return None;
        }
        let space = match space {
            Space::Generic if low >= SHARED && high < SHARED + WINDOW => Space::Shared,
            Space::Generic if high < SHARED => Space::Global,
            Space::Generic => return None,
            space => space,
        };
        let (from, end, to) = match space {
            Space::Global => {
                if low < self.range.0 || high >= self.range.1 {
                    self.range = self.range_of(low)?;
                }
                (self.range.0, self.range.1, self.range.0)
            }
            Space::Shared if low >= SHARED => {
                (SHARED, SHARED + self.shared_bytes, start(&self.shared) as u64)
            }
            Space::Shared => (0, self.shared_bytes, start(&self.shared) as u64),
            Space::Param => (0, self.param_bytes, start(&self.params) as u64),
            _ => return None,
        };
        if low < from || high.saturating_add(bytes) > end {
            return None;
        }
        let mut places = [0; LANES];
        for i in 0..LANES {
            places[i] = (all[i] - from + to) as usize;
        }
        Some(Places(places))
    }

    /// The allocation that holds an address.
    fn range_of(&self, at: u64) -> Option<(u64, u64)> {
        let after = self.ranges.partition_point(|range| range.0 <= at);
        self.ranges[..after].last().copied().filter(|range| at < range.1)
    }

    #[cold]
    fn one_by_one(
        &self,
        space: Space,
        at: &Longs,
        lanes: u32,
        bytes: u64,
        how: How,
    ) -> Result<Places, Trouble> {
        let mut places = [0; LANES];
        let mut first = None;
        for lane in (0..LANES).filter(|lane| lanes >> lane & 1 != 0) {
            let place = self.place(space, at[lane], lane, bytes, how);
            places[lane] = place.map_err(|(code, what)| Trouble { code, lane, what })?;
            first.get_or_insert(places[lane]);
        }
        for lane in (0..LANES).filter(|lane| lanes >> lane & 1 == 0) {
            places[lane] = first.unwrap_or_default();
        }
        Ok(Places(places))
    }

    fn place(
        &self,
        space: Space,
        at: u64,
        lane: usize,
        bytes: u64,
        how: How,
    ) -> Result<usize, (i32, String)> {
        let wrong = |why: &str| {
            (
                ILLEGAL_ADDRESS,
                format!("{how:?} of {bytes} bytes at {space:?} address {at:#x}: {why}"),
            )
        };
        if at & (bytes - 1) != 0 {
            return Err((MISALIGNED_ADDRESS, wrong("misaligned").1));
        }
        let (space, at) = match space {
            Space::Generic if (SHARED..SHARED + WINDOW).contains(&at) => {
                (Space::Shared, at - SHARED)
            }
            Space::Generic if (LOCAL..LOCAL + WINDOW).contains(&at) => (Space::Local, at - LOCAL),
            Space::Generic => (Space::Global, at),
            space => (space, at),
        };
        let (begin, size) = match space {
            Space::Global => {
                let range = self.range_of(at).ok_or_else(|| wrong(&self.near(at)))?;
                return if at + bytes <= range.1 {
                    Ok(at as usize)
                } else {
                    Err(wrong("past an allocation's end"))
                };
            }
            Space::Shared => (start(&self.shared), self.shared_bytes),
            Space::Local => {
                let thread = self.warp * LANES + lane;
                (start(&self.local) + thread * self.local_each as usize, self.local_each)
            }
            Space::Param if how == How::Read => (start(&self.params), self.param_bytes),
            _ => return Err(wrong("not to be written")),
        };
        if at.saturating_add(bytes) > size {
            return Err(wrong(&format!("there are {size} bytes")));
        }
        Ok(begin + at as usize)
    }

    /// Describes the nearest allocation below an address.
    fn near(&self, at: u64) -> String {
        let after = self.ranges.partition_point(|range| range.0 <= at);
        match self.ranges[..after].last() {
            Some(range) => {
                format!("{} bytes past the end of {} bytes", at - range.1, range.1 - range.0)
            }
            None => "no memory below".into(),
        }
    }

    /// Whether an address is in the device's memory.
    fn is_global(space: Space, at: u64) -> bool {
        space == Space::Global || space == Space::Generic && at < SHARED
    }

    /// Whether an address is in memory that threads share.
    fn is_common(space: Space, at: u64) -> bool {
        match space {
            Space::Global | Space::Shared => true,
            Space::Generic => at < LOCAL,
            Space::Local | Space::Param => false,
        }
    }

    #[cold]
    fn check(&self, checks: &Mutex<Checks>, found: &Places, lanes: u32, bytes: u32, how: How) {
        let begin = start(&self.shared);
        let shared = begin..begin + self.shared_bytes as usize;
        let who = Who { block: self.block as u32, warp: self.warp as u32 };
        let mut checks = checks.lock().expect("no panic before");
        for lane in (0..LANES).filter(|lane| lanes >> lane & 1 != 0) {
            for place in (found.0[lane]..found.0[lane] + bytes as usize).step_by(2) {
                if shared.contains(&place) {
                    checks.shared((place - begin) as u64, who, how);
                } else {
                    checks.global(place as u64, who, how);
                }
            }
        }
    }
}

/// Reads and writes the element `offset` bytes after each place. Its type is at most as wide as the access.
macro_rules! element {
    ($name:ident, $put:ident, $cell:ty, $ty:ty, $lanes:ty) => {
        #[inline(always)]
        pub fn $name(&self, offset: usize) -> $lanes {
            let mut out = [0; LANES];
            for i in 0..LANES {
                // SAFETY: every place was checked to be valid and aligned for its whole access. The cell is atomic, so
                // threads of different blocks may race for it.
                let cell = unsafe { <$cell>::from_ptr((self.0[i] + offset) as *mut $ty) };
                out[i] = cell.load(Relaxed).into();
            }
            out
        }

        #[inline(always)]
        pub fn $put(&self, offset: usize, lanes: u32, from: &$lanes) {
            for i in 0..LANES {
                if lanes >> i & 1 != 0 {
                    // SAFETY: as above; writes to read-only memory were refused.
                    let cell = unsafe { <$cell>::from_ptr((self.0[i] + offset) as *mut $ty) };
                    cell.store(from[i] as $ty, Relaxed);
                }
            }
        }
    };
}

impl Places {
    element!(bytes, put_bytes, AtomicU8, u8, Words);
    element!(shorts, put_shorts, AtomicU16, u16, Words);
    element!(words, put_words, AtomicU32, u32, Words);
    element!(longs, put_longs, AtomicU64, u64, Longs);

    /// Updates the word of a lane; returns the old value.
    pub fn change(&self, lane: usize, change: impl Fn(u32) -> u32) -> u32 {
        // SAFETY: as above.
        let cell = unsafe { AtomicU32::from_ptr(self.0[lane] as *mut u32) };
        cell.fetch_update(Relaxed, Relaxed, |old| Some(change(old))).unwrap_or_else(|old| old)
    }

    /// The same with 64 bits.
    pub fn change_long(&self, lane: usize, change: impl Fn(u64) -> u64) -> u64 {
        // SAFETY: as above.
        let cell = unsafe { AtomicU64::from_ptr(self.0[lane] as *mut u64) };
        cell.fetch_update(Relaxed, Relaxed, |old| Some(change(old))).unwrap_or_else(|old| old)
    }
}
