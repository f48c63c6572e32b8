//! Damaged files: refused, or read as something else of the same size, but never a panic or much memory.

use crate::bert;
use crate::made::{self, misuse};
use crate::marian::{made_folder, made_folder_of_one};
use crate::tensors::open;
use a2d_core::rng;
use a2d_interop::import;
use a2d_tests::helpers::tensor_files::kinds;
use rayon::prelude::*;
use std::fs;
use tempfile::TempDir;

/// Opens a file and reads all of its tensors; the number of their values.
fn read_all(bytes: &[u8]) -> Result<usize, String> {
    let mut file = open(bytes).map_err(|e| e.to_string())?;
    let names: Vec<String> = file.names().map(String::from).collect();
    let mut total = 0;
    for name in names {
        let shape = file.entry(&name).unwrap().shape.clone();
        total += file.values(&name, &shape).map_err(|e| e.to_string())?.len();
    }
    Ok(total)
}

fn check(kind: &str, what: &str, bytes: &[u8]) -> bool {
    match read_all(bytes) {
        Ok(values) => {
            assert!(values <= 16 * bytes.len() + (1 << 18), "{kind}, {what}: {values} values");
            true
        }
        Err(text) => {
            assert_eq!(text.lines().count(), 1, "{kind}, {what}: {text}");
            false
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for (kind, bytes) in kinds() {
        for len in 0..bytes.len() {
            assert!(!check(kind, &format!("{len} bytes"), &bytes[..len]), "{kind}: {len} bytes");
        }
    }
}

/// `sound` with one to three changes.
fn changed(sound: &[u8], key: u64) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for change in 0..1 + key as u32 % 3 {
        let random = |i: u32| (rng::uniform(key, 3 * change + i) * 65536.0) as usize;
        let at = random(0) % bytes.len();
        match random(1) % 4 {
            0 => bytes[at] ^= 1 << (random(2) % 8),
            1 => bytes[at] = random(2) as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(2) % 5],
            _ => drop(bytes.splice(at..(at + 4).min(bytes.len()), [0xff; 4])),
        }
    }
    bytes
}

#[test]
fn ten_thousand_changes_are_refused_or_harmless() {
    for (kind, sound) in kinds() {
        let check = |key: &u64| !check(kind, &format!("change {key}"), &changed(&sound, *key));
        let refused = (0..10_000).filter(check).count();
        assert!((1000..10_000).contains(&refused), "{kind}: {refused} of 10000 are refused");
    }
}

/// A folder that can be imported, and the name of a file of it that is text.
type Text = (fn() -> TempDir, &'static str);

fn hf_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    made::hf_folder(&made::marian(|_| ()).portable(), folder.path());
    folder
}

fn bert_folder() -> TempDir {
    bert::copied("classifier")
}

const TEXTS: [Text; 10] = [
    (hf_folder, "config.json"),
    (hf_folder, "generation_config.json"),
    (hf_folder, "tokenizer_config.json"),
    (hf_folder, "vocab.json"),
    (made_folder, "opus.spm32k-spm32k.vocab.yml"),
    (made_folder_of_one, "vocab.deen.spm"),
    (bert_folder, "config.json"),
    (bert_folder, "tokenizer.json"),
    (bert::of_modules, "modules.json"),
    (bert::of_modules, "1_Pooling/config.json"),
];

#[test]
fn damaged_texts_are_refused_or_harmless() {
    TEXTS.into_par_iter().for_each(|(folder, name)| {
        let folder = folder();
        let path = folder.path().join(name);
        let sound = fs::read(&path).unwrap();
        let truncated = (0..sound.len()).map(|len| sound[..len].to_vec());
        let mut refused = 0;
        for bytes in truncated.chain((0..10_000).map(|key| changed(&sound, key))) {
            fs::write(&path, bytes).unwrap();
            if let Err(error) = import(folder.path()) {
                misuse(error);
                refused += 1;
            }
        }
        assert!(refused > sound.len() / 2, "{name}: {refused}");
    });
}
