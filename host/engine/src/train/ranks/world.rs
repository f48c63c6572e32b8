//! What ranks need of the library that connects them.

/// All processes of a training. The methods but `size`, `rank` and `abort` are collective: all processes must call them in
/// the same order. Dropping it waits for the other processes.
pub trait World {
    /// Number of processes.
    fn size(&self) -> usize;

    /// Rank of this process, from 0.
    fn rank(&self) -> usize;

    /// Sums element by element over all processes, whose lengths must be equal. The result is bit-identical everywhere.
    fn sum(&self, values: &mut Vec<f32>);

    /// Concatenates the values of all processes, whose lengths must be equal.
    fn gather(&self, own: &[f64]) -> Vec<f64>;

    /// The maximum of each value over all processes, whose lengths must be equal.
    fn largest(&self, values: &mut [u64]);

    /// Aborts all processes with this exit code.
    fn abort(&self, code: u8) -> !;
}
