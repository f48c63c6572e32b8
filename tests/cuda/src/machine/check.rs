//! Race checks: accesses without a barrier between them, by warps in shared memory and by blocks in global memory; and
//! constant reads of memory that the same kernel writes.

use crate::ptx::module::Kernel;
use std::collections::{BTreeSet, HashMap};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Read,
    /// Through the constant cache, which does not see writes.
    ReadConstant,
    Write,
    Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub block: u32,
    pub warp: u32,
}

/// Who accessed an address: nobody, one, or several.
#[derive(Clone, Copy, Default)]
enum Seen<T> {
    #[default]
    Nobody,
    One(T),
    Several,
}

impl<T: PartialEq + Copy> Seen<T> {
    fn add(&mut self, who: T) {
        *self = match *self {
            Self::Nobody => Self::One(who),
            Self::One(same) if same == who => Self::One(who),
            _ => Self::Several,
        };
    }

    fn by_another(&self, who: T) -> bool {
        match *self {
            Self::Nobody => false,
            Self::One(one) => one != who,
            Self::Several => true,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Place<T> {
    reads: Seen<T>,
    writes: Seen<T>,
    changes: Seen<T>,
    constant: bool,
}

impl<T: PartialEq + Copy> Place<T> {
    /// Records an access; returns its conflict with earlier ones.
    fn add(&mut self, who: T, how: How) -> Option<&'static str> {
        let written =
            self.writes.by_another(who) || self.changes.by_another(who) && how != How::Change;
        let read = self.reads.by_another(who);
        match how {
            How::Read => self.reads.add(who),
            How::ReadConstant => {
                self.reads.add(who);
                self.constant = true;
            }
            How::Write => self.writes.add(who),
            How::Change => self.changes.add(who),
        }
        let touched = !matches!((&self.writes, &self.changes), (Seen::Nobody, Seen::Nobody));
        match how {
            _ if self.constant && touched => Some("is read as constant, and written"),
            How::Read | How::ReadConstant => written.then_some("is written, and read by another"),
            _ if written => Some("is written, and written by another"),
            _ => read.then_some("is read, and written by another"),
        }
    }
}

/// The accesses to each address: of shared memory since the last barrier, of global memory in the launch.
#[derive(Default)]
pub struct Checks {
    shared: HashMap<u64, Place<u32>>,
    global: HashMap<u64, Place<u32>>,
    found: BTreeSet<(bool, &'static str)>,
    first: HashMap<(bool, &'static str), u64>,
}

impl Checks {
    pub fn barrier(&mut self) {
        self.shared.clear();
    }

    pub fn shared(&mut self, at: u64, who: Who, how: How) {
        if let Some(what) = self.shared.entry(at).or_default().add(who.warp, how) {
            self.note(true, what, at);
        }
    }

    pub fn global(&mut self, at: u64, who: Who, how: How) {
        if let Some(what) = self.global.entry(at).or_default().add(who.block, how) {
            self.note(false, what, at);
        }
    }

    fn note(&mut self, shared: bool, what: &'static str, at: u64) {
        self.found.insert((shared, what));
        self.first.entry((shared, what)).or_insert(at);
    }

    /// Prints the conflicts.
    pub fn report(&self, kernel: &Kernel) {
        for key in &self.found {
            let space = if key.0 { "shared" } else { "global" };
            eprintln!("cuda: {}: {space} address {:#x} {}", kernel.name, self.first[key], key.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_barrier_keeps_apart_is_found() {
        let [one, other] = [0, 1].map(|warp| Who { block: 0, warp });
        let mut checks = Checks::default();
        checks.shared(8, one, How::Write);
        checks.shared(8, one, How::Read);
        checks.shared(10, other, How::Write);
        checks.barrier();
        checks.shared(8, other, How::Read);
        assert!(checks.found.is_empty());
        checks.shared(8, one, How::Write);
        assert_eq!(checks.found.len(), 1);
        checks.barrier();
        checks.shared(8, one, How::Change);
        checks.shared(8, other, How::Change);
        assert_eq!(checks.found.len(), 1);
        checks.shared(8, other, How::Read);
        assert_eq!(checks.found.len(), 2);
    }

    #[test]
    fn what_blocks_share_and_what_is_no_constant_is_found() {
        let [one, other] = [0, 1].map(|block| Who { block, warp: 0 });
        let mut checks = Checks::default();
        checks.global(8, one, How::ReadConstant);
        checks.global(8, other, How::ReadConstant);
        checks.global(16, one, How::Write);
        assert!(checks.found.is_empty());
        checks.global(16, other, How::Write);
        assert_eq!(checks.found.len(), 1);
        checks.global(8, one, How::Write);
        assert_eq!(checks.found.len(), 2);
    }
}
