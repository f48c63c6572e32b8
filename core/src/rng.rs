//! Counter-based random numbers: a pure function of key and index. Every backend and every thread draws the same
//! numbers, in any order.

/// 32 random bits for `(key, index)`.
///
/// Two rounds of a 32-bit mixing function (multiply and xor-shift), with a key added before each round. Vectorises
/// well.
#[inline(always)]
pub fn bits(key: u64, index: u32) -> u32 {
    mix(mix(index.wrapping_add(key as u32)) ^ (key >> 32) as u32)
}

#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// The key whose draw at index `i` is the draw of `key` at `index + i`.
pub fn from_index(key: u64, index: u32) -> u64 {
    let low = (key as u32).wrapping_add(index);
    key >> 32 << 32 | u64::from(low)
}

/// A new key from a key and a stream number: nested streams (seed, then epoch, then parameter …). SplitMix64.
pub fn derive(key: u64, stream: u64) -> u64 {
    scramble(key.wrapping_add(stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// SplitMix64's finaliser: a bijection in which every input bit affects every output bit.
pub fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Uniform in `[0, 1)`, 24 bits.
pub fn uniform(key: u64, index: u32) -> f32 {
    (bits(key, index) >> 8) as f32 / 16_777_216.0
}

/// Standard normal (Box-Muller), from one draw of each of two streams.
pub fn normal(key: u64, index: u32) -> f32 {
    let radius = 1.0 - uniform(derive(key, 0), index);
    let angle = core::f32::consts::TAU * uniform(derive(key, 1), index);
    libm::sqrtf(-2.0 * libm::logf(radius)) * libm::cosf(angle)
}

/// Dropout: the elements that are kept, and their factor.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    key: u64,
    /// An element is dropped if its bits are below this number.
    below: u32,
    scale: f32,
}

impl Mask {
    /// Drops each element with probability `p` (in `[0, 1)`), and multiplies the others by `1 / (1 - p)`.
    pub fn new(p: f32, key: u64) -> Self {
        Self { key, below: (p as f64 * 4_294_967_296.0) as u32, scale: 1.0 / (1.0 - p) }
    }

    /// The factor of element `index`: 0 or `1 / (1 - p)`.
    #[inline(always)]
    pub fn factor(&self, index: u32) -> f32 {
        if bits(self.key, index) < self.below { 0.0 } else { self.scale }
    }
}
