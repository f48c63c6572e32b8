//! `model.bin`: a header, the variables in the order of their names, the names of those that are equal to another.

use super::Quantization;
use super::quantize::{Stored, store};
use super::variables::{Data, Variable, Variables};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 6;
/// The name of the kind of model.
const SPECIFICATION: &str = "TransformerSpec";
/// The version of its variables.
const REVISION: u32 = 7;

/// Writes the file.
///
/// # Errors
///
/// `out` cannot be written, or a variable has 4 GiB or more.
pub fn write(
    out: &mut dyn Write,
    variables: &Variables,
    quantization: Quantization,
) -> io::Result<()> {
    let aliases = aliases(variables);
    let kept = variables.iter().filter(|(name, _)| !aliases.contains_key(name.as_str()));
    let integers = matches!(quantization, Quantization::Int8 | Quantization::Int16);
    let scales =
        kept.clone().filter(|(_, variable)| integers && matches!(variable.data, Data::Weight(_)));
    number(out, VERSION as usize)?;
    text(out, SPECIFICATION)?;
    number(out, REVISION as usize)?;
    number(out, kept.clone().count() + scales.count())?;
    for (name, variable) in kept {
        let (stored, scale) = store(variable, quantization);
        put(out, name, &variable.shape, &stored)?;
        if let Some((shape, scale)) = scale {
            // No other name lies between that of a weight and that of its scale.
            put(out, &format!("{name}_scale"), &shape, &scale)?;
        }
    }
    number(out, aliases.len())?;
    for (alias, name) in aliases {
        text(out, alias)?;
        text(out, name)?;
    }
    Ok(())
}

/// Each variable that equals one of an earlier name, with the first of them.
fn aliases(variables: &Variables) -> BTreeMap<&str, &str> {
    let mut first: HashMap<u64, Vec<&str>> = HashMap::new();
    let mut aliases = BTreeMap::new();
    for (name, variable) in variables {
        let Some(hash) = hash(variable) else { continue };
        let alike = first.entry(hash).or_default();
        match alike.iter().find(|other| variables.get(**other) == Some(variable)) {
            Some(other) => drop(aliases.insert(name.as_str(), *other)),
            None => alike.push(name),
        }
    }
    aliases
}

fn values(variable: &Variable) -> Option<&[f32]> {
    match &variable.data {
        Data::Plain(values) | Data::Weight(values) => Some(values),
        _ => None,
    }
}

/// A hash of everything but single numbers.
fn hash(variable: &Variable) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    variable.shape.hash(&mut hasher);
    values(variable)?.iter().for_each(|x| x.to_bits().hash(&mut hasher));
    Some(hasher.finish())
}

fn put(out: &mut dyn Write, name: &str, shape: &[usize], values: &Stored) -> io::Result<()> {
    text(out, name)?;
    out.write_all(&[shape.len() as u8])?;
    shape.iter().try_for_each(|size| number(out, *size))?;
    out.write_all(&[values.kind()])?;
    let bytes = values.bytes();
    number(out, bytes.len())?;
    out.write_all(&bytes)
}

fn number(out: &mut dyn Write, number: usize) -> io::Result<()> {
    let number = u32::try_from(number);
    let number = number
        .map_err(|_| io::Error::other("a matrix has 4 GiB or more, which the format cannot say"))?;
    out.write_all(&number.to_le_bytes())
}

/// A text with the zero that ends it, after the length of both.
fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(&(text.len() as u16 + 1).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    out.write_all(&[0])
}
