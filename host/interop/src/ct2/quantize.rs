//! The numbers that a variable is written as.

use super::Quantization;
use super::variables::{Data, Variable};
use half::f16;

/// Values as they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 8-bit integers.
    I8(Vec<i8>),
    /// 16-bit integers.
    I16(Vec<i16>),
    /// 16-bit floats.
    F16(Vec<f16>),
}

impl Stored {
    /// The type's number in the format.
    pub fn kind(&self) -> u8 {
        match self {
            Self::F32(_) => 0,
            Self::I8(_) => 1,
            Self::I16(_) => 2,
            Self::F16(_) => 4,
        }
    }

    /// The values, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I8(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I16(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

/// The values of `variable`, and the scales of integers with their shape: a weight is an integer divided by its scale.
pub fn store(
    variable: &Variable,
    quantization: Quantization,
) -> (Stored, Option<(Vec<usize>, Stored)>) {
    let stored = match (&variable.data, quantization) {
        (Data::Byte(x), _) => Stored::I8(vec![*x]),
        (Data::Short(x), _) => Stored::I16(vec![*x]),
        (Data::Float(x), _) => Stored::F32(vec![*x]),
        (Data::Weight(values), Quantization::Int8) => return int8(values, &variable.shape),
        (Data::Weight(values), Quantization::Int16) => return int16(values),
        (Data::Plain(values) | Data::Weight(values), Quantization::F16) => {
            Stored::F16(values.iter().map(|x| f16::from_f32(*x)).collect())
        }
        (Data::Plain(values) | Data::Weight(values), _) => Stored::F32(values.clone()),
    };
    (stored, None)
}

/// Each row by a scale of its own.
fn int8(values: &[f32], shape: &[usize]) -> (Stored, Option<(Vec<usize>, Stored)>) {
    let width = shape.get(1).copied().unwrap_or(1).max(1);
    let scales: Vec<f32> =
        values.chunks(width).map(|row| 127.0 / or(largest(row), 127.0)).collect();
    let rows = values.chunks(width).zip(&scales);
    let numbers =
        rows.flat_map(|(row, scale)| row.iter().map(move |x| (x * scale).round_ties_even() as i8));
    (Stored::I8(numbers.collect()), Some((vec![scales.len()], Stored::F32(scales))))
}

/// All by one scale: 10 bits, so that a product has 20 and a sum of many fits in 32.
fn int16(values: &[f32]) -> (Stored, Option<(Vec<usize>, Stored)>) {
    let scale = 1024.0 / or(largest(values), 1024.0);
    let numbers = values.iter().map(|x| (x * scale).round_ties_even() as i16);
    (Stored::I16(numbers.collect()), Some((vec![], Stored::F32(vec![scale]))))
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn or(value: f32, other: f32) -> f32 {
    if value == 0.0 { other } else { value }
}
