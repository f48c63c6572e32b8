//! Tables of positions.

use a2d_core::config::Positions;
use a2d_core::rows;

/// The vector that is added at place `at` of a sentence. Marian's as its other readers compute it: in 64 bits, rounded
/// once.
pub fn row(kind: Positions, at: usize, out: &mut [f32]) {
    match kind {
        Positions::Fairseq | Positions::Learned => rows::position(kind, at as u32, out),
        Positions::Marian => {
            let (width, half) = (out.len() as f64, out.len().div_ceil(2));
            let (sines, cosines) = out.split_at_mut(half);
            let angle = |i: usize| at as f64 / 10_000f64.powf(2.0 * i as f64 / width);
            sines.iter_mut().enumerate().for_each(|(i, sine)| *sine = angle(i).sin() as f32);
            cosines.iter_mut().enumerate().for_each(|(i, cosine)| *cosine = angle(i).cos() as f32);
        }
    }
}

/// The vectors of the first `count` places.
pub fn table(kind: Positions, count: usize, width: usize) -> Vec<f32> {
    let mut table = vec![0.0; count * width];
    table.chunks_mut(width.max(1)).enumerate().for_each(|(at, out)| row(kind, at, out));
    table
}
