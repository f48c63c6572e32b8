//! The tensors of a PyTorch state: a dictionary from names to views of storages.

use super::pickle::{Global, Id, Pickle, Value};
use super::{Element, Entries, Entry, Place, Refused};
use std::collections::BTreeMap;

/// A storage as a pickle describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name in the file.
    pub key: String,
    /// The type of its numbers.
    pub element: Element,
    /// How many there are.
    pub len: u64,
}

impl Storage {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.len.saturating_mul(self.element.width() as u64)
    }
}

/// A tensor as a pickle describes it.
struct View {
    storage: Storage,
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Element {
    /// The type of a storage's class.
    pub(super) fn of_torch(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch", "HalfStorage") => Self::F16,
            ("torch", "BFloat16Storage") => Self::Bf16,
            ("torch", "FloatStorage") => Self::F32,
            ("torch", "DoubleStorage") => Self::F64,
            ("torch", "ByteStorage" | "CharStorage" | "BoolStorage") => Self::Integer(1),
            ("torch", "ShortStorage") => Self::Integer(2),
            ("torch", "IntStorage") => Self::Integer(4),
            ("torch", "LongStorage") => Self::Integer(8),
            _ => return None,
        })
    }
}

/// Every storage that the pickle mentions, by key.
///
/// # Errors
///
/// A key stands for two different storages.
pub fn storages(pickle: &Pickle) -> Result<BTreeMap<String, Storage>, Refused> {
    let mut storages: BTreeMap<String, Storage> = BTreeMap::new();
    for value in &pickle.values {
        let Value::Persistent(id) = value else { continue };
        let storage = storage(pickle, *id).ok_or_else(|| odd("a storage"))?;
        let known = storages.entry(storage.key.clone()).or_insert_with(|| storage.clone());
        if *known != storage {
            return Err(format!("has two storages `{}`", storage.key.escape_debug()));
        }
    }
    Ok(storages)
}

/// Every tensor of the state, `places` being where its storages lie.
///
/// # Errors
///
/// The pickle is not a dictionary of tensors, or a tensor reaches beyond its storage.
pub fn entries(pickle: &Pickle, places: &BTreeMap<String, Place>) -> Result<Entries, Refused> {
    let Value::Dict(items) = pickle.get(pickle.root) else {
        return Err("holds no dictionary of tensors".to_owned());
    };
    let mut entries = Entries::new();
    for (key, value) in items {
        let name = pickle.text(*key).ok_or_else(|| odd("a name"))?;
        let shown = name.escape_debug();
        let view =
            view(pickle, *value).ok_or_else(|| format!("holds `{shown}`, which is no tensor"))?;
        let entry = entry(view, places).map_err(|why| format!("has `{shown}`: {why}"))?;
        if entries.insert(name.to_owned(), entry).is_some() {
            return Err(format!("has `{shown}` twice"));
        }
    }
    Ok(entries)
}

fn entry(view: View, places: &BTreeMap<String, Place>) -> Result<Entry, Refused> {
    let View { storage, offset, shape, strides } = view;
    let place = places.get(&storage.key).ok_or("its storage is missing")?;
    let skip = offset.saturating_mul(storage.element.width() as u64);
    let place = Place { skip: place.skip.saturating_add(skip), ..place.clone() };
    let entry = Entry { element: storage.element, shape, strides, place };
    entry.check(storage.len.saturating_sub(offset))?;
    Ok(entry)
}

/// The view that a tensor, or a parameter around it, stands for.
fn view(pickle: &Pickle, id: Id) -> Option<View> {
    let (global, arguments) = call(pickle, id)?;
    let (global, arguments) = match global {
        Global::Parameter => call(pickle, *arguments.first()?)?,
        _ => (global, arguments),
    };
    let (Global::Tensor, [storage_id, offset, shape, strides, ..]) = (global, arguments) else {
        return None;
    };
    let Value::Persistent(description) = pickle.get(*storage_id) else { return None };
    let sizes =
        |id: Id| pickle.parts(id)?.iter().map(|id| pickle.size(*id)).collect::<Option<Vec<_>>>();
    Some(View {
        storage: storage(pickle, *description)?,
        offset: pickle.size(*offset)? as u64,
        shape: sizes(*shape)?,
        strides: sizes(*strides)?,
    })
}

fn call(pickle: &Pickle, id: Id) -> Option<(Global, &[Id])> {
    match pickle.get(id) {
        Value::Call(global, arguments) => Some((*global, pickle.parts(*arguments)?)),
        _ => None,
    }
}

/// `('storage', class, key, device, length)`, and in the legacy format the part of it that is viewed: always all.
fn storage(pickle: &Pickle, id: Id) -> Option<Storage> {
    let [kind, class, key, _, len, rest @ ..] = pickle.parts(id)? else { return None };
    let whole = rest.iter().all(|id| *pickle.get(*id) == Value::None);
    let Value::Global(Global::Storage(element)) = *pickle.get(*class) else { return None };
    let (key, len) = (pickle.text(*key)?.to_owned(), pickle.size(*len)? as u64);
    (whole && pickle.text(*kind)? == "storage").then_some(Storage { key, element, len })
}

fn odd(what: &str) -> Refused {
    format!("describes {what} in a way that PyTorch does not")
}
