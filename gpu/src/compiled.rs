//! Compiled kernels, kept from one process to the next.
//!
//! CubeCL can keep what NVRTC has compiled in a file. It appends to it without a checksum, several processes may do so at
//! once, and a disk that is full ends the program. So it is given a file in memory here, and whoever calls [`recall`] and
//! [`fresh`] keeps the bytes.

#[cfg(all(feature = "cuda", target_os = "linux"))]
pub use linux::{fresh, recall};

/// Nothing is kept of other devices and on other systems.
#[cfg(not(all(feature = "cuda", target_os = "linux")))]
pub fn recall(_: a2d_device::Device, _: &[u8]) -> Result<(), String> {
    Ok(())
}

/// Nothing, as nothing is kept.
#[cfg(not(all(feature = "cuda", target_os = "linux")))]
pub fn fresh() -> Vec<u8> {
    Vec::new()
}

#[cfg(all(feature = "cuda", target_os = "linux"))]
mod linux {
    use a2d_device::Device;
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::fs::{File, create_dir_all};
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, symlink};
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// Where CubeCL 0.10.0 looks for compiled kernels in the folder of its cache, and for the list of them.
    const PLACE: &str = "cuda/0.10.0/ptx";
    const KERNELS: &str = "chunk0.cbor";
    const LIST: &str = "toc.json.log";

    /// The file in memory that CubeCL appends to, and its length when it was last taken from.
    static KEPT: OnceLock<(File, AtomicU64)> = OnceLock::new();

    /// Opens a device of CUDA with `kernels` that [`fresh`] has returned, of an earlier process: those of the same program,
    /// compiler and compute capability. A process opens one device this way, before any other; later calls do nothing.
    ///
    /// # Errors
    ///
    /// One line: why CubeCL keeps no kernels in this process.
    pub fn recall(device: Device, kernels: &[u8]) -> Result<(), String> {
        if !matches!(device, Device::Cuda(_)) || KEPT.get().is_some() {
            return Ok(());
        }
        if CubeClRuntimeConfig::storage().lock().is_some() {
            return Err("another device was opened before".to_owned());
        }
        let (file, folder) = prepare(kernels).map_err(|e| e.to_string())?;
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.compilation.cache = Some(CacheConfig::File(folder.path().to_owned()));
        CubeClRuntimeConfig::set(config);
        KEPT.get_or_init(|| (file, AtomicU64::new(kernels.len() as u64)));
        // CubeCL opens its files now, and needs their names no more.
        crate::open::client(device).map(drop)
    }

    /// A file in memory with these kernels, and a folder where CubeCL finds it.
    fn prepare(kernels: &[u8]) -> std::io::Result<(File, tempfile::TempDir)> {
        let mut file = File::from(memfd_create("kernels", MemfdFlags::CLOEXEC)?);
        file.write_all(kernels)?;
        let folder = tempfile::tempdir()?;
        let place = folder.path().join(PLACE);
        create_dir_all(&place)?;
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        symlink(&own, place.join(KERNELS))?;
        // CubeCL needs no list where all is in one file. It has none if that cannot be created.
        symlink(Path::new("/dev/null/none"), place.join(LIST))?;
        // CubeCL panics where it cannot open the file so.
        File::options().append(true).open(place.join(KERNELS))?;
        Ok((file, folder))
    }

    /// What was compiled since the last call. All that was launched must have been waited for.
    pub fn fresh() -> Vec<u8> {
        let Some((file, taken)) = KEPT.get() else { return Vec::new() };
        let (from, end) = (taken.load(Relaxed), file.metadata().map_or(0, |of| of.len()));
        let mut bytes = vec![0; end.saturating_sub(from) as usize];
        if file.read_exact_at(&mut bytes, from).is_err() {
            return Vec::new();
        }
        taken.store(end, Relaxed);
        bytes
    }
}
