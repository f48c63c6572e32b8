//! Compiled kernels are kept from one process to the next.

use a2d_core::backend::Train;
use a2d_core::shape::Shape;
use a2d_gpu::Device;
use a2d_host::backend::gpu::Gpu;
use a2d_host::backend::kernels::Store;
use a2d_host::backend::work::Work;
use a2d_host::config::Precision;
use a2d_host::system::error::Result;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// The ignored test that is run in processes of their own, and the variable that names its device.
const PROCESS: &str = "a_process_compiles_a_kernel";
const DEVICE: &str = "A2D_TEST_DEVICE";

struct Sum;

impl Work for Sum {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        let [x, y] = [1.0, 2.0].map(|value| b.tensor(&[value; 3], Shape::vector(3)));
        let sum = b.add(x, &y);
        let mut read = [0.0; 3];
        b.read(&sum, &mut read)?;
        assert_eq!(read, [3.0; 3]);
        Ok(())
    }
}

/// What each process does.
pub fn compute() {
    let device: Device = std::env::var(DEVICE).unwrap().parse().unwrap();
    let gpu = Gpu::find(Some(device)).unwrap();
    let compiler = a2d_gpu::pick(Some(device)).unwrap().compiler;
    println!("{}", compiler.map_or_else(String::new, |compiler| compiler.to_string()));
    gpu.note().iter().for_each(|note| println!("warning: {note}"));
    gpu.run(Precision::F32, None, Sum).unwrap();
}

/// A process that has this cache.
pub fn process(cache: &Path) -> Command {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args([PROCESS, "--exact", "--include-ignored", "--nocapture"]);
    process.env("A2D_CACHE", cache).stdout(Stdio::piped()).stderr(Stdio::piped());
    process
}

/// Starts a process with this cache; `toolkit`: the folder of CUDA's headers, if it is not the machine's.
fn start(cache: &Path, toolkit: Option<&Path>) -> Child {
    let mut process = process(cache);
    if let Some(toolkit) = toolkit {
        process.env("CUDA_PATH", toolkit);
    }
    process.spawn().unwrap()
}

/// Whether a process ended well, and what it said.
pub fn end(process: Child) -> (bool, String) {
    let done = process.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

pub fn from_process_to_process() {
    let folder = TempDir::new().unwrap();
    let (cache, toolkit) = (folder.path().join("cache"), folder.path().join("toolkit"));
    // With these headers nothing compiles.
    fs::create_dir_all(toolkit.join("include")).unwrap();
    for name in ["cuda_runtime.h", "cuda_fp16.h", "cuda_bf16.h"] {
        fs::write(toolkit.join("include").join(name), "#error not to be compiled\n").unwrap();
    }
    let run = |cache: &Path, toolkit| end(start(cache, toolkit));
    let (well, said) = run(&cache, Some(&toolkit));
    assert!(!well && said.contains("does not compile"), "{said}");
    assert_eq!(files(&cache).len(), 0);

    let both = [start(&cache, None), start(&cache, None)];
    for (well, said) in both.map(end) {
        assert!(well && !said.contains("warning"), "{said}");
    }
    let kept = files(&cache);
    assert!(!kept.is_empty() && kept.iter().all(|path| path.extension().unwrap() == "kernels"));
    let (well, said) = run(&cache, Some(&toolkit));
    assert!(well, "nothing is compiled twice: {said}");

    let other = TempDir::new().unwrap();
    let (well, said) = run(other.path(), Some(&toolkit));
    assert!(!well && said.contains("does not compile"), "another cache has no kernels: {said}");

    for path in &kept {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (well, said) = run(&cache, Some(&toolkit));
    assert!(!well && said.contains("does not compile"), "damaged kernels are not used: {said}");
    let (well, said) = run(&cache, None);
    assert!(well && !said.contains("warning"), "{said}");
    assert!(run(&cache, Some(&toolkit)).0, "kernels are written anew");

    let no_folder = kept[0].join("cache");
    let (well, said) = run(&no_folder, None);
    let warnings = said.matches("warning: compiled kernels are not kept: ").count();
    assert!(well && warnings == 1 && said.contains("A2D_CACHE names another folder"), "{said}");
    let (well, said) = run(Path::new(""), Some(&toolkit));
    assert!(!well && said.contains("does not compile"), "an empty name turns it off: {said}");
}

pub fn whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let store = || Store::at(folder.path().join("kernels"));
    assert_eq!(store().read(), b"");
    store().write(b"").unwrap();
    assert_eq!(files(folder.path()).len(), 0);
    for part in [&b"first"[..], b"second", b"first"] {
        store().write(part).unwrap();
    }
    let both = |bytes: Vec<u8>| bytes == b"firstsecond" || bytes == b"secondfirst";
    assert!(both(store().read()), "the same bytes are the same file");
    let kernels = folder.path().join("kernels");
    for (name, bytes) in
        [("foreign.kernels", "foreign"), ("0123456789abcdef.kernels", ""), ("x", "y")]
    {
        fs::write(kernels.join(name), bytes).unwrap();
    }
    fs::create_dir(kernels.join("folder.kernels")).unwrap();
    assert!(both(store().read()), "foreign files are not read");
    for path in files(&kernels) {
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    assert_eq!(store().read(), b"", "nor cut ones");
}

#[cfg(unix)]
pub fn unused_folders_are_removed() {
    let cache = TempDir::new().unwrap();
    let used = |path: &Path, days: u64| {
        let at = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        fs::File::open(path).unwrap().set_modified(at).unwrap();
    };
    // A folder with bytes of kernels, used some days ago.
    let folder = |name: &str, bytes: u64, days: u64| {
        let path = cache.path().join(name);
        fs::create_dir(&path).unwrap();
        let kernels = path.join("0123456789abcdef.kernels");
        fs::File::create(kernels).unwrap().set_len(bytes).unwrap();
        used(&path, days);
        path
    };
    let of = |program: u64| format!("sm_90-nvrtc-12.4-{program:016x}");
    let own = cache.path().join(of(0));
    let write = |bytes: &[u8]| Store::at(own.clone()).write(bytes).unwrap();

    let [old, read, recent] = [(1, 100), (2, 100), (3, 1)].map(|(n, days)| folder(&of(n), 9, days));
    let foreign = folder("sm_90-nvrtc-12.4-mine", 9, 100);
    let link = cache.path().join(of(4));
    symlink(&foreign, &link).unwrap();
    let mixed = folder(&of(5), 9, 100);
    fs::write(mixed.join("note"), "foreign").unwrap();
    used(&mixed, 100);
    let reader = Store::at(read.clone());
    reader.read();
    write(b"some");
    assert!(!old.exists() && read.exists() && recent.exists() && own.exists());
    assert_eq!(files(&foreign).len(), 1, "it has no name of ours");
    assert!(link.is_symlink(), "nor is a link followed");
    assert_eq!(files(&mixed), [mixed.join("note")], "foreign files stay");

    // A process that has opened a folder writes it anew after another has removed it.
    used(&read, 100);
    write(b"more");
    assert!(!read.exists());
    reader.write(b"later").unwrap();
    assert_eq!(reader.read(), b"later");

    // Together they have a gibibyte: what was used last stays.
    let [large, larger] = [(6, 2), (7, 3)].map(|(n, days)| folder(&of(n), 600 << 20, days));
    write(b"most");
    assert!(large.exists() && !larger.exists() && recent.exists());
}
