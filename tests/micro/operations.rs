//! Operations of the arena backend on shapes, tensors and numbers that do not fit: a fault is latched, nothing panics,
//! and nothing takes long.

use a2d_core::allow::{Allow, End, Forbidden};
use a2d_core::backend::{Attend, Attended, Backend, Decode, Device, Embed, Kv, LayerNorm};
use a2d_core::batch::{Grid, Run, Span, Tokens};
use a2d_core::config::{Activation, NORM_EPSILON, Positions, Special};
use a2d_core::image::Format;
use a2d_core::micro::{Micro, Parameter, Slot, Words};
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_host::translate::image;
use a2d_tests::helpers::image::Parameters;

/// Rounds of 12 operations each: in the test, and in the campaign.
const ROUNDS: u64 = 20_000;
const MANY: u64 = 10_000_000;

/// Sizes that often fit each other, and others that fit nothing.
const SIZES: [usize; 12] = [0, 1, 2, 3, 8, 8, 8, 24, 1 << 16, 1 << 32, usize::MAX / 2, usize::MAX];

/// A backend and the tensors and indices made so far.
struct Desk<'m, 'w> {
    b: Micro<'m, 'w>,
    key: u64,
    at: u32,
    tensors: Vec<Slot>,
    words: Vec<Words>,
}

impl Desk<'_, '_> {
    fn below(&mut self, end: usize) -> usize {
        self.at += 1;
        rng::bits(self.key, self.at) as usize % end
    }

    fn size(&mut self) -> usize {
        SIZES[self.below(SIZES.len())]
    }

    fn few(&mut self) -> usize {
        self.below(4)
    }

    fn shape(&mut self) -> Shape {
        match self.below(12) {
            0 => Shape::vector(self.size()),
            1 | 2 => Shape::matrix(self.size(), self.size()),
            _ => Shape::matrix(1 + self.few(), 8),
        }
    }

    fn parameter(&mut self) -> Parameter {
        Parameter::new([0, 1, 2, 3, 4, 5, 6, 99, u16::MAX][self.below(9)])
    }

    /// A parameter, usually one that fits as gain or bias.
    fn vector(&mut self) -> Parameter {
        if self.few() == 0 { self.parameter() } else { Parameter::new(4) }
    }

    /// Takes a random tensor.
    fn tensor(&mut self) -> Slot {
        match self.tensors.len() {
            0 => self.b.tensor(&[1.0; 8], Shape::matrix(1, 8)),
            len => {
                let at = self.below(len);
                self.tensors.swap_remove(at)
            }
        }
    }

    fn words(&mut self) -> Words {
        match self.words.len() {
            0 => self.b.index(&[0, 1, 2]),
            len => {
                let at = self.below(len);
                self.words[at].clone()
            }
        }
    }

    fn run(&mut self) -> Run {
        Run { start: self.size(), len: self.size(), valid: self.size() }
    }

    fn grid(&mut self) -> Grid<Words> {
        let span = Span { query: self.run(), key: self.run(), before: self.size() };
        let small = Span {
            query: Run { start: 0, len: self.few(), valid: 1 },
            key: Run { start: self.few(), len: 1, valid: self.few() },
            before: self.few(),
        };
        let words = if self.few() == 0 { span } else { small }.encode();
        let spans = if self.below(8) == 0 { self.words() } else { self.b.index(&words) };
        let (queries, keys, area) = (self.few(), self.few(), [1, self.size()][self.below(2)]);
        Grid { spans, sentences: 1, queries, keys, area, causal: self.few() == 0, first: 0 }
    }

    /// Runs a random operation; later ones can use its result.
    fn step(&mut self) {
        let (w, v, gain) = (self.parameter(), self.vector(), self.vector());
        let made = match self.below(18) {
            0 => {
                let (count, shape) = (self.below(70), self.shape());
                let count = if self.few() == 0 { count } else { shape.len().min(99) };
                self.b.tensor(&vec![0.5; count], shape)
            }
            1 => {
                let (count, id) = (self.few(), self.size() as u32);
                let words = self.b.index(&vec![id; count]);
                self.words.push(words);
                return;
            }
            2 => {
                let (ids, positions, rows) = (self.words(), self.words(), self.size());
                let zero_padding = rows.is_multiple_of(2);
                let rows = if self.few() == 0 { rows } else { 1 };
                let tokens = Tokens { ids, positions, rows, types: None, zero_padding, first: 0 };
                let kinds = [Positions::Fairseq, Positions::Marian, Positions::Learned];
                let kind = kinds[self.below(3)];
                self.b.embed(&w, &tokens, Embed::of(kind))
            }
            3 => {
                let (x, bias) = (self.tensor(), self.few() > 1);
                self.b.linear(&x, &w, bias.then_some(&v))
            }
            4 => {
                let all = [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh];
                let (x, f) = (self.tensor(), all[self.below(4)]);
                self.b.activate(x, f)
            }
            5 => {
                let (x, y) = (self.tensor(), self.tensor());
                self.b.add(x, &y)
            }
            6 => {
                let x = self.tensor();
                self.b.layer_norm(&x, LayerNorm { gain: &gain, bias: &v, epsilon: NORM_EPSILON })
            }
            7 => {
                let (q, k, v, grid) = (self.tensor(), self.tensor(), self.tensor(), self.grid());
                let heads = [1, 2, self.size()][self.below(3)];
                let how = Attend { heads, map: self.few() == 0, dropout: 0.0, key: None };
                let Attended { context, map } = self.b.attend(&q, Kv { k: &k, v: &v }, &grid, how);
                self.tensors.extend(map);
                context
            }
            8 => {
                let (x, residual) = (self.tensor(), self.tensor());
                let norm = LayerNorm { gain: &gain, bias: &v, epsilon: NORM_EPSILON };
                self.b.linear_join(&x, [&w, &v], &residual, 0.5, norm)
            }
            9 => {
                let (x, bias) = (self.tensor(), self.few() > 1);
                self.b.project(&x, &w, bias.then_some(&v))
            }
            10 => {
                let all = [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh];
                let (x, f) = (self.tensor(), all[self.below(4)]);
                self.b.linear_activate(&x, [&w, &v], f)
            }
            11 => {
                let x = self.tensor();
                self.b.advance(x, |b, x| b.linear(x, &w, None))
            }
            12 => {
                let x = self.tensor();
                let [k, v, q] = self.b.linears(&x, [[&w, &v], [&w, &gain], [&w, &v]]);
                self.tensors.extend([k, v]);
                q
            }
            13 => {
                let shape = self.shape();
                self.b.zeros(shape)
            }
            14 => {
                let (mut cache, rows, at, stride) =
                    (self.tensor(), self.tensor(), self.size(), self.size());
                self.b.store(&mut cache, &rows, at, stride);
                cache
            }
            15 => {
                let (mut cache, stride, len) = (self.tensor(), self.size(), self.size());
                let parents: Vec<u32> = (0..self.few()).map(|_| self.size() as u32).collect();
                self.b.select(&mut cache, &parents, stride, len);
                cache
            }
            16 => {
                let (logits, end) = (self.tensor(), [End::May, End::Not, End::Must][self.below(3)]);
                let forbidden = Forbidden::new([[0, 5], [7, u32::MAX], [9, 3], [0; 2]]);
                let forbidden = [Forbidden::NONE, forbidden][self.below(2)];
                let (mut ids, mut lps) = (vec![9; self.below(9)], vec![9.0; self.below(9)]);
                let found = self.b.top_k(
                    &logits,
                    Allow { special: Special::FAIRSEQ, end, forbidden },
                    &mut ids,
                    &mut lps,
                );
                assert_eq!(found.is_err(), self.b.fault().is_some());
                logits
            }
            _ => {
                let x = self.tensor();
                let mut out = vec![0.0; self.b.shape(&x).len().min(99) + self.few()];
                let _ = self.b.read(&x, &mut out);
                self.b.scratch(|b| b.shape(&x).is_empty());
                x
            }
        };
        self.tensors.push(made);
    }
}

/// Parameters that fit the sizes: a table, matrices of each format, vectors. Some numbers are NaN.
fn parameters() -> Parameters {
    let mut all = Parameters::default();
    let floats = |n: u32| -> Vec<u8> {
        (0..n).flat_map(|i| if i % 17 == 3 { f32::NAN } else { i as f32 }.to_le_bytes()).collect()
    };
    all.push(Format::F32, Shape::matrix(24, 8), &floats(24 * 8));
    all.push(Format::F32, Shape::matrix(8, 8), &floats(64));
    all.push(Format::Int8, Shape::matrix(8, 8), &[vec![0x80; 64], floats(8)].concat());
    all.push(Format::Int4, Shape::matrix(8, 8), &[vec![0xf0; 8 * 16], vec![0xff; 16]].concat());
    all.push(Format::F32, Shape::matrix(1, 8), &floats(8));
    all.push(Format::F32, Shape::matrix(1, 8), &floats(8));
    all.push(Format::F32, Shape::matrix(1, 1), &floats(1));
    all
}

/// Runs rounds of operations; returns how many operations left no fault.
fn rounds(count: u64) -> u64 {
    let parameters = parameters();
    let mut sound = 0;
    for round in 0..count {
        let dice = |at| rng::bits(!round, at) as usize;
        let mut memory = image::Words::zeros([64, 4096, 65_536, 65_536][dice(0) % 4]);
        let (keys, packs) = ([0, 1, 3, 8][dice(1) % 4], dice(2) % 2 == 0);
        parameters.with(|weights| {
            let Ok(b) = Micro::new(memory.bytes_mut(), keys, weights) else { return };
            let b = b.packing(packs);
            let mut desk = Desk { b, key: round, at: 0, tensors: Vec::new(), words: Vec::new() };
            for _ in 0..12 {
                desk.step();
                sound += u64::from(desk.b.fault().is_none());
            }
        });
    }
    sound
}

#[test]
fn operations_that_do_not_fit_are_faults() {
    let sound = rounds(ROUNDS);
    assert!(sound > ROUNDS, "{sound} operations without a fault: too few to say anything");
    for keys in [usize::MAX, usize::MAX / 2, 17] {
        let mut memory = image::Words::zeros(64);
        let refused =
            parameters().with(|weights| Micro::new(memory.bytes_mut(), keys, weights).err());
        assert!(refused.is_some(), "{keys} keys");
    }
}

#[test]
#[ignore = "minutes: cargo test --release -p a2d-tests --test micro campaign -- --ignored"]
fn campaign() {
    println!("{} operations, {} without a fault", MANY * 12, rounds(MANY));
}
