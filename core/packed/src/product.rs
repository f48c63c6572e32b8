//! Products of quantised rows with packed matrices, in the arithmetic of `a2d_core::micro`.

use crate::dot::{Dot, PANEL, QUAD};
use crate::isa::{Isa, Work};
use crate::matrix::{GROUP_STEPS, Integers, Scales};
use a2d_core::image::GROUP;
use a2d_core::rows::{self, LANES};
use alloc::vec::Vec;

/// Rows of activations as bytes, each with a scale, as the inner loop reads them.
#[derive(Debug, Default)]
pub(crate) struct Quantised {
    bytes: Vec<u8>,
    /// Bytes of a row, filled to whole groups.
    stride: usize,
    scales: Vec<f32>,
    /// A row before its quads are stored.
    row: Vec<i8>,
}

impl Quantised {
    /// Quantises rows of `cols`: the largest magnitude of a row becomes 127, halves round to even.
    pub fn fill(&mut self, isa: Isa, x: &[f32], cols: usize) {
        isa.run(Fill { of: self, x, cols });
    }
}

struct Fill<'a> {
    of: &'a mut Quantised,
    x: &'a [f32],
    cols: usize,
}

impl Work for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, _: D) {
        let Self { of: Quantised { bytes, stride, scales, row }, x, cols } = self;
        let width = cols.next_multiple_of(GROUP);
        *stride = width / QUAD * D::BYTES;
        bytes.resize(x.len() / cols * *stride, 0);
        row.clear();
        row.resize(width, 0);
        scales.clear();
        for (x, bytes) in x.chunks_exact(cols).zip(bytes.chunks_exact_mut(*stride)) {
            scales.push(quantise(x, row));
            for (quad, out) in row.as_chunks().0.iter().zip(bytes.chunks_exact_mut(D::BYTES)) {
                D::quad(quad, out);
            }
        }
    }
}

/// Quantises a row and returns its scale, as `a2d_core::micro` does.
#[inline(always)]
pub(crate) fn quantise(x: &[f32], bytes: &mut [i8]) -> f32 {
    rows::quantise(x, largest(x), bytes)
}

/// The largest magnitude. NaN is skipped.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (most, x) in lanes.iter_mut().zip(x) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(0.0, |most, x| if x.abs() > most { x.abs() } else { most })
}

/// `y[n, o] = sum_i x[n, i] w[o, i] + b[o]`
pub(crate) struct Product<'a> {
    pub x: &'a Quantised,
    pub w: &'a Integers,
    pub bias: Option<&'a [f32]>,
    /// Row by row, overwritten.
    pub y: &'a mut [f32],
}

impl Work for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        dot.product(self);
    }
}

impl Product<'_> {
    /// The product in tiles of M rows and P panels.
    #[inline(always)]
    pub fn tiles<D: Dot, const M: usize, const P: usize>(mut self, dot: D) {
        let panels = self.w.shape.rows().div_ceil(PANEL);
        let mut panel = 0;
        while panel + P <= panels {
            self.rows::<D, M, P>(dot, panel);
            panel += P;
        }
        while panel < panels {
            self.rows::<D, M, 1>(dot, panel);
            panel += 1;
        }
    }

    /// All rows of some panels.
    #[inline(always)]
    fn rows<D: Dot, const M: usize, const P: usize>(&mut self, dot: D, panel: usize) {
        let (count, mut row) = (self.x.scales.len(), 0);
        while row + M <= count {
            self.tile::<D, M, P>(dot, row, panel);
            row += M;
        }
        if M > 4 && row + 4 <= count {
            self.tile::<D, 4, P>(dot, row, panel);
            row += 4;
        }
        if M > 2 && row + 2 <= count {
            self.tile::<D, 2, P>(dot, row, panel);
            row += 2;
        }
        while row < count {
            self.tile::<D, 1, P>(dot, row, panel);
            row += 1;
        }
    }

    #[inline(always)]
    fn tile<D: Dot, const M: usize, const P: usize>(&mut self, dot: D, row: usize, panel: usize) {
        let (x, w) = (self.x, self.w);
        let used = w.depth * D::BYTES;
        let x_rows: [&[u8]; M] = core::array::from_fn(|m| &x.bytes[(row + m) * x.stride..][..used]);
        let panels = core::array::from_fn(|p| &w.steps[(panel + p) * w.depth..][..w.depth]);
        let scales: &[f32; M] = x.scales[row..].first_chunk().expect("as many scales as rows");
        let values = match &w.scales {
            Scales::Rows(by) => {
                let sums = dot.sums::<M, P>(x_rows, panels);
                let mut values = [[dot.splat(0.0); P]; M];
                for p in 0..P {
                    let by = dot.load(&by[panel + p]);
                    for m in 0..M {
                        let scale = dot.mul(by, dot.splat(scales[m]));
                        let sum = dot.floats(sums[m][p], &w.offsets[panel + p]);
                        values[m][p] = dot.mul(sum, scale);
                    }
                }
                values
            }
            Scales::Groups(by) => {
                let groups = w.depth / GROUP_STEPS;
                let mut values = [[dot.splat(0.0); P]; M];
                for g in 0..groups {
                    let part = g * GROUP_STEPS;
                    let x = x_rows.map(|x| &x[part * D::BYTES..][..GROUP_STEPS * D::BYTES]);
                    let sums = dot.sums::<M, P>(x, panels.map(|w| &w[part..][..GROUP_STEPS]));
                    for p in 0..P {
                        let at = (panel + p) * groups + g;
                        let (by, offsets) = (dot.load(&by[at]), &w.offsets[at]);
                        for m in 0..M {
                            let sum = dot.mul(dot.floats(sums[m][p], offsets), by);
                            values[m][p] = dot.add(values[m][p], sum);
                        }
                    }
                }
                for m in 0..M {
                    for p in 0..P {
                        values[m][p] = dot.mul(values[m][p], dot.splat(scales[m]));
                    }
                }
                values
            }
        };
        for m in 0..M {
            for p in 0..P {
                self.write(dot, values[m][p], row + m, panel + p);
            }
        }
    }

    /// Adds the bias and writes a panel of a row.
    #[inline(always)]
    fn write<D: Dot>(&mut self, dot: D, values: D::F, row: usize, panel: usize) {
        let outputs = self.w.shape.rows();
        let y = &mut self.y[row * outputs..][..outputs][panel * PANEL..];
        let bias = self.bias.map(|bias| &bias[panel * PANEL..]);
        if let Some(y) = y.first_chunk_mut() {
            let bias = bias.and_then(|bias| bias.first_chunk());
            *y = dot.store(match bias {
                Some(bias) => dot.add(values, dot.load(bias)),
                None => values,
            });
            return;
        }
        let values = dot.store(values);
        match bias {
            Some(bias) => {
                let terms = values.iter().zip(bias);
                y.iter_mut().zip(terms).for_each(|(y, (value, b))| *y = value + b);
            }
            None => y.copy_from_slice(&values[..y.len()]),
        }
    }
}
