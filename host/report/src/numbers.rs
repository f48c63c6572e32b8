//! Compact numbers, to keep the page small.

use serde_json::Value;

/// A number with five significant digits; null for NaN and infinities.
pub fn rounded(x: f64) -> Value {
    digits(x, 5)
}

/// A number with `count` significant digits, 1 or more; null for NaN and infinities.
pub fn digits(x: f64, count: usize) -> Value {
    let short = format!("{x:.*e}", count - 1).parse::<f64>();
    match short.ok().filter(|x| x.is_finite()) {
        Some(x) if x.fract() == 0.0 && x.abs() < 1e15 => (x as i64).into(),
        Some(x) => x.into(),
        None => Value::Null,
    }
}

/// Maps numbers from `low` to `high` to bytes, 0 to 255.
pub fn bytes(numbers: impl IntoIterator<Item = f32>, low: f32, high: f32) -> Vec<u8> {
    let scale = 255.0 / (high - low).max(f32::MIN_POSITIVE);
    // The cast saturates, and maps NaN to 0.
    numbers.into_iter().map(|x| ((x - low) * scale).round() as u8).collect()
}

/// Base64 by RFC 4648, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() { DIGITS[value] as char } else { '=' });
        }
    }
    text
}
