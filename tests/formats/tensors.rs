//! The readers of tensors.

use crate::made::misuse;
use a2d_interop::tensors::{Element, Tensors};
use a2d_system::error::Result;
use a2d_tests::helpers::tensor_files::{self as files, Named, View, kinds, named};
use half::{bf16, f16};
use safetensors::tensor::Dtype;
use std::io::Cursor;
use std::path::Path;
use zip::CompressionMethod::Stored;

/// Opens bytes as a file.
pub fn open(bytes: &[u8]) -> Result<Tensors> {
    Tensors::read(Path::new("a file"), Box::new(Cursor::new(bytes.to_vec())))
}

fn taken(bytes: &[u8]) -> Vec<Named> {
    let mut file = open(bytes).unwrap();
    let names: Vec<String> = file.names().map(String::from).collect();
    let one = |name: String| {
        let shape = file.entry(&name).unwrap().shape.clone();
        let values = file.values(&name, &shape).unwrap();
        (name, shape, values)
    };
    names.into_iter().map(one).collect()
}

#[test]
fn each_kind_gives_its_tensors() {
    for (kind, bytes) in kinds() {
        assert_eq!(taken(&bytes), named(), "{kind}");
    }
}

#[test]
fn each_type_of_numbers_is_converted() {
    type Round = fn(f32) -> f32;
    let round: [(Dtype, Round); 4] = [
        (Dtype::F32, |x| x),
        (Dtype::F16, |x| f16::from_f32(x).to_f32()),
        (Dtype::BF16, |x| bf16::from_f32(x).to_f32()),
        (Dtype::F64, |x| x),
    ];
    for (dtype, round) in round {
        let mut expected = named();
        expected.iter_mut().flat_map(|(_, _, values)| values).for_each(|x| *x = round(*x));
        assert_eq!(taken(&files::safetensors(&named(), dtype)), expected, "{dtype:?}");
    }
}

#[test]
fn integers_are_no_weights() {
    let mut file = open(&files::safetensors(&named(), Dtype::I64)).unwrap();
    assert_eq!(file.entry("a.weight").unwrap().element, Element::Integer(8));
    let text = misuse(file.values("a.weight", &[3, 4]).unwrap_err());
    assert_eq!(text, "a file has `a.weight` as integers, expected floats");
}

#[test]
fn views_share_a_storage() {
    let storage: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let view = |name, offset, shape: &[u32], strides: &[u32]| View {
        name,
        storage: 0,
        offset,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
    };
    let views = [
        view("all", 0, &[3, 4], &[4, 1]),
        view("alias", 0, &[3, 4], &[4, 1]),
        view("transposed", 0, &[4, 3], &[1, 4]),
        view("column", 2, &[3], &[4]),
        view("last", 8, &[1, 4], &[99, 1]),
    ];
    let storages = std::slice::from_ref(&storage);
    for bytes in [files::torch(storages, &views), files::legacy(storages, &views)] {
        let mut file = open(&bytes).unwrap();
        assert_eq!(file.entry("all"), file.entry("alias"));
        assert_ne!(file.entry("all"), file.entry("transposed"));
        assert_eq!(file.values("all", &[3, 4]).unwrap(), storage);
        assert_eq!(file.values("column", &[3]).unwrap(), [2.0, 6.0, 10.0]);
        assert_eq!(file.values("last", &[1, 4]).unwrap(), [8.0, 9.0, 10.0, 11.0]);
        let transposed = file.values("transposed", &[4, 3]).unwrap();
        assert_eq!(transposed, [0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0]);
    }
}

#[test]
fn a_view_beyond_its_storage_is_refused() {
    for (offset, shape, strides) in [
        (1, vec![12], vec![1]),
        (0, vec![3, 4], vec![5, 1]),
        // Repeats values: many from few.
        (0, vec![1 << 30], vec![0]),
        (0, vec![1 << 30, 1 << 30, 1 << 30], vec![1 << 30, 1 << 30, 1 << 30]),
    ] {
        let view = View { name: "x", storage: 0, offset, shape, strides };
        let text = misuse(open(&files::torch(&[vec![0.0; 12]], &[view])).err().unwrap());
        assert!(text.starts_with("a file has `x`: "), "{text}");
    }
}

#[test]
fn columns_first_is_turned() {
    let bytes = files::npy(&[2, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0], true);
    let bytes = files::npz(&[("x".into(), bytes)], Stored);
    assert_eq!(taken(&bytes), [("x".into(), vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])]);
}

#[test]
fn missing_shaped_otherwise_and_not_finite_are_refused() {
    let tensors = [("x".to_owned(), vec![2], vec![1.0, f32::NAN])];
    let mut file = open(&files::safetensors(&tensors, Dtype::F32)).unwrap();
    for (name, shape, expected) in [
        ("y", vec![2], "a file has no tensor `y` (expected [2])"),
        ("x", vec![1, 2], "a file has `x` as [2], expected [1, 2]"),
        ("x", vec![2], "a file has NaN or infinity in `x`"),
    ] {
        assert_eq!(misuse(file.values(name, &shape).unwrap_err()), expected);
    }
}

#[test]
fn a_quoted_text_does_not_break_a_line() {
    let header = br#"{"x\n":{"dtype":"F\n9","shape":[],"data_offsets":[0,0]}}"#;
    let file = [&(header.len() as u64).to_le_bytes(), &header[..]].concat();
    misuse(open(&file).err().unwrap());
    let tensors = [("x\n\u{1b}[31m".to_owned(), vec![1], vec![f32::NAN])];
    let mut file = open(&files::safetensors(&tensors, Dtype::F32)).unwrap();
    let text = misuse(file.values("x\n\u{1b}[31m", &[1]).unwrap_err());
    assert_eq!(text, r"a file has NaN or infinity in `x\n\u{1b}[31m`");
}

#[test]
fn another_file_is_refused() {
    for bytes in [
        &b""[..],
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        b"{\"a\": 1}",
        b"PK\x03\x04",
        b"\x80\x02.",
    ] {
        misuse(open(bytes).err().unwrap());
    }
    let text = misuse(open(&b"version https://git-lfs.github.com/spec/v1\n"[..]).err().unwrap());
    assert!(text.contains("no known format"), "{text}");
}
