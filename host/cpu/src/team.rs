//! Threads that share the pieces of an operation.
//!
//! The shape of the work alone determines the pieces, not the number of threads, and no two pieces write the same
//! element. Results are therefore bit-identical for any number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{LazyLock, Mutex};

/// The calling thread and its helper threads.
pub struct Team {
    helpers: Option<ThreadPool>,
}

impl Team {
    /// A team of `threads` threads, the caller included; 0: one for each core.
    pub fn new(threads: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let start = |helpers| ThreadPoolBuilder::new().num_threads(helpers).build().ok();
        // If the system refuses to start helpers, the caller does all work.
        Self { helpers: (threads > 1).then(|| start(threads - 1)).flatten() }
    }

    /// The calling thread.
    pub fn alone() -> Self {
        Self { helpers: None }
    }

    /// Number of threads, the caller included.
    pub fn threads(&self) -> usize {
        1 + self.helpers.as_ref().map_or(0, ThreadPool::current_num_threads)
    }

    /// Calls `f` with every piece. A free thread takes the next piece.
    pub fn each<T: Send>(&self, pieces: impl IntoIterator<Item = T>, f: impl Fn(T) + Sync) {
        let mut pieces: Vec<T> = pieces.into_iter().collect();
        let Some(helpers) = self.helpers.as_ref().filter(|_| pieces.len() > 1) else {
            return pieces.into_iter().for_each(f);
        };
        let calls = helpers.current_num_threads().min(pieces.len() - 1);
        pieces.reverse();
        let queue = Mutex::new(pieces);
        let next = || queue.lock().ok().and_then(|mut pieces| pieces.pop());
        let work = || {
            while let Some(piece) = next() {
                f(piece);
            }
        };
        helpers.in_place_scope(|scope| {
            for _ in 0..calls {
                scope.spawn(|_| work());
            }
            work();
        });
    }

    /// The results of `f` for every piece, in order.
    pub fn map<T: Send, R: Send>(
        &self,
        pieces: impl IntoIterator<Item = T>,
        f: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let pieces: Vec<T> = pieces.into_iter().collect();
        let mut out: Vec<Option<R>> = pieces.iter().map(|_| None).collect();
        self.each(pieces.into_iter().zip(&mut out), |(piece, out)| *out = Some(f(piece)));
        out.into_iter().flatten().collect()
    }
}

/// The widest vector instruction set of this machine.
pub fn arch() -> Arch {
    static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
    *ARCH
}

/// The vector instruction sets that the backend uses on this machine. Without any: the family of the processor.
pub fn instruction_sets() -> &'static [&'static str] {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => &["avx2", "fma", "avx512f"],
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => &["avx2", "fma"],
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => &["neon"],
        _ => &[std::env::consts::ARCH],
    }
}

/// Runs `f` compiled for the widest vector instruction set of this machine. `f` must be an `#[inline(always)]` closure
/// whose calls are all inlined: only inlined code is compiled for that instruction set.
pub fn vectorised<R>(f: impl FnMut() -> R) -> R {
    /// `FnMut`, because a call through `FnOnce` may not be inlined.
    struct Wide<F>(F);
    impl<R, F: FnMut() -> R> WithSimd for Wide<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    arch().dispatch(Wide(f))
}
