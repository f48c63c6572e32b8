//! The memory of processes.

/// The peak resident memory of a process in bytes so far, if the system reports it (Linux); `None`: of this process.
pub fn peak(process: Option<u32>) -> Option<u64> {
    let process = process.map_or("self".to_owned(), |process| process.to_string());
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}
