//! Two processes that train together, each on a CUDA device of its own. They are connected by a socket in place of MPI, of which
//! no GPU's test is built with.

use a2d_core::backend::{Device as _, Train};
use a2d_core::shape::Shape;
use a2d_gpu::{Device, Precision, Seat, list, open};
use a2d_host::backend::device::{Chosen, Wish, choose};
use a2d_host::config::RunConfig;
use a2d_host::run::checkpoint::{Saved, Tensor};
use a2d_host::run::prepared::Prepared;
use a2d_host::system::display::Display;
use a2d_host::train::ranks::{Launch, Ranks, Sums, World};
use a2d_host::train::stage::{Place, Stage};
use a2d_tests::helpers::skip::skipped;
use a2d_tests::helpers::text;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What the second process does, and in which folder.
const ROLE: &str = "A2D_TEST_ROLE";
const FOLDER: &str = "A2D_TEST_FOLDER";

const UPDATES: usize = 6;

/// Two processes at the ends of a stream.
struct Pair {
    rank: usize,
    stream: RefCell<UnixStream>,
}

impl Pair {
    /// What both have, by rank.
    fn both(&self, own: Vec<u8>) -> [Vec<u8>; 2] {
        let mut stream = self.stream.borrow_mut();
        let mut other = Vec::new();
        // One writes while the other reads, whatever the length.
        for turn in 0..2 {
            if turn == self.rank {
                stream.write_all(&(own.len() as u64).to_le_bytes()).expect("the other reads");
                stream.write_all(&own).expect("the other reads");
            } else {
                let mut length = [0; 8];
                stream.read_exact(&mut length).expect("the other writes");
                other.resize(u64::from_le_bytes(length) as usize, 0);
                stream.read_exact(&mut other).expect("the other writes");
            }
        }
        if self.rank == 0 { [own, other] } else { [other, own] }
    }
}

impl World for Pair {
    fn size(&self) -> usize {
        2
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn sum(&self, values: &mut Vec<f32>) {
        let own = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let [a, b] = self.both(own).map(|of| {
            let floats = of.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()));
            floats.collect::<Vec<_>>()
        });
        *values = a.iter().zip(b).map(|(a, b)| a + b).collect();
    }

    fn gather(&self, own: &[f64]) -> Vec<f64> {
        let all = self.both(own.iter().flat_map(|x| x.to_le_bytes()).collect()).concat();
        all.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect()
    }

    fn largest(&self, values: &mut [u64]) {
        let [a, b] = self.both(values.iter().flat_map(|x| x.to_le_bytes()).collect());
        let word = |x: &[u8]| u64::from_le_bytes(x.try_into().unwrap());
        for (value, (a, b)) in values.iter_mut().zip(a.chunks_exact(8).zip(b.chunks_exact(8))) {
            *value = word(a).max(word(b));
        }
    }

    fn abort(&self, code: u8) -> ! {
        std::process::exit(code.into())
    }
}

fn ranks(rank: usize, stream: UnixStream) -> Ranks {
    let launch = Launch::of(|name| match name {
        "OMPI_COMM_WORLD_RANK" => Some(rank.to_string()),
        "OMPI_COMM_WORLD_SIZE" => Some("2".to_owned()),
        _ => None,
    });
    Ranks::of(launch, Box::new(Pair { rank, stream: RefCell::new(stream) })).unwrap()
}

/// The stream to a process, once it has connected.
fn met(listener: &UnixListener, other: &mut Child) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(_) => assert!(other.try_wait().unwrap().is_none(), "the other process has ended"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `first` in this process, with its ranks, and a role in another on `device`, with some variables; what the other has
/// written to its standard error.
fn beside<T>(
    folder: &Path,
    (role, device): (&str, Device),
    variables: &[(&str, &str)],
    first: impl FnOnce(&Ranks) -> T,
) -> (T, String) {
    let [socket, log] = ["socket", "err"].map(|end| folder.join(format!("{role}.{end}")));
    let listener = UnixListener::bind(&socket).unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--ignored", "--exact", "groups::the_other_process", "--nocapture"]);
    other.env(ROLE, role).env(FOLDER, folder).env("A2D_TEST_DEVICE", device.to_string());
    // A pipe would be full before it is read.
    let err = File::create(&log).unwrap();
    other.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(err);
    let mut other = other.spawn().unwrap();
    let done = first(&ranks(0, met(&listener, &mut other)));
    let ended = other.wait().unwrap();
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(ended.success(), "{role}: {told}");
    (done, told)
}

#[test]
#[ignore = "a process of the other tests"]
fn the_other_process() {
    let role = std::env::var(ROLE).expect("a role");
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("a folder"));
    let stream = UnixStream::connect(folder.join(format!("{role}.socket"))).unwrap();
    let (ranks, device) = (ranks(1, stream), crate::device().id);
    match &role[..] {
        "dies" => drop(joined(device, &ranks)),
        "off" => drop(sums(&chosen(device), &ranks)),
        out => drop(learn(&folder, out, device, &ranks)),
    }
}

fn chosen(device: Device) -> Chosen {
    choose(Wish::Gpu(Some(device)), 1, true).unwrap()
}

fn run() -> RunConfig {
    let mut run = text::run(16);
    run.model.dropout = 0.1;
    run.train.max_tokens = 128;
    run.train.update_freq = 2;
    run.train.clip_norm = 0.5;
    run.train.max_update = UPDATES as u64;
    run.train.log_interval = UPDATES as u64;
    run
}

/// Where gradients are summed.
fn sums(device: &Chosen, ranks: &Ranks) -> String {
    Sums::choose(device, ranks).unwrap().to_string()
}

/// Trains together with the other process; where gradients were summed.
fn learn(folder: &Path, out: &str, device: Device, ranks: &Ranks) -> String {
    let place = Place::new(chosen(device), false, ranks).unwrap();
    let told = sums(place.device(), ranks);
    let (data, run) = (Prepared::open(&folder.join("data")).unwrap(), run());
    let (data, run, folder) = (&data, &run, &folder.join(out));
    let stage = Stage { label: out, run, data, folder, start: None, resume: false };
    stage.train(&place, None, &mut Display::new(true)).unwrap();
    told
}

/// A device in a group with that of the other process.
fn joined(device: Device, ranks: &Ranks) -> a2d_gpu::Gpu {
    let info = list().pick(Some(device)).unwrap();
    let group = ranks.sent(|| Ok(a2d_gpu::new_id().unwrap())).unwrap();
    let mut gpu = open(&info, Precision::F32).unwrap();
    let seat = Seat { group, number: ranks.number(), size: ranks.size() };
    gpu.join(device, &seat).unwrap();
    gpu
}

/// The tensors of the last checkpoint.
fn learned(folder: &Path, out: &str) -> BTreeMap<String, Tensor> {
    Saved::load(&folder.join(out).join("last.safetensors")).unwrap().tensors
}

/// Two CUDA devices, if this machine has them and tests run on one.
fn two() -> Option<[Device; 2]> {
    let own = crate::device().id;
    let cuda = |device: &Device| matches!(device, Device::Cuda(_));
    let mut others = list().devices.into_iter().map(|info| info.id).filter(cuda);
    let pair = others.find(|other| *other != own).filter(|_| cuda(&own)).map(|other| [own, other]);
    if pair.is_none() {
        skipped("there are no two CUDA devices");
    }
    pair
}

/// Updates sum gradients by NCCL, and read less than one gradient back, as the stand-in's log tells: losses, if time has passed.
fn sums_on_devices(log: &str) {
    let number = |text: &str| text.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    let sums = |line: &&str| line.contains("of ncclAllReduce: ");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.iter().filter(|line| sums(line)).count(), UPDATES, "{log}");
    let first = lines.iter().position(&sums).unwrap();
    let last = lines.iter().rposition(sums).unwrap();
    let floats = number(lines[first].split_once(" floats").unwrap().0);
    let reads = lines[first..last].iter().filter_map(|line| line.strip_suffix(" bytes read back"));
    let read: usize = reads.map(number).sum();
    assert!(read < size_of::<f32>() * floats, "{read} bytes: {log}");
}

#[test]
fn nccl_sums_what_host_memory_sums() {
    let _alone = crate::alone();
    let Some([own, other]) = two() else { return };
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    text::prepared(&folder.join("data"));
    let train = |out: &str, device, variables: &[(&str, &str)]| {
        beside(folder, (out, device), variables, |ranks| learn(folder, out, own, ranks))
    };
    let (told, log) = train("nccl", other, &[("A2D_CUDA_LOG", "1")]);
    assert!(told.starts_with("gradients are summed on the GPUs by NCCL 2."), "{told}");
    if crate::device().name == "stand-in" {
        sums_on_devices(&log);
    }
    let (told, _) = train("shared", own, &[]);
    let why = "several ranks share a GPU; without --device each takes one of its own";
    assert_eq!(told, format!("gradients are summed in host memory: {why}"));
    assert!(learned(folder, "nccl") == learned(folder, "shared"), "another order of sums");
}

#[test]
fn a_rank_without_nccl_has_all_sum_in_host_memory() {
    let _alone = crate::alone();
    let Some([own, other]) = two() else { return };
    let folder = TempDir::new().unwrap();
    let off = [("A2D_NCCL", "0")];
    let (told, _) = beside(folder.path(), ("off", other), &off, |ranks| sums(&chosen(own), ranks));
    let why = "another rank has no NCCL or no CUDA device";
    assert_eq!(told, format!("gradients are summed in host memory: {why}"));
}

#[test]
fn the_end_of_another_process_is_a_lost_device() {
    let _alone = crate::alone();
    let Some([own, other]) = two() else { return };
    if crate::device().name != "stand-in" {
        return skipped("a card would wait for ever");
    }
    let folder = TempDir::new().unwrap();
    let (lost, _) = beside(folder.path(), ("dies", other), &[], |ranks| {
        let mut gpu = joined(own, ranks);
        let mut grads = [gpu.tensor(&[1.0, 2.0], Shape::vector(2))];
        assert!(gpu.sum_over_processes(&mut grads));
        let lost = gpu.wait().unwrap_err();
        assert!(gpu.is_deserted());
        lost
    });
    assert!(lost.0.contains("ncclAllReduce: remote process exited"), "{lost}");
}
