//! What the target computes with, compared with formulas that have no instructions of their own.

use a2d_core::micro::Compute;
use a2d_dsp::{Dsp, floats};

/// The columns of the longest row.
const MOST: usize = 132;

/// The most rows of a product.
const ROWS: usize = 9;

/// Bytes of a weight: four of the longest rows.
const WEIGHT: usize = 4 * MOST;

/// Pseudorandom numbers, by a linear congruence.
struct Draw(u32);

impl Draw {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 ^ self.0 >> 15
    }

    /// A byte, one in four of them extreme.
    fn byte(&mut self) -> i8 {
        match self.next() >> 8 & 15 {
            0 | 1 => i8::MIN,
            2 => i8::MAX,
            3 => -127,
            _ => (self.next() >> 8) as i8,
        }
    }

    /// The bits of a float: of any size, near to 1, tiny, NaN or infinite.
    fn float(&mut self) -> u32 {
        let bits = self.next();
        match self.next() >> 8 & 7 {
            0 => bits & 0x80ff_ffff,
            1 => bits & 0x8000_0000,
            2 => bits | 0x7f00_0000,
            3 => bits,
            _ => bits & 0x83ff_ffff | 0x3c00_0000,
        }
    }
}

/// Whether sums of products of bytes, and sums and products of floats, are what they must be.
// Out of line, so that its arrays leave the stack.
#[inline(never)]
pub fn verify() -> bool {
    let mut draw = Draw(1);
    // Rows and weight share their bytes, as the stack of a board is small.
    let mut numbers = [0; WEIGHT];
    let bytes = (0..MOST).step_by(3).chain([4, 8, 12, 16, 32, 64, 128, 132]).all(|cols| {
        numbers.fill_with(|| draw.byte());
        products(numbers.get(..cols).unwrap_or_default(), &numbers)
    });
    bytes && (0..3000).all(|_| sums(draw.float(), draw.float()))
}

/// Every number of rows up to the most that there are; the sums of others stay.
fn products(x: &[i8], w: &[i8]) -> bool {
    let most = w.len().checked_div(x.len()).unwrap_or(0).min(ROWS);
    (0..=most).all(|rows| {
        let mut sums = [7; ROWS];
        let (Some(w), Some(out)) = (w.get(..rows * x.len()), sums.get_mut(..rows)) else {
            return false;
        };
        Dsp.dots(x, w, out);
        sums.iter().enumerate().all(|(r, sum)| {
            let row = w.get(r * x.len()..).unwrap_or_default();
            let products = x.iter().zip(row).map(|(x, w)| i64::from(*x) * i64::from(*w));
            i64::from(*sum) == if r < rows { products.sum() } else { 7 }
        })
    })
}

/// The sum, the difference and the product of two floats, and a number as a float.
fn sums(x: u32, y: u32) -> bool {
    let [a, b] = [x, y].map(f32::from_bits);
    let same = |got: f32, want: u32| {
        got.to_bits() == want || got.is_nan() && f32::from_bits(want).is_nan()
    };
    let number = x as i32 >> (y & 31);
    let (high, low) = ((number >> 12) as f32, (number & 4095) as f32);
    same(a + b, floats::sum(x, y))
        && same(a - b, floats::sum(x, y ^ 1 << 31))
        && same(a * b, floats::product(x, y))
        // Both parts are exact, so that their sum is rounded once.
        && same(number as f32, floats::sum(floats::product(high.to_bits(), 4096f32.to_bits()), low.to_bits()))
}
