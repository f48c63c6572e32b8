//! [`Packed`]: the operations.

use crate::attend::{Attention, Over, Scores};
use crate::chosen::{Choice, Chosen};
use crate::dot::Dot;
use crate::floats;
use crate::isa::Work;
use crate::matrix::{Matrix, Memory};
use crate::plain::Floats;
use crate::product::{Product, Quantised};
use crate::tensor::{Pool, Tensor};
use crate::weights::Weights;
use a2d_core::allow::Allow;
use a2d_core::backend::{
    Attend, Attended, Backend, Decode, Device, Embed, Kv, LayerNorm, Lost, is_key_or_value,
};
use a2d_core::batch::{Grid, NO_POSITION, Tokens};
use a2d_core::config::{Activation, Positions};
use a2d_core::image::Shortlist;
use a2d_core::micro::Parameter;
use a2d_core::nn::Transformer;
use a2d_core::rows;
use a2d_core::shape::Shape;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

/// A backend with the weights of an image, in the arithmetic of [`a2d_core::micro::Micro`].
pub struct Packed<'w> {
    weights: &'w Weights<'w>,
    /// Whether keys and values are stored as bytes.
    packs: bool,
    quantised: Quantised,
    scores: Scores,
    vectors: Vectors,
    pool: Pool,
    choice: Choice,
}

impl<'w> Packed<'w> {
    /// A backend with these weights.
    pub fn new(weights: &'w Weights<'w>) -> Self {
        Self {
            weights,
            packs: false,
            quantised: Quantised::default(),
            scores: Scores::default(),
            vectors: Vectors::default(),
            pool: Pool::default(),
            choice: Choice::default(),
        }
    }

    /// Rounds keys and values to bytes, with a scale for each row, as a board with an int8 cache does.
    #[must_use]
    pub fn packing(self, packs: bool) -> Self {
        Self { packs, ..self }
    }

    /// A tensor from row-major data.
    pub fn tensor(&mut self, data: &[f32], shape: Shape) -> Tensor {
        let mut x = self.pool.tensor(shape);
        x.values_mut().copy_from_slice(data);
        x
    }

    /// Restricts the output projection of `model` to the shortlists of the sentences of the next search, until the next
    /// call: those of the tokens of each source.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn choose<const N: usize>(
        &mut self,
        model: &Transformer<Parameter, N>,
        list: &Shortlist<'_>,
        sources: &[&[u32]],
    ) -> Result<(), Memory> {
        let chosen = |source: &&[u32]| Chosen::new(self.weights, model.output(), list, source);
        self.choice.lists = sources.iter().map(chosen).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Makes `x` the left factor of [`Packed::product`].
    fn prepare(&mut self, x: &[f32], w: &Matrix) {
        if let Matrix::Integers(_) = w {
            self.quantised.fill(self.weights.isa, x, w.shape().cols());
        }
    }

    /// `x w^T + b`, after [`Packed::prepare`].
    fn product(&self, x: &Tensor, w: &Matrix, bias: Option<&[f32]>) -> Tensor {
        assert_eq!(x.shape.cols(), w.shape().cols(), "the inputs of a product");
        let mut y = self.pool.tensor(Shape::matrix(x.shape.rows(), w.shape().rows()));
        self.write_product(x.values(), w, bias, y.values_mut());
        y
    }

    /// Writes `x w^T + b` to `y`, after [`Packed::prepare`].
    fn write_product(&self, x: &[f32], w: &Matrix, bias: Option<&[f32]>, y: &mut [f32]) {
        let isa = self.weights.isa;
        match w {
            Matrix::Integers(w) => isa.run(Product { x: &self.quantised, w, bias, y }),
            Matrix::Floats { rows, shape } => {
                isa.run(Floats { x, w: rows, cols: shape.cols(), bias, y });
            }
        }
    }
}

/// Position vectors that were computed.
#[derive(Default)]
struct Vectors {
    width: usize,
    kind: Option<Positions>,
    rows: Vec<Vec<f32>>,
}

impl Vectors {
    fn of(&mut self, kind: Positions, width: usize, at: u32) -> &[f32] {
        if (self.kind, self.width) != (Some(kind), width) {
            *self = Self { width, kind: Some(kind), rows: Vec::new() };
        }
        for next in self.rows.len()..=at as usize {
            let mut row = vec![0.0; width];
            rows::position(kind, next as u32, &mut row);
            self.rows.push(row);
        }
        &self.rows[at as usize]
    }
}

impl Device for Packed<'_> {
    type Tensor = Tensor;
    type Index = Rc<[u32]>;

    const READS_ARE_FREE: bool = true;

    fn shape(&self, x: &Tensor) -> Shape {
        x.shape
    }

    fn read(&mut self, x: &Tensor, out: &mut [f32]) -> Result<(), Lost> {
        out.copy_from_slice(x.values());
        Ok(())
    }

    fn index(&mut self, values: &[u32]) -> Rc<[u32]> {
        values.into()
    }
}

impl Backend for Packed<'_> {
    type Param = Parameter;

    fn embed(
        &mut self,
        table: &Parameter,
        tokens: &Tokens<Rc<[u32]>>,
        Embed { positions, .. }: Embed,
    ) -> Tensor {
        let table = self.weights.weight(table);
        let width = table.shape().cols();
        let mut y = self.pool.tensor(Shape::matrix(tokens.rows, width));
        let scale = positions.scale(width);
        let places = tokens.ids.iter().zip(tokens.positions.iter());
        for (y, (id, at)) in y.values_mut().chunks_exact_mut(width).zip(places) {
            let padding = *at == NO_POSITION;
            if padding && tokens.zero_padding {
                y.fill(0.0);
                continue;
            }
            table.read(*id as usize, y).expect("a token of the vocabulary");
            let vector = if padding { &[][..] } else { self.vectors.of(positions, width, *at) };
            rows::embed(y, scale, vector);
        }
        y
    }

    fn linear(&mut self, x: &Tensor, w: &Parameter, b: Option<&Parameter>) -> Tensor {
        let (weights, w) = (self.weights, self.weights.matrix(w));
        self.prepare(x.values(), w);
        self.product(x, w, b.map(|b| weights.vector(b)))
    }

    fn activate(&mut self, mut x: Tensor, f: Activation) -> Tensor {
        self.weights.isa.run(Activate { x: x.values_mut(), f });
        x
    }

    fn add(&mut self, mut x: Tensor, y: &Tensor) -> Tensor {
        assert_eq!(x.shape, y.shape, "the terms of a sum");
        x.values_mut().iter_mut().zip(y.values()).for_each(|(x, y)| *x += y);
        x
    }

    fn layer_norm(&mut self, x: &Tensor, norm: LayerNorm<'_, Parameter>) -> Tensor {
        let mut y = self.pool.tensor(x.shape);
        let LayerNorm { gain, bias, epsilon } = norm;
        let [gain, bias] = [gain, bias].map(|of| self.weights.vector(of));
        self.weights.isa.run(Norm { x: x.values(), gain, bias, epsilon, y: y.values_mut() });
        y
    }

    fn attend(
        &mut self,
        q: &Tensor,
        kv: Kv<&Tensor>,
        grid: &Grid<Rc<[u32]>>,
        how: Attend,
    ) -> Attended<Tensor> {
        let mut context = self.pool.zeros(q.shape);
        let mut map = how.map.then(|| self.pool.zeros(Shape::matrix(how.heads, grid.area)));
        let attention = Attention {
            q: q.values(),
            width: q.shape.cols(),
            heads: how.heads,
            causal: grid.causal,
            spans: &grid.spans,
            context: context.values_mut(),
            map: map.as_mut().map(Tensor::values_mut),
            scores: &mut self.scores,
        };
        self.weights.isa.run(Over { attention, k: kv.k, v: kv.v });
        Attended { context, map }
    }

    fn linears<const M: usize>(&mut self, x: &Tensor, maps: [[&Parameter; 2]; M]) -> [Tensor; M] {
        let weights = self.weights;
        self.prepare(x.values(), weights.matrix(maps[0][0]));
        let mut made = 0;
        maps.map(|[w, b]| {
            made += 1;
            let mut y = self.product(x, weights.matrix(w), Some(weights.vector(b)));
            if is_key_or_value(made - 1, M) && self.packs {
                y.pack();
            }
            y
        })
    }
}

impl Decode for Packed<'_> {
    fn zeros(&mut self, shape: Shape) -> Tensor {
        Tensor::cache(shape)
    }

    fn store(&mut self, cache: &mut Tensor, rows: &Tensor, at: usize, stride: usize) {
        cache.steps_mut().store(rows.rows(), rows.shape.rows(), at, stride);
    }

    fn select(&mut self, cache: &mut Tensor, parents: &[u32], _stride: usize, len: usize) {
        cache.steps_mut().select(parents, len);
    }

    fn rows_of(&mut self, sentences: impl Iterator<Item = usize>) {
        if !self.choice.lists.is_empty() {
            self.choice.set_rows(sentences);
        }
    }

    /// With shortlists the logits of a sentence follow those of the sentence before, without gaps.
    fn project(&mut self, x: &Tensor, table: &Parameter, b: Option<&Parameter>) -> Tensor {
        if self.choice.lists.is_empty() {
            return self.linear(x, table, b);
        }
        let (choice, cols) = (mem::take(&mut self.choice), x.shape.cols());
        let mut y = self.pool.tensor(Shape::matrix(x.shape.rows(), choice.widest()));
        let (mut from, mut to) = (x.values(), y.values_mut());
        for (chosen, rows) in choice.runs() {
            let x = from.split_off(..rows * cols).expect("the rows of a sentence");
            let y = to.split_off_mut(..rows * chosen.tokens.len()).expect("room for all logits");
            self.prepare(x, &chosen.table);
            self.write_product(x, &chosen.table, chosen.bias.as_deref(), y);
        }
        self.choice = choice;
        y
    }

    fn top_k(
        &mut self,
        logits: &Tensor,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost> {
        let (isa, count) = (self.weights.isa, ids.len() / logits.shape.rows());
        let (width, mut logits) = (logits.shape.cols(), logits.values());
        if self.choice.lists.is_empty() {
            isa.run(TopK { logits, width, tokens: None, allow, ids, log_probabilities });
            return Ok(());
        }
        let (mut ids, mut log_probabilities) = (ids, log_probabilities);
        for (chosen, rows) in self.choice.runs() {
            let (width, tokens) = (chosen.tokens.len(), Some(&chosen.tokens[..]));
            let logits = logits.split_off(..rows * width).expect("the logits of a sentence");
            let ids = ids.split_off_mut(..rows * count).expect("room for all rows");
            let log_probabilities =
                log_probabilities.split_off_mut(..rows * count).expect("room for all rows");
            isa.run(TopK { logits, width, tokens, allow, ids, log_probabilities });
        }
        Ok(())
    }
}

struct Activate<'a> {
    x: &'a mut [f32],
    f: Activation,
}

impl Work for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, _: D) {
        rows::activate(self.x, self.f);
    }
}

struct Norm<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    y: &'a mut [f32],
}

impl Work for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let Self { x, gain, bias, epsilon, y } = self;
        for (x, y) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())) {
            floats::layer_norm(d, x, gain, bias, epsilon, y);
        }
    }
}

struct TopK<'a> {
    logits: &'a [f32],
    width: usize,
    /// The tokens of the logits, if there is a shortlist.
    tokens: Option<&'a [u32]>,
    allow: Allow,
    ids: &'a mut [u32],
    log_probabilities: &'a mut [f32],
}

impl Work for TopK<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let Self { logits, width, tokens, allow, ids, log_probabilities } = self;
        let token = |column: u32| tokens.map_or(column, |tokens| tokens[column as usize]);
        let k = ids.len() / (logits.len() / width);
        let out = ids.chunks_exact_mut(k).zip(log_probabilities.chunks_exact_mut(k));
        for (logits, (ids, found)) in logits.chunks_exact(width).zip(out) {
            let lse = floats::log_sum_exp(d, logits);
            let most = |x: &[f32]| floats::max(d, x);
            let refused = |column| allow.refuses(token(column));
            rows::best(logits, lse, most, allow.special.pad, refused, ids, found);
            ids.iter_mut().for_each(|id| *id = token(*id));
        }
    }
}
