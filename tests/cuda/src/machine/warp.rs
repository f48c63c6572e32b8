//! A warp: its registers, and where each of its lanes is.

use super::space::Memory;
use super::step::step;
use super::{LANES, Trouble};
use crate::ptx::code::{End, Guard, Slot};
use crate::ptx::module::Kernel;
use crate::ptx::types::File;

/// A word of each lane.
pub type Words = [u32; LANES];
/// A 64-bit word of each lane.
pub type Longs = [u64; LANES];

/// Lanes that continue at the same run.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub run: u32,
    pub lanes: u32,
}

pub struct Warp {
    /// A bit of each lane.
    pub preds: Vec<u32>,
    pub words: Vec<Words>,
    pub longs: Vec<Longs>,
    /// Where lanes continue.
    groups: Vec<Group>,
    /// Where lanes continue after the barrier.
    waiting: Vec<Group>,
}

impl Warp {
    pub fn new(kernel: &Kernel) -> Self {
        let [preds, words, longs] = kernel.counts;
        let mut warp = Self {
            preds: vec![0; preds],
            words: vec![[0; LANES]; words],
            longs: vec![[0; LANES]; longs],
            groups: Vec::new(),
            waiting: Vec::new(),
        };
        for &(file, slot, value) in &kernel.constants {
            let slot = slot as usize;
            match file {
                File::Pred => warp.preds[slot] = if value == 0 { 0 } else { !0 },
                File::Word => warp.words[slot] = [value as u32; LANES],
                File::Long => warp.longs[slot] = [value; LANES],
            }
        }
        warp
    }

    /// Starts `lanes` at the first run.
    pub fn begin(&mut self, lanes: u32) {
        self.waiting.clear();
        self.groups = vec![Group { run: 0, lanes }];
    }

    /// The lanes that wait at a barrier.
    pub fn waiting(&self) -> &[Group] {
        &self.waiting
    }

    /// Continues the lanes that wait.
    pub fn release(&mut self) {
        for Group { run, lanes } in std::mem::take(&mut self.waiting) {
            self.add(run, lanes);
        }
    }

    /// The lanes that pass a guard.
    #[inline(always)]
    fn through(&self, guard: Option<Guard>, lanes: u32) -> u32 {
        match guard {
            None => lanes,
            Some(Guard { p, negated: false }) => lanes & self.preds[p as usize],
            Some(Guard { p, negated: true }) => lanes & !self.preds[p as usize],
        }
    }

    fn add(&mut self, run: u32, lanes: u32) {
        match self.groups.iter_mut().find(|group| group.run == run) {
            Some(group) => group.lanes |= lanes,
            None => self.groups.push(Group { run, lanes }),
        }
    }

    /// The lanes that are farthest behind, so that diverged lanes reconverge.
    fn last(&mut self) -> Option<Group> {
        let (at, _) = self.groups.iter().enumerate().min_by_key(|(_, group)| group.run)?;
        Some(self.groups.swap_remove(at))
    }

    /// Runs until all lanes wait or have returned; a fault comes with its line.
    #[inline(always)]
    pub fn run(&mut self, kernel: &Kernel, memory: &mut Memory<'_>) -> Result<(), (u32, Trouble)> {
        while let Some(Group { run: mut at, mut lanes }) = self.last() {
            loop {
                let run = &kernel.runs[at as usize];
                for instruction in &run.code {
                    let active = self.through(instruction.guard, lanes);
                    if active != 0 {
                        step(self, memory, &instruction.op, active)
                            .map_err(|what| (instruction.line, what))?;
                    }
                }
                match run.end {
                    End::Next => at += 1,
                    End::Jump { to, guard } => {
                        let taken = self.through(guard, lanes);
                        match (taken, lanes & !taken) {
                            (0, _) => at += 1,
                            (_, 0) => at = to,
                            (taken, others) => {
                                self.add(to, taken);
                                self.add(at + 1, others);
                                break;
                            }
                        }
                    }
                    End::Return { guard } => {
                        lanes &= !self.through(guard, lanes);
                        at += 1;
                        if lanes == 0 {
                            break;
                        }
                    }
                    End::Barrier => {
                        self.waiting.push(Group { run: at + 1, lanes });
                        break;
                    }
                }
                if !self.groups.is_empty() {
                    self.add(at, lanes);
                    break;
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub fn put(&mut self, d: Slot, lanes: u32, from: &Words) {
        merge(&mut self.words[d as usize], lanes, from);
    }

    #[inline(always)]
    pub fn put_long(&mut self, d: Slot, lanes: u32, from: &Longs) {
        merge(&mut self.longs[d as usize], lanes, from);
    }

    #[inline(always)]
    pub fn put_pred(&mut self, d: Slot, lanes: u32, from: u32) {
        let to = &mut self.preds[d as usize];
        *to = *to & !lanes | from & lanes;
    }
}

/// `d = f(x, …)` on the words of each lane.
macro_rules! words {
    ($warp:expr, $lanes:expr, $d:expr, |$($x:ident = $slot:ident),*| $f:expr) => {{
        let mut out = [0u32; $crate::machine::LANES];
        {
            $(let $x = &$warp.words[$slot as usize];)*
            for i in 0..$crate::machine::LANES {
                $(let $x = $x[i];)*
                out[i] = $f;
            }
        }
        $warp.put($d, $lanes, &out);
    }};
}

/// The same with a 64-bit result, and operands of either size.
macro_rules! longs {
    ($warp:expr, $lanes:expr, $d:expr, |$($x:ident = $file:ident $slot:ident),*| $f:expr) => {{
        let mut out = [0u64; $crate::machine::LANES];
        {
            $(let $x = &$warp.$file[$slot as usize];)*
            for i in 0..$crate::machine::LANES {
                $(let $x = $x[i];)*
                out[i] = $f;
            }
        }
        $warp.put_long($d, $lanes, &out);
    }};
}

pub(super) use {longs, words};

/// Writes `from` in the active lanes; the others keep their values.
#[inline(always)]
fn merge<T: Copy>(to: &mut [T; LANES], lanes: u32, from: &[T; LANES]) {
    if lanes == !0 {
        *to = *from;
    } else {
        for i in 0..LANES {
            to[i] = if lanes >> i & 1 != 0 { from[i] } else { to[i] };
        }
    }
}
