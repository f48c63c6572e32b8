//! Arithmetic in two precisions. The significance tests draw the same lines as sacreBLEU, but equal it to the last
//! digit only if sums and scores are rounded to 32 bits where sacreBLEU does so.

/// The precision of a result.
///
/// Rounding the 64-bit result of `+ - * /` on 32-bit numbers gives exactly the 32-bit result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// 64 bits: no rounding.
    Double,
    /// 32 bits.
    Single,
}

impl Rounding {
    /// Rounds a number to this precision.
    pub fn of(self, number: f64) -> f64 {
        match self {
            Self::Double => number,
            Self::Single => f64::from(number as f32),
        }
    }

    /// The wider of two precisions.
    pub fn wider(self, other: Self) -> Self {
        if self == other { self } else { Self::Double }
    }
}

/// A number and its precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded {
    /// The value.
    pub value: f64,
    /// The precision.
    pub rounding: Rounding,
}

impl Rounded {
    /// A 64-bit number.
    pub fn double(value: f64) -> Self {
        Self { value, rounding: Rounding::Double }
    }
}
