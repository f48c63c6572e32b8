//! A reader of Python's pickles that executes nothing.
//!
//! It knows the instructions that files of tensors consist of, and builds values in one table: no instruction calls, imports
//! or allocates by a number of the file. A call of Python's is a value like any other, which the reader of states interprets.

use super::Refused;
use std::collections::HashMap;

/// The most values of a pickle: a state of 32 + 32 layers has some 20,000.
const MOST_VALUES: usize = 1 << 20;

/// The number of a value in [`Pickle::values`].
pub type Id = usize;

/// A value. Parts are numbers of other values, so that no structure is deep or has a cycle in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 16 bytes.
    Int(i128),
    /// A float, which no tensor's description needs.
    Float,
    /// A text.
    Text(String),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A dictionary: keys and values in order.
    Dict(Vec<(Id, Id)>),
    /// A name that may be imported.
    Global(Global),
    /// A global, called with a tuple.
    Call(Global, Id),
    /// Something outside the pickle: for tensors a tuple that describes a storage.
    Persistent(Id),
}

/// The names that files of tensors import. Any other is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_parameter`
    Parameter,
    /// `torch.FloatStorage` and its like.
    Storage(super::Element),
}

impl Global {
    fn of(module: &str, name: &str) -> Result<Self, Refused> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            _ => Self::Storage(super::Element::of_torch(module, name).ok_or_else(|| {
                let name: String = format!("{module}.{name}").escape_debug().take(80).collect();
                format!("needs `{name}`: only tensors and dictionaries of tensors are read, nothing is executed")
            })?),
        })
    }
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle {
    /// Every value, in the order of its first mention.
    pub values: Vec<Value>,
    /// What the pickle stands for.
    pub root: Id,
    /// The length of the pickle in bytes.
    pub len: usize,
}

impl Pickle {
    /// Reads the pickle at the start of `bytes`.
    ///
    /// # Errors
    ///
    /// It is cut off, has an instruction or a name that files of tensors do not need, or too many values.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: vec![],
            stack: vec![],
            marks: vec![],
            memo: HashMap::new(),
        };
        while machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { values: machine.values, root, len: machine.at })
    }

    /// The value `id`.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// The parts of a tuple or a list.
    pub fn parts(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(parts) | Value::List(parts) => Some(parts),
            _ => None,
        }
    }

    /// A size or an offset.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Carries out one instruction; false after the last.
    fn step(&mut self) -> Result<bool, Refused> {
        let at = self.at;
        match self.byte()? {
            b'.' => return Ok(false),
            0x80 => self.protocol()?,
            // A frame's length says nothing that is needed.
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' | b'M' | b'J' | 0x8a => self.integer(at)?,
            b'G' => self.float()?,
            b'U' | b'T' | b'X' | 0x8c => self.text(at)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(at)?,
            b']' => self.push(Value::List(vec![]))?,
            b'}' => self.push(Value::Dict(vec![]))?,
            b'a' | b'e' => self.append(at)?,
            b's' | b'u' => self.set(at)?,
            b'q' | b'r' | 0x94 => self.remember(at)?,
            b'h' | b'j' => self.recall(at)?,
            b'c' | 0x93 => self.global(at)?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'R' => self.call()?,
            b'b' => self.state()?,
            other => {
                return Err(format!(
                    "has the pickle instruction {other:#04x} at {at}, which tensors do not need"
                ));
            }
        }
        Ok(true)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refused> {
        let bytes = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        self.at = self.at.saturating_add(len);
        bytes.ok_or_else(|| "ends inside its pickle".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        Ok(*self.take(N)?.first_chunk().unwrap_or(&[0; N]))
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        Ok(self.array::<1>()?[0])
    }

    fn op(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn push(&mut self, value: Value) -> Result<(), Refused> {
        if self.values.len() >= MOST_VALUES {
            return Err(format!("has a pickle of more than {MOST_VALUES} values"));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, Refused> {
        // What stands below a mark belongs to what was begun before it.
        match self.marks.last() {
            Some(mark) if *mark >= self.stack.len() => Err(broken()),
            _ => self.stack.pop().ok_or_else(broken),
        }
    }

    /// All that stands above the last mark.
    fn marked(&mut self) -> Result<Vec<Id>, Refused> {
        let mark = self.marks.pop().ok_or_else(broken)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn top(&mut self) -> Result<&mut Value, Refused> {
        let id = *self.stack.last().ok_or_else(broken)?;
        self.values.get_mut(id).ok_or_else(broken)
    }

    fn protocol(&mut self) -> Result<(), Refused> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(format!("has a pickle of protocol {other}, expected 2 to 5")),
        }
    }

    fn integer(&mut self, at: usize) -> Result<(), Refused> {
        let number = match self.op(at) {
            b'K' => self.byte()?.into(),
            b'M' => u16::from_le_bytes(self.array()?).into(),
            b'J' => i32::from_le_bytes(self.array()?).into(),
            _ => {
                let len = self.byte()?.into();
                let digits = self.take(len)?;
                let negative = digits.last().is_some_and(|top| *top >= 0x80);
                let mut bytes = [if negative { 0xff } else { 0 }; 16];
                let room = bytes.get_mut(..len).ok_or("has an integer of more than 16 bytes")?;
                room.copy_from_slice(digits);
                i128::from_le_bytes(bytes)
            }
        };
        self.push(Value::Int(number))
    }

    fn float(&mut self) -> Result<(), Refused> {
        self.take(8)?;
        self.push(Value::Float)
    }

    fn text(&mut self, at: usize) -> Result<(), Refused> {
        let len = match self.op(at) {
            b'U' | 0x8c => self.byte()?.into(),
            _ => u32::from_le_bytes(self.array()?) as usize,
        };
        let text = std::str::from_utf8(self.take(len)?);
        let text = text.map_err(|_| format!("has a text at {at} that is not UTF-8"))?;
        self.push(Value::Text(text.to_owned()))
    }

    fn tuple(&mut self, at: usize) -> Result<(), Refused> {
        let parts = match self.op(at) {
            b')' => vec![],
            b't' => self.marked()?,
            op => {
                let mut parts = (0x85..=op).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                parts.reverse();
                parts
            }
        };
        self.push(Value::Tuple(parts))
    }

    fn append(&mut self, at: usize) -> Result<(), Refused> {
        let more = if self.op(at) == b'a' { vec![self.pop()?] } else { self.marked()? };
        match self.top()? {
            Value::List(parts) => parts.extend(more),
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn set(&mut self, at: usize) -> Result<(), Refused> {
        let more = if self.op(at) == b's' {
            let (value, key) = (self.pop()?, self.pop()?);
            vec![key, value]
        } else {
            self.marked()?
        };
        let (pairs, rest) = more.as_chunks();
        match self.top()? {
            Value::Dict(items) if rest.is_empty() => {
                items.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn remember(&mut self, at: usize) -> Result<(), Refused> {
        let key = match self.op(at) {
            b'q' => self.byte()?.into(),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        let id = *self.stack.last().ok_or_else(broken)?;
        self.memo.insert(key, id);
        match self.memo.len() > MOST_VALUES {
            true => Err(broken()),
            false => Ok(()),
        }
    }

    fn recall(&mut self, at: usize) -> Result<(), Refused> {
        let key = match self.op(at) {
            b'h' => self.byte()?.into(),
            _ => u32::from_le_bytes(self.array()?),
        };
        self.stack.push(*self.memo.get(&key).ok_or_else(broken)?);
        Ok(())
    }

    fn global(&mut self, at: usize) -> Result<(), Refused> {
        let global = if self.op(at) == b'c' {
            let module = self.line()?;
            Global::of(module, self.line()?)?
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.values.get(module), self.values.get(name)) {
                (Some(Value::Text(module)), Some(Value::Text(name))) => Global::of(module, name)?,
                _ => return Err(broken()),
            }
        };
        self.push(Value::Global(global))
    }

    fn line(&mut self) -> Result<&'a str, Refused> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|byte| *byte == b'\n').ok_or("ends inside its pickle")?;
        let line = self.take(len)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| broken())
    }

    fn call(&mut self) -> Result<(), Refused> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Some(Value::Global(global)) = self.values.get(callee) else { return Err(broken()) };
        let Some(Value::Tuple(parts)) = self.values.get(arguments) else { return Err(broken()) };
        match global {
            Global::OrderedDict if parts.is_empty() => self.push(Value::Dict(vec![])),
            global => self.push(Value::Call(*global, arguments)),
        }
    }

    /// Attributes of a dictionary: `_metadata` of a PyTorch state, which no tensor needs.
    fn state(&mut self) -> Result<(), Refused> {
        self.pop()?;
        match self.top()? {
            Value::Dict(_) => Ok(()),
            _ => Err("sets attributes of what is no dictionary".to_owned()),
        }
    }
}

fn broken() -> Refused {
    "has a pickle whose instructions do not fit together".to_owned()
}
