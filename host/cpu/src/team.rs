//! Threads that share out an operation's pieces.
//!
//! Pieces are cut by the shape of the work, never by the number of threads, and each writes what no other does:
//! results are the same bit for bit however many threads there are.

use pulp::{Arch, Simd, WithSimd};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{LazyLock, Mutex};

/// The calling thread and its helpers.
pub struct Team {
    helpers: Option<ThreadPool>,
}

impl Team {
    /// `threads` threads in all, the caller included; 0: one for each core.
    pub fn new(threads: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let start = |helpers| ThreadPoolBuilder::new().num_threads(helpers).build().ok();
        // Without helpers (the system may refuse them) the caller does all.
        Self { helpers: (threads > 1).then(|| start(threads - 1)).flatten() }
    }

    /// Threads that work, the caller included.
    pub fn threads(&self) -> usize {
        1 + self.helpers.as_ref().map_or(0, ThreadPool::current_num_threads)
    }

    /// Calls `f` with every piece. Whoever is free takes the next one.
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

    /// What `f` makes of every piece, in their order.
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

/// The widest vector unit of this machine.
pub fn arch() -> Arch {
    static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
    *ARCH
}

/// Runs `f` compiled for the widest vector unit of this machine. Give it an `#[inline(always)]` closure, and in that
/// call nothing that the compiler may leave a call: only what is inlined is compiled anew.
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
