//! How far the probabilities of predictions are from their accuracy.

/// The bins of [`calibration_error`].
pub const BINS: usize = 15;

/// The expected calibration error, 0 to 1 (Guo et al., 2017): the mean distance between accuracy and probability in
/// [`BINS`] bins of equal width, weighted by their predictions. Bin `i` has the probabilities above `i / BINS` up to
/// `(i + 1) / BINS`; the first has 0, too. 0 without predictions.
///
/// A prediction is its probability, 0 to 1, and whether it is right.
pub fn calibration_error(predictions: &[(f64, bool)]) -> f64 {
    let mut bins = [[0.0; 2]; BINS];
    for &(probability, right) in predictions {
        let [sure, hits] = &mut bins[bin(probability)];
        *sure += probability;
        *hits += f64::from(u8::from(right));
    }
    let apart: f64 = bins.iter().map(|[sure, hits]| (sure - hits).abs()).sum();
    apart / predictions.len().max(1) as f64
}

fn bin(probability: f64) -> usize {
    (1..BINS).filter(|&i| probability > i as f64 / BINS as f64).count()
}
