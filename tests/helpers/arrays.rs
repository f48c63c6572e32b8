//! Arrays of a safetensors file.

use super::compare::Array;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Every array of a file, by name.
///
/// # Panics
///
/// The bytes are not a safetensors file, or have numbers of a type that golden values do not have.
pub fn arrays(bytes: &[u8]) -> BTreeMap<String, Array> {
    let tensors = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let array = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let data = numbers(view.dtype(), view.data());
        (name.to_owned(), Array { shape: view.shape().to_vec(), data })
    };
    tensors.iter().map(array).collect()
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|word| f(*word)).collect()
    }
    match dtype {
        Dtype::F32 => each(bytes, |w| f64::from(f32::from_le_bytes(w))),
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::U8 => bytes.iter().map(|x| f64::from(*x)).collect(),
        Dtype::I64 => each(bytes, |w| i64::from_le_bytes(w) as f64),
        other => panic!("golden values of type {other:?}"),
    }
}
