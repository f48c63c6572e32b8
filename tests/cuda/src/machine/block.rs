//! A block: its warps run in turn, from one barrier to the next.

use super::check::Checks;
use super::space::Memory;
use super::traffic::Counter;
use super::warp::Warp;
use super::{Fault, LANES, Launch, Trouble};
use crate::options::options;
use crate::ptx::module::Kernel;
use crate::ptx::names::Special;
use std::sync::Mutex;

pub struct Block<'a> {
    launch: &'a Launch<'a>,
    warps: Vec<Warp>,
    memory: Memory<'a>,
}

impl<'a> Block<'a> {
    pub fn new(launch: &'a Launch<'a>, checks: Option<&'a Mutex<Checks>>) -> Self {
        let count = threads(launch).div_ceil(LANES);
        let mut warps: Vec<_> = (0..count).map(|_| Warp::new(launch.kernel)).collect();
        for (number, warp) in warps.iter_mut().enumerate() {
            for &(special, slot) in &launch.kernel.specials {
                warp.words[slot as usize] =
                    std::array::from_fn(|lane| place(launch, special, number, lane));
            }
        }
        Self { launch, warps, memory: Memory::new(launch, threads(launch), checks) }
    }

    /// Runs the block of this number, and counts what it reads and writes.
    pub fn count(mut self, number: usize) -> Result<Counter, Fault> {
        self.memory.counter = Some(Counter::new(threads(self.launch)));
        self.run(number)?;
        Ok(self.memory.counter.expect("set above"))
    }

    /// Runs the block of this number.
    pub fn run(&mut self, number: usize) -> Result<(), Fault> {
        let [x, y, _] = self.launch.grid.map(|n| n as usize);
        let place = [number % x, number / x % y, number / x / y].map(|i| i as u32);
        let threads = threads(self.launch);
        self.memory.begin(number);
        for (warp, at) in self.warps.iter_mut().zip((0..threads).step_by(LANES)) {
            for &(special, slot) in &self.launch.kernel.specials {
                if let Special::Block(axis) = special {
                    warp.words[slot as usize] = [place[axis]; LANES];
                }
            }
            warp.begin(!0 >> (LANES - (threads - at).min(LANES)));
        }
        loop {
            self.turn(place)?;
            if self.warps.iter().all(|warp| warp.waiting().is_empty()) {
                return Ok(());
            }
            self.meet();
        }
    }

    /// Runs each warp up to the next barrier.
    fn turn(&mut self, place: [u32; 3]) -> Result<(), Fault> {
        let count = self.warps.len();
        for turn in 0..count {
            let number = if options().reverse { count - 1 - turn } else { turn };
            self.memory.enter(number);
            if let Err((line, trouble)) =
                run(&mut self.warps[number], self.launch.kernel, &mut self.memory)
            {
                return Err(self.fault(place, number, line, &trouble));
            }
        }
        Ok(())
    }

    /// Releases the barrier at which all threads that have not returned wait.
    fn meet(&mut self) {
        let mut all = self.warps.iter().flat_map(Warp::waiting).map(|group| group.run);
        let first = all.next();
        if let Some(other) = all.find(|&other| Some(other) != first) {
            let name = &self.launch.kernel.name;
            eprintln!(
                "cuda: {name}: a block's threads meet at different barriers: before runs {first:?} and {other}"
            );
        }
        self.memory.barrier();
        self.warps.iter_mut().for_each(Warp::release);
    }

    fn fault(&self, place: [u32; 3], warp: usize, line: u32, trouble: &Trouble) -> Fault {
        let kernel = self.launch.kernel;
        let [tx, ty, _] = self.launch.block.map(|n| n as usize);
        let thread = warp * LANES + trouble.lane;
        let thread = [thread % tx, thread / tx % ty, thread / tx / ty];
        let what = format!(
            "{}: {}; line {line}: `{}`; block {place:?} of {:?}, thread {thread:?} of {:?}",
            kernel.name,
            trouble.what,
            kernel.line(line),
            self.launch.grid,
            self.launch.block,
        );
        Fault { code: trouble.code, what }
    }
}

fn threads(launch: &Launch<'_>) -> usize {
    launch.block.iter().map(|&n| n as usize).product()
}

/// The value of a special register; the index of the block is set later.
fn place(launch: &Launch<'_>, special: Special, warp: usize, lane: usize) -> u32 {
    let [x, y, _] = launch.block;
    let thread = (warp * LANES + lane) as u32;
    match special {
        Special::Thread(axis) => [thread % x, thread / x % y, thread / x / y][axis],
        Special::Threads(axis) => launch.block[axis],
        Special::Block(_) => 0,
        Special::Blocks(axis) => launch.grid[axis],
        Special::Lane => lane as u32,
        Special::Warp => warp as u32,
        Special::DynamicShared => launch.shared as u32,
    }
}

/// Runs a warp with the features of the CPU: without FMA instructions, each `mul_add` would be a function call.
fn run(warp: &mut Warp, kernel: &Kernel, memory: &mut Memory<'_>) -> Result<(), (u32, Trouble)> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_64_v3() {
        // SAFETY: the CPU has these features.
        return unsafe { run_on_x86_64_v3(warp, kernel, memory) };
    }
    warp.run(kernel, memory)
}

#[cfg(target_arch = "x86_64")]
fn is_x86_64_v3() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn run_on_x86_64_v3(
    warp: &mut Warp,
    kernel: &Kernel,
    memory: &mut Memory<'_>,
) -> Result<(), (u32, Trouble)> {
    warp.run(kernel, memory)
}
