//! Products with matrices of floats, in the lanes of [`a2d_core::rows::dot`].

use crate::dot::Dot;
use crate::isa::Work;
use crate::lanes::Lanes;
use a2d_core::rows::{LANES, sum};

/// `y[n, o] = sum_i x[n, i] w[o, i] + b[o]`
pub(crate) struct Floats<'a> {
    pub x: &'a [f32],
    /// Row by row.
    pub w: &'a [f32],
    /// Inputs.
    pub cols: usize,
    pub bias: Option<&'a [f32]>,
    /// Row by row, overwritten.
    pub y: &'a mut [f32],
}

impl Work for Floats<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(mut self, d: D) {
        let outputs = self.w.len() / self.cols;
        let rows = self.x.len() / self.cols;
        let mut o = 0;
        while o + 4 <= outputs {
            self.rows::<D, 4>(d, rows, outputs, o);
            o += 4;
        }
        while o < outputs {
            self.rows::<D, 1>(d, rows, outputs, o);
            o += 1;
        }
    }
}

impl Floats<'_> {
    /// All rows of O outputs.
    #[inline(always)]
    fn rows<D: Dot, const O: usize>(&mut self, d: D, rows: usize, outputs: usize, o: usize) {
        let mut n = 0;
        while n + 4 <= rows {
            self.tile::<D, 4, O>(d, outputs, n, o);
            n += 4;
        }
        while n < rows {
            self.tile::<D, 1, O>(d, outputs, n, o);
            n += 1;
        }
    }

    #[inline(always)]
    fn tile<D: Dot, const M: usize, const O: usize>(
        &mut self,
        d: D,
        outputs: usize,
        n: usize,
        o: usize,
    ) {
        let x = core::array::from_fn(|m| &self.x[(n + m) * self.cols..][..self.cols]);
        let w = core::array::from_fn(|k| &self.w[(o + k) * self.cols..][..self.cols]);
        let values = dots::<D, M, O>(d, x, w);
        for (m, values) in values.iter().enumerate() {
            let y = &mut self.y[(n + m) * outputs + o..][..O];
            match self.bias {
                Some(bias) => {
                    let terms = values.iter().zip(&bias[o..]);
                    y.iter_mut().zip(terms).for_each(|(y, (value, b))| *y = value + b);
                }
                None => y.copy_from_slice(values),
            }
        }
    }
}

/// `sum_i x[m][i] w[o][i]` for each pair.
#[inline(always)]
fn dots<L: Lanes, const M: usize, const O: usize>(
    l: L,
    x: [&[f32]; M],
    w: [&[f32]; O],
) -> [[f32; O]; M] {
    let (whole_x, whole_w) = (x.map(|x| x.as_chunks().0), w.map(|w| w.as_chunks().0));
    let steps = whole_x[0].len();
    assert!(whole_x.iter().all(|x| x.len() == steps) && whole_w.iter().all(|w| w.len() == steps));
    let mut sums = [[l.splat(0.0); O]; M];
    for s in 0..steps {
        let w = whole_w.map(|w| l.load(&w[s]));
        for m in 0..M {
            let x = l.load(&whole_x[m][s]);
            for o in 0..O {
                sums[m][o] = l.add(sums[m][o], l.mul(x, w[o]));
            }
        }
    }
    let (rest_x, rest_w) =
        (x.map(|x| x.as_chunks::<LANES>().1), w.map(|w| w.as_chunks::<LANES>().1));
    let mut out = [[0.0; O]; M];
    for m in 0..M {
        for o in 0..O {
            out[m][o] = if rest_x[m].is_empty() {
                l.sum(sums[m][o])
            } else {
                let mut lanes = l.store(sums[m][o]);
                let rest = rest_x[m].iter().zip(rest_w[o]);
                lanes.iter_mut().zip(rest).for_each(|(lane, (x, w))| *lane += x * w);
                sum(&lanes)
            };
        }
    }
    out
}
