//! A file of golden values: `kd_METHOD.safetensors` and `kd_METHOD.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use a2d_core::config::{Config, Stack};
use serde_json::Value;

use crate::helpers::arrays::arrays;
use crate::helpers::compare::{Array, Findings};
use crate::helpers::model::plain;

/// The arrays of a file by name, and its description.
pub struct File {
    pub arrays: BTreeMap<String, Array>,
    pub json: Value,
}

impl File {
    /// The file of `method`, if the folder has it.
    pub fn read(folder: &Path, method: &str) -> Option<Self> {
        let path = folder.join(format!("kd_{method}.safetensors"));
        let bytes = fs::read(&path).ok()?;
        let text = fs::read_to_string(path.with_extension("json")).expect("a description");
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("kd_{method}.json: {e}"));
        Some(Self { arrays: arrays(&bytes), json })
    }

    /// The cases of the file.
    pub fn cases(&self) -> Vec<Case<'_>> {
        let cases = self.json["cases"].as_object().expect("cases");
        cases.iter().map(|(name, described)| Case { file: self, name, described }).collect()
    }
}

/// The inputs of a case and the values of its variants.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    file: &'a File,
    pub name: &'a str,
    described: &'a Value,
}

impl<'a> Case<'a> {
    /// The names of the variants.
    pub fn variants(&self) -> Vec<&'a str> {
        self.described["variants"].as_object().expect("variants").keys().map(|k| &**k).collect()
    }

    /// A number of the configuration.
    pub fn number(&self, name: &str) -> usize {
        number(&self.described["config"], name)
    }

    /// The configuration.
    pub fn settings(&self) -> &'a Value {
        &self.described["config"]
    }

    /// The input `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<&'a Array> {
        self.file.arrays.get(&format!("{}/in/{name}", self.name))
    }

    /// The input `name`.
    pub fn input(&self, name: &str) -> &'a Array {
        self.find(name).unwrap_or_else(|| panic!("{}: no input {name}", self.name))
    }

    /// The outputs of a variant in double precision that are scalars, by name.
    pub fn values(&self, variant: &str) -> BTreeMap<&'a str, f64> {
        let values = self.described["variants"][variant]["values"].as_object().expect("values");
        values.iter().map(|(name, x)| (&**name, x.as_f64().expect("a number"))).collect()
    }

    /// An output of a variant in double precision, if there is one.
    pub fn output(&self, variant: &str, name: &str) -> Option<&'a Array> {
        self.file.arrays.get(&format!("{}/f64/{variant}/{name}", self.name))
    }

    /// The gradient of the loss of `input`, zeros if the file has none.
    pub fn gradient(&self, variant: &str, input: &str) -> Array {
        let name = format!("{}/f64/{variant}/grad/{input}", self.name);
        self.file.arrays.get(&name).cloned().unwrap_or_else(|| {
            let input = self.input(input);
            Array { shape: input.shape.clone(), data: vec![0.0; input.data.len()] }
        })
    }

    /// The layers, widths and heads of `student` or `teacher`.
    pub fn config(&self, student: bool) -> Config {
        config(&self.described["config"], student)
    }
}

/// A number of a configuration.
pub fn number(config: &Value, name: &str) -> usize {
    config[name].as_u64().unwrap_or_else(|| panic!("no number {name}")) as usize
}

/// The lists of numbers at `name`: one, or one for each layer.
pub fn lists(config: &Value, name: &str) -> Option<Vec<Vec<usize>>> {
    let list = |value: &Value| -> Vec<usize> {
        let numbers = value.as_array().expect("a list").iter();
        numbers.map(|x| x.as_u64().expect("a number") as usize).collect()
    };
    let value = config.get(name)?;
    let nested = value.as_array()?.iter().any(Value::is_array);
    Some(if nested { value.as_array()?.iter().map(list).collect() } else { vec![list(value)] })
}

/// The configuration of one of two models.
pub fn config(of: &Value, student: bool) -> Config {
    let [d, encoder, decoder, heads, inner] = match student {
        true => ["ds", "Me", "Md", "Hs", "fs"],
        false => ["dt", "Ne", "Nd", "Ht", "ft"],
    };
    let stack = |layers: &str| Stack {
        d_model: number(of, d),
        ffn_dim: of[inner].as_u64().unwrap_or(8) as usize,
        attention_heads: number(of, heads),
        layers: number(of, layers),
    };
    let source_vocabulary = of["SV"].as_u64().unwrap_or(9) as usize;
    Config {
        target_vocabulary: of["V"].as_u64().unwrap_or(9) as usize,
        normalize_before: of["prenorm"].as_bool().unwrap_or(false),
        ..plain(source_vocabulary, stack(encoder), stack(decoder))
    }
}

/// The tolerance of a loss, in the measure of the files: the largest difference / (the largest element + 0.05).
pub const LOSS: f64 = 1e-5;
/// The tolerance of a gradient.
pub const GRADIENT: f64 = 2e-5;
const FLOOR: f64 = 0.05;

/// Compares in the measure of the files.
pub fn close(
    findings: &mut Findings,
    kind: &'static str,
    place: &str,
    (got, wanted): (&[f64], &[f64]),
    limit: f64,
) {
    assert_eq!(got.len(), wanted.len(), "{place}");
    let largest = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let off = |(got, wanted): (&f64, &f64)| (got - wanted).abs();
    let off = got
        .iter()
        .zip(wanted)
        .map(off)
        .fold(0.0, |most: f64, x| if x.is_nan() { f64::INFINITY } else { most.max(x) });
    let share = off / (limit * (largest + FLOOR));
    findings.check(kind, share, format!("{place}: off by {off:.2e}, largest {largest:.2e}"));
}
