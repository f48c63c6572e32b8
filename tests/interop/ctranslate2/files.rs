//! Files: each variable, and every byte.

use super::{Converted, all};
use crate::values::{json, rows, text};
use a2d_interop::ct2::{self, Options, Quantization};
use a2d_interop::hf;
use a2d_tests::helpers::ct2::parse;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use tempfile::TempDir;

/// The types of variables, by their number.
const TYPES: [&str; 5] = ["float32", "int8", "int16", "int32", "float16"];

#[test]
fn files_are_those_of_the_converter() {
    for converted in all() {
        check(&converted);
    }
}

fn check(Converted { name, listed, source, folder }: &Converted) {
    let model = hf::import(source).unwrap();
    let options = Options {
        quantization: quantization(text(listed, "quantization")),
        positions: json(&source.join("config.json"))["max_position_embeddings"].as_u64().unwrap()
            as usize,
        ..Options::default()
    };
    let written = TempDir::new().unwrap();
    ct2::write(&model.portable(), written.path(), &options).unwrap();
    let bytes = fs::read(written.path().join("model.bin")).unwrap();
    check_variables(name, &bytes, rows(listed, "variables"));
    assert_eq!(hex(&bytes), listed["model.bin"]["sha256"], "{name}");
    // The largest model's folder is not kept.
    for file in rows(listed, "files").iter().filter(|_| folder.is_dir()) {
        let file = file.as_str().unwrap();
        let [found, expected] =
            [written.path(), folder].map(|folder| fs::read(folder.join(file)).unwrap());
        let shown = String::from_utf8_lossy(&found[..found.len().min(300)]);
        assert!(found == expected, "{name} {file}: {shown}");
    }
}

fn quantization(name: &str) -> Quantization {
    match name {
        "float32" => Quantization::F32,
        "float16" => Quantization::F16,
        "int8" => Quantization::Int8,
        "int16" => Quantization::Int16,
        other => panic!("numbers of the type {other}"),
    }
}

fn check_variables(name: &str, bytes: &[u8], rows: &[Value]) {
    let file = parse(bytes);
    for row in rows {
        let variable = text(row, "name");
        if let Some(of) = row["alias_of"].as_str() {
            assert_eq!(
                file.aliases.get(variable).map(String::as_str),
                Some(of),
                "{name} {variable}"
            );
            continue;
        }
        let (shape, kind, data) = &file.variables[variable];
        assert_eq!(serde_json::json!(shape), row["shape"], "{name} {variable}");
        assert_eq!(TYPES[usize::from(*kind)], row["dtype"], "{name} {variable}");
        assert_eq!(hex(data), row["sha256"], "{name} {variable}");
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
