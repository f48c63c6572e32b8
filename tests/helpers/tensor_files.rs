//! Files of tensors as other toolkits write them.

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, ZipArchive};

/// A tensor: name, sizes, values.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// A safetensors file with numbers of this type.
pub fn safetensors(tensors: &[Named], dtype: Dtype) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| encoded(values, dtype)).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (name.clone(), TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn encoded(values: &[f32], dtype: Dtype) -> Vec<u8> {
    values
        .iter()
        .flat_map(|x| match dtype {
            Dtype::F16 => f16::from_f32(*x).to_le_bytes().to_vec(),
            Dtype::BF16 => bf16::from_f32(*x).to_le_bytes().to_vec(),
            Dtype::F64 => f64::from(*x).to_le_bytes().to_vec(),
            Dtype::I64 => (*x as i64).to_le_bytes().to_vec(),
            _ => x.to_le_bytes().to_vec(),
        })
        .collect()
}

/// A view of a storage, as PyTorch writes it.
#[derive(Clone)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// The number of the storage.
    pub storage: usize,
    /// Numbers before its first one.
    pub offset: u32,
    /// The sizes.
    pub shape: Vec<u32>,
    /// The distance of neighbours in each dimension.
    pub strides: Vec<u32>,
}

/// Each tensor as a view of a storage of its own.
pub fn whole(tensors: &[Named]) -> (Vec<Vec<f32>>, Vec<View>) {
    let storages = tensors.iter().map(|(_, _, values)| values.clone()).collect();
    let views = tensors.iter().enumerate().map(|(storage, (name, shape, _))| View {
        name: name.clone().leak(),
        storage,
        offset: 0,
        shape: shape.iter().map(|d| *d as u32).collect(),
        strides: (0..shape.len())
            .map(|i| shape[i + 1..].iter().product::<usize>() as u32)
            .collect(),
    });
    (storages, views.collect())
}

/// Pickles the state of these views; `legacy` adds the sixth part of a storage's description.
pub fn state(storages: &[Vec<f32>], views: &[View], legacy: bool) -> Vec<u8> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(".to_vec();
    for view in views {
        text(&mut out, view.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &view.storage.to_string());
        text(&mut out, "cpu");
        int(&mut out, storages[view.storage].len() as u32);
        out.extend(if legacy { &b"NtQ"[..] } else { b"tQ" });
        int(&mut out, view.offset);
        for sizes in [&view.shape, &view.strides] {
            out.push(b'(');
            sizes.iter().for_each(|size| int(&mut out, *size));
            out.push(b't');
        }
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u}X\x09\x00\x00\x00_metadatah\x01sb.");
    out
}

/// A text.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn int(out: &mut Vec<u8>, number: u32) {
    out.push(b'J');
    out.extend(number.to_le_bytes());
}

/// PyTorch's zip format.
pub fn torch(storages: &[Vec<f32>], views: &[View]) -> Vec<u8> {
    let bytes =
        |values: &Vec<f32>| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut files = vec![
        ("archive/data.pkl".to_owned(), state(storages, views, false)),
        ("archive/byteorder".to_owned(), b"little".to_vec()),
    ];
    let numbered = storages.iter().enumerate();
    files.extend(numbered.map(|(key, values)| (format!("archive/data/{key}"), bytes(values))));
    files.push(("archive/version".to_owned(), b"3\n".to_vec()));
    archive(&files, CompressionMethod::Stored)
}

/// PyTorch's format before 1.6.
pub fn legacy(storages: &[Vec<f32>], views: &[View]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    out.extend(b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\x0d\x00\x00\x00little_endian\x88u.");
    out.extend(state(storages, views, true));
    out.extend(b"\x80\x02](");
    (0..storages.len()).for_each(|key| text(&mut out, &key.to_string()));
    out.extend(b"e.");
    for values in storages {
        out.extend((values.len() as u64).to_le_bytes());
        out.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    }
    out
}

/// A NumPy array of floats; with `columns` its first dimension is the closest, the values being given in that order.
pub fn npy(shape: &[usize], values: &[f32], columns: bool) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let order = if columns { "True" } else { "False" };
    let mut out =
        header(&format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': ({sizes}), }}"));
    out.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    out
}

/// A NumPy array of bytes.
pub fn npy_bytes(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let head = header(&format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({len},), }}"));
    [&head, bytes].concat()
}

fn header(text: &str) -> Vec<u8> {
    let mut text = text.to_owned();
    text += &" ".repeat(63 - (10 + text.len()) % 64);
    text.push('\n');
    let len = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], text.as_bytes()].concat()
}

/// An archive of arrays.
pub fn npz(arrays: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let files: Vec<_> =
        arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes.clone())).collect();
    archive(&files, method)
}

/// A zip archive.
pub fn archive(files: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The files of an archive.
pub fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let count = archive.len();
    let one = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        std::io::copy(&mut file, &mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(one).collect()
}

/// Tensors of zero to three dimensions, some without values.
pub fn named() -> Vec<Named> {
    let values = |n: usize, from: f32| (0..n).map(|i| from + 0.37 * i as f32).collect::<Vec<_>>();
    vec![
        ("a.weight".into(), vec![3, 4], values(12, -1.0)),
        ("b".into(), vec![], values(1, 7.5)),
        ("c.bias".into(), vec![5], values(5, 1e-3)),
        ("d".into(), vec![2, 3, 2], values(12, -9.0)),
        ("e".into(), vec![0, 4], vec![]),
    ]
}

fn arrays(tensors: &[Named]) -> Vec<(String, Vec<u8>)> {
    tensors.iter().map(|(name, shape, values)| (name.clone(), npy(shape, values, false))).collect()
}

/// A small file of each kind, by name.
pub fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let tensors = named();
    let (storages, views) = whole(&tensors);
    vec![
        ("safetensors", safetensors(&tensors, Dtype::F32)),
        ("torch", torch(&storages, &views)),
        ("legacy", legacy(&storages, &views)),
        ("npz", npz(&arrays(&tensors), CompressionMethod::Stored)),
        ("compressed npz", npz(&arrays(&tensors), CompressionMethod::Deflated)),
    ]
}
