//! Peak matrix-product rate of the machine, and processor time of this process.

use a2d_core::backend::Train;
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_system::error::Result;
use std::time::{Duration, Instant};

/// Side of the smallest and of the largest square matrices tried.
const SIDES: [usize; 2] = [1024, 8192];

/// A product shorter than this does not saturate the machine; a larger one is tried.
const SHORT: Duration = Duration::from_millis(5);

/// Peak rate of the backend's own `linear` on two square matrices, in GFLOP/s.
///
/// # Errors
///
/// The device was lost.
pub fn peak_gflops<B: Train>(b: &mut B) -> Result<f64> {
    let (mut side, mut best) = (SIDES[0], 0.0f64);
    loop {
        let shortest = shortest_product(b, side)?;
        best = best.max(2.0 * (side as f64).powi(3) / shortest.as_secs_f64() / 1e9);
        if shortest > SHORT || side == SIDES[1] {
            return Ok(best);
        }
        side *= 2;
    }
}

/// Shortest time of several products of matrices with this side.
fn shortest_product<B: Train>(b: &mut B, side: usize) -> Result<Duration> {
    const MOST: usize = 20;
    const LONGEST: Duration = Duration::from_millis(500);
    let shape = Shape::matrix(side, side);
    let mut factor = |key| {
        let data: Vec<f32> = (0..side * side).map(|i| rng::uniform(key, i as u32) - 0.5).collect();
        b.tensor(&data, shape)
    };
    let (x, w) = (factor(1), factor(2));
    // The first product is a warm-up.
    let (begin, mut best) = (Instant::now(), Duration::MAX);
    for i in 0..=MOST {
        let start = Instant::now();
        let _y = b.linear(&x, &w, None);
        b.wait()?;
        if i > 0 {
            best = best.min(start.elapsed());
        }
        if i > 1 && begin.elapsed() > LONGEST {
            break;
        }
    }
    Ok(best)
}

/// Processor time of all threads of this process in seconds, if the system reports it (Linux).
pub fn processor_time() -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Field 2 is the process name in parentheses and may contain any character. User and system time are fields 14 and
    // 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Some(ticks.sum::<Result<f64, _>>().ok()? / TICKS_PER_SECOND)
}
