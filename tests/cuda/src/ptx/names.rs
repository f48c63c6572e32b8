//! The names in a function and their slots.

use super::args::number;
use super::code::{Address, Slot, Space};
use super::types::{File, Type};
use std::collections::HashMap;

/// A special register, set by the launch or by the place of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    Thread(usize),
    Threads(usize),
    Block(usize),
    Blocks(usize),
    Lane,
    Warp,
    DynamicShared,
}

/// The address of a variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub space: Space,
    pub at: u64,
}

/// Registers, by name in nested scopes; variables; and the slots of constants and special registers.
#[derive(Default)]
pub struct Names {
    scopes: Vec<HashMap<String, (File, Slot)>>,
    counts: HashMap<File, usize>,
    pub constants: HashMap<(File, u64), Slot>,
    pub specials: HashMap<Special, Slot>,
    pub variables: HashMap<String, Variable>,
}

impl Names {
    pub fn open(&mut self) {
        self.scopes.push(HashMap::new());
    }

    pub fn close(&mut self) {
        self.scopes.pop();
    }

    pub fn count(&self, file: File) -> usize {
        self.counts.get(&file).copied().unwrap_or(0)
    }

    fn fresh(&mut self, file: File) -> Result<Slot, String> {
        let count = self.counts.entry(file).or_default();
        *count += 1;
        // The last slot is `NONE`.
        Slot::try_from(*count - 1)
            .ok()
            .filter(|&slot| slot != Slot::MAX)
            .ok_or("too many registers".into())
    }

    /// Declares the registers of a `.reg` directive; `%r<9>` declares nine.
    pub fn declare(&mut self, ty: Type, names: &str) -> Result<(), String> {
        for name in names.split(',').map(str::trim) {
            match name.strip_suffix('>').and_then(|name| name.split_once('<')) {
                None => self.register(name.to_owned(), ty.file())?,
                Some((prefix, count)) => {
                    let count: usize = count.parse().map_err(|_| format!("how many is {name}?"))?;
                    for i in 0..count {
                        self.register(format!("{prefix}{i}"), ty.file())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, name: String, file: File) -> Result<(), String> {
        let slot = self.fresh(file)?;
        self.scopes.last_mut().ok_or("a register outside a body")?.insert(name, (file, slot));
        Ok(())
    }

    /// A register of any file.
    pub fn find(&self, name: &str) -> Option<(File, Slot)> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    /// A register to write; `_` gets an unused one.
    pub fn target(&mut self, name: &str, file: File) -> Result<Slot, String> {
        if name == "_" {
            return self.fresh(file);
        }
        match self.find(name) {
            Some((found, slot)) if found == file => Ok(slot),
            Some((found, _)) => Err(format!("{name} is a {found:?}, not a {file:?}")),
            None => Err(format!("{name} is not declared")),
        }
    }

    /// The slot of a constant.
    pub fn constant(&mut self, file: File, value: u64) -> Result<Slot, String> {
        if let Some(&slot) = self.constants.get(&(file, value)) {
            return Ok(slot);
        }
        let slot = self.fresh(file)?;
        self.constants.insert((file, value), slot);
        Ok(slot)
    }

    fn special(&mut self, special: Special) -> Result<Slot, String> {
        if let Some(&slot) = self.specials.get(&special) {
            return Ok(slot);
        }
        let slot = self.fresh(File::Word)?;
        self.specials.insert(special, slot);
        Ok(slot)
    }

    /// The slot of an operand that is read as `ty`.
    pub fn source(&mut self, text: &str, ty: Type) -> Result<Slot, String> {
        if self.find(text).is_some() {
            return self.target(text, ty.file());
        }
        if let Some(variable) = self.variables.get(text) {
            return self.constant(ty.file(), variable.at);
        }
        if let Some(special) = special(text) {
            return match ty.file() {
                File::Word => self.special(special),
                file => Err(format!("{text} is no {file:?}")),
            };
        }
        let value = number(text, ty).ok_or_else(|| format!("what is {text}?"))?;
        self.constant(ty.file(), value)
    }

    /// `[base+offset]`
    pub fn address(&mut self, text: &str, space: Space) -> Result<Address, String> {
        let wrong = || format!("{text} is no address");
        let inner =
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(wrong)?;
        let (base, offset) = match inner.split_once('+') {
            Some((base, offset)) => {
                (base.trim(), super::args::integer(offset.trim()).ok_or_else(wrong)? as i64)
            }
            None => (inner.trim(), 0),
        };
        let (wide, base) = match self.find(base) {
            Some((File::Pred, _)) => return Err(wrong()),
            Some((file, slot)) => (file == File::Long, slot),
            None => (true, self.base(base, space).ok_or_else(wrong)??),
        };
        Ok(Address { space, base, wide, offset })
    }

    /// The address of a variable, or a number, as a constant.
    fn base(&mut self, text: &str, space: Space) -> Option<Result<Slot, String>> {
        let at = match self.variables.get(text) {
            Some(variable) if variable.space != space => {
                return Some(Err(format!("{text} lies in the {:?} space", variable.space)));
            }
            Some(variable) => variable.at,
            None => super::args::integer(text)?,
        };
        Some(self.constant(File::Long, at))
    }
}

fn special(text: &str) -> Option<Special> {
    let (name, axis) = text.strip_prefix('%')?.split_once('.').unwrap_or((&text[1..], ""));
    let axis = ["x", "y", "z"].iter().position(|&one| one == axis);
    Some(match (name, axis) {
        ("tid", Some(axis)) => Special::Thread(axis),
        ("ntid", Some(axis)) => Special::Threads(axis),
        ("ctaid", Some(axis)) => Special::Block(axis),
        ("nctaid", Some(axis)) => Special::Blocks(axis),
        ("laneid", None) => Special::Lane,
        ("warpid", None) => Special::Warp,
        ("dynamic_smem_size", None) => Special::DynamicShared,
        _ => return None,
    })
}
