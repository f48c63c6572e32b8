//! Where the processes of a group meet: a thread of the one that has made the group's name sums what all of them send it.
//!
//! A process says a word of three numbers, and its floats where it has some; it is answered by a code, and the sums.

use std::io::{Read, Result, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

/// The library would wait for ever.
const LONGEST: Duration = Duration::from_secs(300);

pub const SUCCESS: i32 = 0;
pub const INVALID_USAGE: i32 = 5;

/// What a process asks for in a round, as all others must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Ask {
    Sum = 1,
    Leave = 2,
}

/// A process's connection.
#[derive(Debug)]
pub struct Line(UnixStream);

/// The address of a group, whose name ends at the first 0.
fn address(name: &[u8]) -> Result<SocketAddr> {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    SocketAddr::from_abstract_name(name)
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    std::array::from_fn(|i| u64::from_le_bytes(bytes[8 * i..][..8].try_into().expect("eight")))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

impl Line {
    fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(LONGEST))?;
        Ok(Self(stream))
    }

    fn say(&mut self, words: &[u64], floats: &[f32]) -> Result<()> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(floats.iter().flat_map(|x| x.to_le_bytes()));
        self.0.write_all(&bytes)
    }

    fn hear<const N: usize>(&mut self) -> Result<[u64; N]> {
        let mut bytes = vec![0; 8 * N];
        self.0.read_exact(&mut bytes)?;
        Ok(words(&bytes))
    }

    fn hear_floats(&mut self, count: usize) -> Result<Vec<f32>> {
        let mut bytes = vec![0; 4 * count];
        self.0.read_exact(&mut bytes)?;
        Ok(floats(&bytes))
    }

    /// Comes to the group `name` as process `number` of `size` with a device: the answer's code.
    pub fn join(name: &[u8], [number, size, device]: [u64; 3]) -> Result<(Self, i32)> {
        let mut line = Self::new(UnixStream::connect_addr(&address(name)?)?)?;
        line.say(&[number, size, device], &[])?;
        let [code] = line.hear()?;
        Ok((line, code as i32))
    }

    /// A round: the answer's code and the sums of `own` over all processes.
    pub fn ask(&mut self, ask: Ask, own: &[f32]) -> Result<(i32, Vec<f32>)> {
        self.say(&[ask as u64, own.len() as u64], own)?;
        let [code, count] = self.hear()?;
        Ok((code as i32, self.hear_floats(count as usize)?))
    }
}

/// Begins a group of this name.
pub fn open(name: &[u8]) -> Result<()> {
    let listener = UnixListener::bind_addr(&address(name)?)?;
    std::thread::Builder::new().name("nccl".to_owned()).spawn(move || {
        // Whatever ends a group ends its lines, which is what the processes notice.
        let _ = meet(&listener).and_then(serve);
    })?;
    Ok(())
}

/// The lines of all processes, by number.
fn meet(listener: &UnixListener) -> Result<Vec<Line>> {
    let mut come: Vec<([u64; 3], Line)> = Vec::new();
    while come.first().is_none_or(|([_, size, _], _)| (come.len() as u64) < *size) {
        let mut line = Line::new(listener.accept()?.0)?;
        come.push((line.hear()?, line));
    }
    come.sort_by_key(|([number, ..], _)| *number);
    let size = come.len() as u64;
    let numbered =
        |(i, ([number, of, _], _)): (usize, &([u64; 3], Line))| *number == i as u64 && *of == size;
    let mut devices: Vec<u64> = come.iter().map(|([.., device], _)| *device).collect();
    devices.sort_unstable();
    devices.dedup();
    let fits = come.iter().enumerate().all(numbered) && devices.len() as u64 == size;
    let code = if fits { SUCCESS } else { INVALID_USAGE };
    let mut lines: Vec<Line> = come.into_iter().map(|(_, line)| line).collect();
    for line in &mut lines {
        line.say(&[code as u64], &[])?;
    }
    if fits { Ok(lines) } else { Ok(Vec::new()) }
}

/// Answers rounds until the processes leave.
fn serve(mut lines: Vec<Line>) -> Result<()> {
    loop {
        let heard = lines.iter_mut().map(Line::hear).collect::<Result<Vec<[u64; 2]>>>()?;
        let Some(&[ask, count]) = heard.first() else { return Ok(()) };
        let alike = heard.iter().all(|word| *word == [ask, count]);
        let mut sums: Vec<f32> = Vec::new();
        for (line, [_, count]) in lines.iter_mut().zip(&heard) {
            let own = line.hear_floats(*count as usize)?;
            match sums.is_empty() {
                true => sums = own,
                false => sums.iter_mut().zip(own).for_each(|(sum, x)| *sum += x),
            }
        }
        let (code, sums) = if alike { (SUCCESS, &sums[..]) } else { (INVALID_USAGE, &[][..]) };
        for line in &mut lines {
            line.say(&[code as u64, sums.len() as u64], sums)?;
        }
        if !alike || ask == Ask::Leave as u64 {
            return Ok(());
        }
    }
}
