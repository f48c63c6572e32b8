//! Quantisation of f32 matrices to int8 and int4.

use a2d_core::image::GROUP;

/// Quantises a matrix to int8 with one scale per row: the largest magnitude becomes 127.
pub fn int8(data: &[f32], cols: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut numbers, mut scales) = (Vec::with_capacity(data.len()), Vec::new());
    for row in data.chunks(cols) {
        let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = most / 127.0;
        let byte = |x: &f32| if scale > 0.0 { (x / scale).round_ties_even() as i8 } else { 0 };
        numbers.extend(row.iter().map(|x| byte(x) as u8));
        scales.extend(scale.to_le_bytes());
    }
    (numbers, scales)
}

/// Quantises a matrix to int4 with one scale per group. Of several candidate scales the one with the least squared
/// error is used.
pub fn int4(data: &[f32], cols: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut numbers, mut scales) = (Vec::with_capacity(data.len() / 2), Vec::new());
    for group in data.chunks(cols).flat_map(|row| row.chunks(GROUP)) {
        let scale = best_scale(group);
        let number = |i: usize| group.get(i).map_or(8, |x| (level(*x, scale) + 8) as u8);
        numbers.extend((0..GROUP / 2).map(|i| number(i) | number(i + GROUP / 2) << 4));
        scales.extend(((scale.to_bits() >> 16) as u16).to_le_bytes());
    }
    (numbers, scales)
}

/// The int4 level of `x`, -8 to 7.
fn level(x: f32, scale: f32) -> i32 {
    if scale == 0.0 { 0 } else { ((x / scale).round_ties_even() as i32).clamp(-8, 7) }
}

/// The best scale, with the lower 16 bits 0. A negative scale maps a positive largest magnitude to -8.
fn best_scale(group: &[f32]) -> f32 {
    let most = group.iter().fold(0.0f32, |most, x| if x.abs() > most.abs() { *x } else { most });
    let error = |scale: f32| -> f64 {
        let off = group.iter().map(|x| f64::from(x - level(*x, scale) as f32 * scale));
        off.map(|off| off * off).sum()
    };
    let tried = (0..=24).map(|i| most / (-8.5 + 0.125 * i as f32));
    let scales = tried.flat_map(|scale| [short(scale), short(-scale)]);
    let best = scales.map(|scale| (error(scale), scale)).min_by(|x, y| x.0.total_cmp(&y.0));
    best.map_or(0.0, |(_, scale)| scale)
}

/// Rounds `x` to its upper 16 bits.
fn short(x: f32) -> f32 {
    f32::from_bits(x.to_bits().saturating_add(0x8000) & 0xffff_0000)
}
