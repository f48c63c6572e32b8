//! Changes of folders of Hugging Face's layout.

use a2d_tests::helpers::tensor_files as files;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Changes a JSON file.
pub fn set(folder: &Path, file: &str, key: &str, value: Value) {
    let path = folder.join(file);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json[key] = value;
    fs::write(path, json.to_string()).unwrap();
}

/// Takes a key out of a JSON file.
pub fn unset(folder: &Path, file: &str, key: &str) {
    let path = folder.join(file);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove(key).unwrap();
    fs::write(path, json.to_string()).unwrap();
}

/// The tensors of a folder.
pub fn tensors(folder: &Path) -> Vec<files::Named> {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let one = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (name.to_owned(), view.shape().to_vec(), values.collect())
    };
    tensors.iter().map(one).collect()
}

/// Changes the weights.
pub fn reweigh(folder: &Path, change: impl FnOnce(&mut Vec<files::Named>)) {
    let mut tensors = tensors(folder);
    change(&mut tensors);
    fs::write(folder.join("model.safetensors"), files::safetensors(&tensors, Dtype::F32)).unwrap();
}

/// The tensor of a name.
pub fn named<'t>(tensors: &'t mut [files::Named], name: &str) -> &'t mut files::Named {
    tensors.iter_mut().find(|(other, _, _)| other == name).unwrap()
}

/// Adds a copy of a tensor under another name.
pub fn copy(tensors: &mut Vec<files::Named>, from: &str, to: &str) {
    let (_, shape, values) = named(tensors, from).clone();
    tensors.push((to.into(), shape, values));
}
