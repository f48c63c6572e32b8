//! Arithmetic in two precisions: the tests of significance draw the same lines as sacreBLEU, but
//! their last digits are only equal if sums and scores are rounded to 32 bits where it does so.

/// What the result of an operation is rounded to.
///
/// Rounding the 64-bit result of `+ - * /` on 32-bit numbers gives exactly the 32-bit result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// 64 bits: nothing happens.
    Double,
    /// 32 bits.
    Single,
}

impl Rounding {
    /// The number as the format holds it.
    pub fn of(self, number: f64) -> f64 {
        match self {
            Self::Double => number,
            Self::Single => f64::from(number as f32),
        }
    }

    /// The format that holds both.
    pub fn wider(self, other: Self) -> Self {
        if self == other { self } else { Self::Double }
    }
}

/// A number and the format it is held in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded {
    /// The number.
    pub value: f64,
    /// The format.
    pub rounding: Rounding,
}

impl Rounded {
    /// A number of 64 bits.
    pub fn double(value: f64) -> Self {
        Self { value, rounding: Rounding::Double }
    }
}
