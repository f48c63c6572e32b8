//! The random numbers of `numpy.random.default_rng(seed)`, which sacreBLEU uses: PCG64 (O'Neill, 2014), seeded by
//! numpy's `SeedSequence`, and Lemire's bounded integers (2019).

/// The multiplier of the 128-bit generator.
const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
/// The number of words in the entropy pool of `SeedSequence`.
const POOL: usize = 4;

/// The generator, equal to numpy's.
#[derive(Debug, Clone)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
    /// The unused upper half of a 64-bit number.
    half: Option<u32>,
}

impl Pcg64 {
    /// The generator of `numpy.random.default_rng(seed)`.
    pub fn new(seed: u64) -> Self {
        let [state, sequence] = spread(seed);
        let mut rng = Self { state: 0, increment: sequence << 1 | 1, half: None };
        rng.step();
        rng.state = rng.state.wrapping_add(state);
        rng.step();
        rng
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// The next 32 bits. One 64-bit number yields two, the lower half first.
    pub fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let both = self.next_u64();
        self.half = Some((both >> 32) as u32);
        both as u32
    }

    /// A uniform number below `bound`, equal to `integers(bound)`. A `bound` of 1 draws nothing.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let rejected = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= rejected {
                return (product >> 32) as u32;
            }
        }
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }
}

/// Coin tosses equal to `integers(2, dtype=bool)`: the bits of 32-bit numbers, lowest first.
#[derive(Debug, Clone)]
pub struct Coin {
    rng: Pcg64,
    bits: u32,
    left: u32,
}

impl Coin {
    /// Tosses from the current state of `rng`.
    pub fn new(rng: Pcg64) -> Self {
        Self { rng, bits: 0, left: 0 }
    }

    /// The next toss.
    pub fn toss(&mut self) -> bool {
        if self.left == 0 {
            (self.bits, self.left) = (self.rng.next_u32(), u32::BITS);
        }
        let heads = self.bits & 1 == 1;
        self.bits >>= 1;
        self.left -= 1;
        heads
    }
}

/// Two 128-bit numbers from a seed, by `SeedSequence`. Each seed bit flips about half the result's bits.
fn spread(seed: u64) -> [u128; 2] {
    let pool = mixed(seed);
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    let mut words = pool.iter().cycle().map(|word| u128::from(hash.next(*word)));
    let mut next = || words.next().unwrap_or(0);
    // 32-bit words pair with the lower first, 64-bit words with the upper first.
    std::array::from_fn(|_| {
        let [a, b, c, d] = std::array::from_fn(|_| next());
        b << 96 | a << 64 | d << 32 | c
    })
}

fn mixed(seed: u64) -> [u32; POOL] {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| hash.next(word));
    for from in 0..POOL {
        for to in (0..POOL).filter(|to| *to != from) {
            let hashed = hash.next(pool[from]);
            let a = pool[to].wrapping_mul(0xca01_f9dd);
            pool[to] = fold(a.wrapping_sub(hashed.wrapping_mul(0x4973_f715)));
        }
    }
    pool
}

/// The hash function of `SeedSequence`. Its multiplier changes with every call.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn next(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        fold(word.wrapping_mul(self.constant))
    }
}

fn fold(word: u32) -> u32 {
    word ^ word >> 16
}
