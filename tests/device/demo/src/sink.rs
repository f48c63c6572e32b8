//! The output, and numbers as text without `core::fmt`.

/// The services of a board for the demo.
pub trait Sink {
    /// Writes bytes of text.
    fn write(&mut self, bytes: &[u8]);

    /// Ticks of a clock since an arbitrary moment; 0 without a clock.
    fn ticks(&mut self) -> u64 {
        0
    }

    /// Called before each step: feed the watchdog, or yield to other tasks.
    fn feed(&mut self) {}
}

/// Writes a number, saturated at 32 bits, as small cores have no 64-bit division.
pub fn decimal(out: &mut impl Sink, number: u64) {
    let mut rest = u32::try_from(number).unwrap_or(u32::MAX);
    let mut digits = [b'0'; 10];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if used > 0 && rest == 0 {
            break;
        }
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
    }
    let unused = digits.len().saturating_sub(used);
    out.write(digits.get(unused..).unwrap_or_default());
}

/// Writes 16 hexadecimal digits.
pub fn hex(out: &mut impl Sink, number: u64) {
    let mut digits = [0; 16];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        let value = (rest & 15) as u8;
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        rest >>= 4;
    }
    out.write(&digits);
}
