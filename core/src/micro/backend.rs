//! [`Micro`]: the operations, as loops over the arena.

use super::attend;
use super::chosen::Chosen;
use super::compute::{Compute, Portable};
use super::error::Error;
use super::memory::{Memory, Slot, Words};
use super::product::{self, Inputs, Product, Quantised, Rows};
use super::slices;
use crate::allow::Allow;
use crate::backend::{
    Attend, Attended, Backend, Decode, Device, Embed, Kv, LayerNorm, Lost, is_key_or_value,
};
use crate::batch::{Grid, NO_POSITION, Tokens};
use crate::bits;
use crate::config::{Activation, Positions};
use crate::image::{Format, Shortlist, Weight, Weights};
use crate::rows;
use crate::shape::Shape;
use zerocopy::FromBytes;

/// A parameter: its number in canonical order, the key for finding it in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter(u16);

impl Parameter {
    /// The parameter with number `number`, from 0.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number in canonical order.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A backend whose tensors are in one slice of the caller's memory, and whose weights are in an image.
///
/// No input can make it panic. An operation that fails latches a fault, see [`Micro::fault`], and returns a tensor
/// outside the arena.
pub struct Micro<'m, 'w> {
    pub(super) arena: Memory<'m>,
    /// The attention scores of one query and head.
    pub(super) scores: &'m mut [f32],
    fault: Option<Error>,
    weights: Weights<'w>,
    compute: &'m dyn Compute,
    /// Whether keys and values are stored as bytes.
    packs: bool,
    /// The rows of the output projection that are in the shortlist; `None` for all rows.
    chosen: Option<Chosen>,
}

/// The caller's memory as words.
pub(super) fn words(bytes: &mut [u8]) -> Result<&mut [f32], Error> {
    let count = bytes.len() / size_of::<f32>();
    let words = <[f32]>::mut_from_prefix_with_elems(bytes, count);
    words.map(|(words, _)| words).map_err(|_| Error::Misaligned)
}

impl<'m, 'w> Micro<'m, 'w> {
    /// A backend in `memory`, whose address is a multiple of 4. Reserves `keys` words for the scores of that many keys.
    ///
    /// # Errors
    ///
    /// The memory is misaligned, or smaller than `keys` words.
    pub fn new(memory: &'m mut [u8], keys: usize, weights: Weights<'w>) -> Result<Self, Error> {
        Self::over(words(memory)?, keys, weights)
    }

    pub(super) fn over(
        words: &'m mut [f32],
        keys: usize,
        weights: Weights<'w>,
    ) -> Result<Self, Error> {
        let missing = keys.saturating_sub(words.len()).saturating_mul(size_of::<f32>());
        let (scores, rest) = words.split_at_mut_checked(keys).ok_or(Error::Arena { missing })?;
        Ok(Self {
            arena: Memory::new(rest),
            scores,
            fault: None,
            weights,
            compute: &Portable,
            packs: false,
            chosen: None,
        })
    }

    /// Stores keys and values as bytes, with a scale for each row, instead of as f32.
    #[must_use]
    pub fn packing(self, packs: bool) -> Self {
        Self { packs, ..self }
    }

    /// Multiplies with `compute` instead of [`Portable`].
    #[must_use]
    pub fn computing(self, compute: &'m dyn Compute) -> Self {
        Self { compute, ..self }
    }

    /// The peak number of bytes in use.
    pub fn peak(&self) -> usize {
        (self.arena.peak() + self.scores.len()) * size_of::<f32>()
    }

    /// The first fault, if any.
    pub fn fault(&self) -> Option<Error> {
        self.fault
    }

    /// A tensor from row-major data.
    pub fn tensor(&mut self, data: &[f32], shape: Shape) -> Slot {
        let made = self.arena.tensor(shape);
        let filled = made.and_then(|x| {
            let to = self.arena.get_mut(&x)?;
            slices::copy(data, to)?;
            Some(x)
        });
        self.sure(filled, shape)
    }

    /// The result of an operation; for `None`, a fault and a tensor outside the arena.
    fn sure(&mut self, made: Option<Slot>, shape: Shape) -> Slot {
        made.unwrap_or_else(|| self.lost(shape))
    }

    /// Latches a fault and returns a tensor outside the arena.
    fn lost(&mut self, shape: Shape) -> Slot {
        self.fail();
        Slot::nowhere(shape)
    }

    fn fail(&mut self) {
        self.fault = self.fault.or(Some(Error::Fault));
    }

    fn check(&mut self, done: Option<()>) {
        if done.is_none() {
            self.fail();
        }
    }

    /// Allocates and writes a list of integers.
    pub(super) fn list(&mut self, len: usize, value: impl Fn(usize) -> u32) -> Words {
        self.arena.list(len, value).unwrap_or_else(|| {
            self.fail();
            Words::nowhere()
        })
    }

    fn weight(&self, number: &Parameter) -> Option<Weight<'w>> {
        self.weights.get(usize::from(number.number()))
    }

    /// The rows and columns of a parameter.
    fn extent(&self, number: &Parameter) -> (usize, usize) {
        let shape = self.weight(number).map_or(Shape::matrix(0, 0), |w| w.shape());
        (shape.rows(), shape.cols())
    }

    fn try_embed(
        &mut self,
        table: &Parameter,
        tokens: &Tokens<Words>,
        kind: Positions,
    ) -> Option<Slot> {
        let table = self.weight(table)?;
        let width = table.shape().cols();
        let y = self.arena.tensor(Shape::matrix(tokens.rows, width))?;
        let top = self.arena.top();
        let vector = self.arena.tensor(Shape::vector(width))?;
        let (below, above) = self.arena.pair_mut(&y, &vector)?;
        let (ids, positions) = (below.integers(&tokens.ids)?, below.integers(&tokens.positions)?);
        let (data, vector) = (below.data, above);
        let scale = kind.scale(width);
        let mut known = None;
        for (y, (id, at)) in slices::rows_mut(data, width).zip(ids.iter().zip(positions)) {
            let padding = *at == NO_POSITION;
            if padding && tokens.zero_padding {
                y.fill(0.0);
                continue;
            }
            table.read(*id as usize, y)?;
            if !padding && known != Some(*at) {
                rows::position(kind, *at, vector);
                known = Some(*at);
            }
            let vector = if padding { &[][..] } else { &*vector };
            rows::embed(y, scale, vector);
        }
        self.arena.reset(top);
        Some(y)
    }

    fn try_linear(&mut self, x: &Slot, w: &Parameter, bias: Option<&Parameter>) -> Option<Slot> {
        let y = self.try_product(x, w, None)?;
        if let Some(bias) = bias {
            self.add_bias(&y, bias)?;
        }
        Some(y)
    }

    /// `x w^T`, for all rows of `w` or the chosen rows.
    fn try_product(&mut self, x: &Slot, w: &Parameter, chosen: Option<&Chosen>) -> Option<Slot> {
        let w = &self.weight(w)?;
        let (rows, cols) = (x.shape().rows(), x.shape().cols());
        if cols != w.shape().cols() {
            return None;
        }
        let count = chosen.map_or(w.shape().rows(), |chosen| chosen.count);
        let y = self.arena.tensor(Shape::matrix(rows, count))?;
        let (top, floats) = (self.arena.top(), w.format() == Format::F32);
        let words = if floats { 0 } else { product::quantised_words(rows, cols) };
        let small = self.arena.tensor(Shape::vector(words))?;
        if !floats {
            let (x, bytes) = self.arena.pair(x, &small)?;
            product::quantise(x, cols, bytes)?;
        }
        self.multiply(x, &small, w, chosen, &y)?;
        self.arena.reset(top);
        Some(y)
    }

    /// Writes `x w^T` to `y`; `small` has the rows of `x` as bytes, unless `w` is f32.
    // Out of line, as every stack frame below a product counts.
    #[inline(never)]
    fn multiply(
        &mut self,
        x: &Slot,
        small: &Slot,
        w: &Weight<'_>,
        chosen: Option<&Chosen>,
        y: &Slot,
    ) -> Option<()> {
        let (below, to, small) = self.arena.around(y, small)?;
        let bits = match chosen {
            Some(chosen) => Some(below.integers(&chosen.bits)?),
            None => None,
        };
        let (rows, cols) = (x.shape().rows(), x.shape().cols());
        let inputs = match w.format() {
            Format::F32 => Inputs::Floats(below.get(x)?),
            _ => Inputs::Bytes(Quantised::new(small, rows, cols)?),
        };
        let rows = Rows { bits, start: 0, count: y.shape().cols() };
        Product { by: self.compute, x: inputs, w, rows, y: to }.run()
    }

    /// Restricts the output projection to the shortlist of the tokens of `source`.
    pub(super) fn choose(&mut self, list: &Shortlist<'_>, source: &Words, vocabulary: usize) {
        let made = self.try_choose(list, source, vocabulary);
        self.check(made.as_ref().map(|_| ()));
        self.chosen = made;
    }

    fn try_choose(
        &mut self,
        list: &Shortlist<'_>,
        source: &Words,
        vocabulary: usize,
    ) -> Option<Chosen> {
        let bits = self.arena.list(bits::words(vocabulary), |_| 0)?;
        let (source, marked) = self.arena.integers_mut(source, &bits)?;
        list.mark(source, marked);
        Some(Chosen { count: bits::count(marked), bits })
    }

    /// The logits of the chosen tokens.
    fn try_project(
        &mut self,
        x: &Slot,
        table: &Parameter,
        bias: Option<&Parameter>,
        chosen: &Chosen,
    ) -> Option<Slot> {
        let y = self.try_product(x, table, Some(chosen))?;
        let Some(bias) = bias else { return Some(y) };
        let bias = self.weight(bias)?;
        let (below, from_y) = self.arena.split(&y)?;
        let (bits, logits) = (below.integers(&chosen.bits)?, from_y.get_mut(..y.words())?);
        for row in slices::rows_mut(logits, y.shape().cols()) {
            for (logit, token) in row.iter_mut().zip(bits::each(bits)) {
                *logit += crate::image::float(*bias.words().get(token)?);
            }
        }
        Some(y)
    }

    fn add_bias(&mut self, y: &Slot, bias: &Parameter) -> Option<()> {
        let bias = self.weight(bias)?;
        let width = y.shape().cols();
        if bias.words().len() != width {
            return None;
        }
        for y in slices::rows_mut(self.arena.get_mut(y)?, width) {
            for (y, b) in y.iter_mut().zip(bias.words()) {
                *y += crate::image::float(*b);
            }
        }
        Some(())
    }

    /// Gain and bias of a norm as floats, and space for a row: `[3, D]`.
    fn norm_parameters(&mut self, gain: &Parameter, bias: &Parameter) -> Option<Slot> {
        let (gain, bias) = (self.weight(gain)?, self.weight(bias)?);
        let width = gain.words().len();
        if width == 0 || bias.words().len() != width {
            return None;
        }
        let at = self.arena.tensor(Shape::matrix(3, width))?;
        let (gains, rest) = self.arena.get_mut(&at)?.split_at_mut_checked(width)?;
        gain.read(0, gains)?;
        bias.read(0, rest.get_mut(..width)?)?;
        Some(at)
    }

    fn try_norm(&mut self, y: &Slot, norm: LayerNorm<'_, Parameter>) -> Option<()> {
        let top = self.arena.top();
        let parameters = self.norm_parameters(norm.gain, norm.bias)?;
        let width = parameters.shape().cols();
        if y.shape().cols() != width {
            return None;
        }
        let (to, above) = self.arena.pair_mut(y, &parameters)?;
        let to = to.data;
        let (gain, rest) = above.split_at_mut_checked(width)?;
        let (bias, row) = rest.split_at_mut_checked(width)?;
        for y in slices::rows_mut(to, width) {
            slices::copy(y, row)?;
            rows::layer_norm(row, gain, bias, norm.epsilon, y);
        }
        self.arena.reset(top);
        Some(())
    }

    /// Copies `x` to a new slot.
    fn copy(&mut self, x: &Slot) -> Option<Slot> {
        let y = self.arena.tensor(x.shape())?;
        let (from, to) = self.arena.pair(x, &y)?;
        slices::copy(from, to)?;
        Some(y)
    }

    fn try_add(&mut self, x: &Slot, y: &Slot) -> Option<()> {
        if x.shape() != y.shape() {
            return None;
        }
        let (y, x) = self.arena.pair(y, x)?;
        rows::axpy(1.0, y, x);
        Some(())
    }

    /// Converts each row to bytes and a scale.
    fn try_pack(&mut self, x: &Slot) -> Option<Slot> {
        let y = self.arena.slot(x.shape(), true)?;
        let (from, to) = self.arena.pair(x, &y)?;
        let rows = slices::rows(from, x.stride()).zip(slices::rows_mut(to, y.stride()));
        for (x, y) in rows {
            product::pack(x, y)?;
        }
        Some(y)
    }

    fn try_store(&mut self, cache: &Slot, fresh: &Slot, at: usize, stride: usize) -> Option<()> {
        let width = cache.stride();
        if fresh.stride() != width || fresh.packed() != cache.packed() || width == 0 {
            return None;
        }
        let (fresh, cache) = self.arena.pair(fresh, cache)?;
        let groups = slices::rows_mut(cache, stride.checked_mul(width)?);
        for (group, row) in groups.zip(slices::rows(fresh, width)) {
            slices::copy(row, slices::row_mut(group, at, width)?)?;
        }
        Some(())
    }

    /// Copies position by position, through a buffer of the rows that move.
    fn try_select(
        &mut self,
        cache: &Slot,
        parents: &[u32],
        stride: usize,
        len: usize,
    ) -> Option<()> {
        let moved = || parents.iter().enumerate().filter(|(i, parent)| *i != **parent as usize);
        let (width, count, top) = (cache.stride(), moved().count(), self.arena.top());
        if count == 0 || width == 0 {
            return Some(());
        }
        let spare = self.arena.tensor(Shape::matrix(count, width))?;
        for at in 0..len.min(stride) {
            let row = |group: usize| group.checked_mul(stride)?.checked_add(at);
            let (from, to) = self.arena.pair(cache, &spare)?;
            for (to, (_, parent)) in slices::rows_mut(to, width).zip(moved()) {
                slices::copy(slices::row(from, row(*parent as usize)?, width)?, to)?;
            }
            let (from, to) = self.arena.pair(&spare, cache)?;
            for (from, (i, _)) in slices::rows(from, width).zip(moved()) {
                slices::copy(from, slices::row_mut(to, row(i)?, width)?)?;
            }
        }
        self.arena.reset(top);
        Some(())
    }

    fn try_top_k(
        &self,
        logits: &Slot,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Option<()> {
        let (n, width) = (logits.shape().rows(), logits.shape().cols());
        let k = ids.len().checked_div(n)?;
        if k == 0 || width == 0 || log_probabilities.len() != ids.len() {
            return None;
        }
        let out = slices::rows_mut(ids, k).zip(slices::rows_mut(log_probabilities, k));
        let bits = match &self.chosen {
            Some(chosen) => Some(self.arena.integers(&chosen.bits)?),
            None => None,
        };
        // The token of a column of the logits.
        let token = |column: u32| match bits {
            None => Some(column),
            Some(bits) => bits::nth(bits, column as usize).map(|id| id as u32),
        };
        let refused = |column| token(column).is_none_or(|id| allow.refuses(id));
        for (logits, (ids, lps)) in slices::rows(self.arena.get(logits)?, width).zip(out) {
            rows::top_k(logits, allow.special.pad, refused, ids, lps);
        }
        for id in ids {
            *id = token(*id)?;
        }
        Some(())
    }

    /// Converts keys or values to the storage format of the cache.
    pub fn pack(&mut self, x: Slot) -> Slot {
        match self.packs {
            true => {
                let made = self.try_pack(&x);
                self.sure(made, x.shape())
            }
            false => x,
        }
    }

    /// Returns the result of `f`, frees all other tensors made by `f`.
    fn kept(&mut self, f: impl FnOnce(&mut Self) -> Slot) -> Slot {
        let floor = self.arena.top();
        self.settled(floor, f)
    }

    /// Runs `f`, moves its result down to `floor`, and frees all other tensors made by `f`.
    fn settled(&mut self, floor: usize, f: impl FnOnce(&mut Self) -> Slot) -> Slot {
        let y = f(self);
        let shape = y.shape();
        let moved = self.arena.settle(y, floor);
        self.sure(moved, shape)
    }
}

/// The error of a read after a fault. [`Micro::fault`] returns the fault.
const FAULT: Lost = Lost("a fault in the arena");

impl Device for Micro<'_, '_> {
    type Tensor = Slot;
    type Index = Words;

    fn shape(&self, x: &Slot) -> Shape {
        x.shape()
    }

    fn read(&mut self, x: &Slot, out: &mut [f32]) -> Result<(), Lost> {
        self.arena.get(x).and_then(|data| slices::copy(data, out)).ok_or(FAULT)
    }

    const READS_ARE_FREE: bool = true;

    fn index(&mut self, values: &[u32]) -> Words {
        self.list(values.len(), |i| values.get(i).copied().unwrap_or_default())
    }

    fn advance(&mut self, x: Slot, f: impl FnOnce(&mut Self, &Slot) -> Slot) -> Slot {
        let floor = self.arena.floor(&x);
        self.settled(floor, |b| f(b, &x))
    }

    fn scratch<R: Copy>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let top = self.arena.top();
        let out = f(self);
        self.arena.reset(top);
        out
    }
}

impl Backend for Micro<'_, '_> {
    type Param = Parameter;

    fn embed(&mut self, table: &Parameter, tokens: &Tokens<Words>, how: Embed) -> Slot {
        match self.try_embed(table, tokens, how.positions) {
            Some(y) => y,
            None => self.lost(Shape::matrix(tokens.rows, self.extent(table).1)),
        }
    }

    fn linear(&mut self, x: &Slot, w: &Parameter, b: Option<&Parameter>) -> Slot {
        match self.try_linear(x, w, b) {
            Some(y) => y,
            None => self.lost(Shape::matrix(x.shape().rows(), self.extent(w).0)),
        }
    }

    fn activate(&mut self, x: Slot, f: Activation) -> Slot {
        let done = self.arena.get_mut(&x).map(|x| rows::activate(x, f));
        self.check(done);
        x
    }

    fn add(&mut self, x: Slot, y: &Slot) -> Slot {
        let done = self.try_add(&x, y);
        self.check(done);
        x
    }

    fn layer_norm(&mut self, x: &Slot, norm: LayerNorm<'_, Parameter>) -> Slot {
        let copy = self.copy(x);
        let y = self.sure(copy, x.shape());
        let done = self.try_norm(&y, norm);
        self.check(done);
        y
    }

    fn attend(
        &mut self,
        q: &Slot,
        kv: Kv<&Slot>,
        grid: &Grid<Words>,
        how: Attend,
    ) -> Attended<Slot> {
        match attend::attend(&mut self.arena, self.scores, q, kv, grid, how) {
            Some(attended) => attended,
            None => {
                self.fail();
                let map = how.map.then(|| Slot::nowhere(Shape::matrix(how.heads, grid.area)));
                Attended { context: Slot::nowhere(q.shape()), map }
            }
        }
    }

    fn linears<const M: usize>(&mut self, x: &Slot, maps: [[&Parameter; 2]; M]) -> [Slot; M] {
        let mut made = 0;
        maps.map(|[w, b]| {
            made += 1;
            if !is_key_or_value(made - 1, M) {
                return self.linear(x, w, Some(b));
            }
            self.kept(|micro| {
                let y = micro.linear(x, w, Some(b));
                micro.pack(y)
            })
        })
    }

    fn linear_join(
        &mut self,
        x: &Slot,
        [w, b]: [&Parameter; 2],
        residual: &Slot,
        _p: f32,
        norm: LayerNorm<'_, Parameter>,
    ) -> Slot {
        let y = self.linear(x, w, Some(b));
        let done = self.try_add(&y, residual).and_then(|()| self.try_norm(&y, norm));
        self.check(done);
        y
    }
}

impl Decode for Micro<'_, '_> {
    fn zeros(&mut self, shape: Shape) -> Slot {
        let made = self.arena.slot(shape, self.packs);
        let x = self.sure(made, shape);
        let done = self.arena.get_mut(&x).map(|x| x.fill(0.0));
        self.check(done);
        x
    }

    fn store(&mut self, cache: &mut Slot, rows: &Slot, at: usize, stride: usize) {
        let done = self.try_store(cache, rows, at, stride);
        self.check(done);
    }

    fn select(&mut self, cache: &mut Slot, parents: &[u32], stride: usize, len: usize) {
        let done = self.try_select(cache, parents, stride, len);
        self.check(done);
    }

    fn project(&mut self, x: &Slot, table: &Parameter, b: Option<&Parameter>) -> Slot {
        let Some(chosen) = self.chosen.clone() else { return self.linear(x, table, b) };
        match self.try_project(x, table, b, &chosen) {
            Some(y) => y,
            None => self.lost(Shape::matrix(x.shape().rows(), chosen.count)),
        }
    }

    fn top_k(
        &mut self,
        logits: &Slot,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost> {
        if self.try_top_k(logits, allow, ids, log_probabilities).is_none() {
            self.fail();
        }
        // A search must not continue with results of a failed operation.
        if self.fault.is_some() { Err(FAULT) } else { Ok(()) }
    }
}
