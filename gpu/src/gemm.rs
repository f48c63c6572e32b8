//! Matrix products over tensors: memory for the result, and operands in the precision asked for.

use crate::kernels::cast::{cast, divide, factor};
use crate::kernels::pointwise::{empty, zeros};
use crate::memory::Client;
use crate::tensor::{Rounded, Tensor, View};
use a2d_core::shape::Shape;
use a2d_gemm::{Device, Form, Precision, Product};
use cubecl::prelude::*;
use half::{bf16, f16};

/// Where a product goes.
pub(crate) enum Out {
    /// New memory.
    New,
    /// There.
    To(View),
}

/// One side of a product.
pub(crate) struct Operand<'a> {
    view: View,
    /// What keeps its rounding for the next product.
    of: Option<&'a Tensor>,
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(of: &'a Tensor) -> Self {
        Self { view: of.view(), of: Some(of) }
    }
}

impl From<&View> for Operand<'_> {
    fn from(view: &View) -> Self {
        Self { view: view.clone(), of: None }
    }
}

/// How products are computed.
#[derive(Clone, Debug)]
pub(crate) struct Gemm {
    precision: Precision,
    /// `[1]`: what operands are multiplied by where nothing else is called for.
    one: Tensor,
}

impl Gemm {
    /// Products of operands rounded to `precision`, summed in single precision.
    pub fn new<R: Runtime>(client: &Client<R>, precision: Precision) -> Self {
        let one = View::uploaded(client.create_from_slice(f32::as_bytes(&[1.0])), 1);
        Self { precision, one: Tensor::of(one, Shape::vector(1)) }
    }

    /// `a b` in the given form, `[m, n]`, the inner extent `k`.
    pub fn run<'a, R: Device>(
        &self,
        client: &Client<R>,
        form: Form,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
        dims: [usize; 3],
        out: Out,
    ) -> View {
        let ([m, n, k], a, b) = (dims, a.into(), b.into());
        let lens = (a.view.len, b.view.len);
        assert!(lens == (m * k, k * n), "gemm: {m} x {k} times {k} x {n}");
        let out = match out {
            Out::To(view) => view,
            Out::New if k == 0 => return zeros(client, Shape::matrix(m, n)).view(),
            Out::New => empty(client, Shape::matrix(m, n)).view(),
        };
        if m == 0 || n == 0 || k == 0 {
            return out;
        }
        // Every left operand of a gradient is a gradient: out of half precision's range, if nobody sees to it.
        let scaled = self.precision == Precision::F16 && form != Form::Nt;
        let [a, b] = [self.rounded(client, a, scaled), self.rounded(client, b, false)];
        let [left, right, to] = [&a.view, &b.view, &out].map(|x| &x.handle);
        let precision = self.precision;
        let product = Product { precision, form, a: left, b: right, dims, out: to };
        R::product(client, &product).unwrap_or_else(|why| panic!("{why}"));
        if let Some(factor) = &a.factor {
            divide(client, &out, factor);
        }
        out
    }

    /// An operand in the precision of products, rounded once for as long as its tensor lives.
    fn rounded<R: Runtime>(&self, client: &Client<R>, x: Operand<'_>, scaled: bool) -> Rounded {
        match self.precision {
            Precision::F32 | Precision::Tf32 => Rounded { view: x.view, factor: None },
            Precision::Bf16 => self.kept::<R, bf16>(client, x, scaled),
            Precision::F16 => self.kept::<R, f16>(client, x, scaled),
        }
    }

    fn kept<R: Runtime, F: Float + CubeElement>(
        &self,
        client: &Client<R>,
        x: Operand<'_>,
        scaled: bool,
    ) -> Rounded {
        let Some(of) = x.of else { return self.round::<R, F>(client, &x.view, scaled) };
        if let (Some((row, number)), false) = (&of.buffer.place, scaled) {
            let round = |all: &View| self.round::<R, F>(client, all, false).view;
            return Rounded { view: row.rounded::<F>(*number, of.len(), round), factor: None };
        }
        let mut rounded = of.buffer.rounded.borrow_mut();
        match &*rounded {
            Some(rounded) if rounded.factor.is_some() == scaled => rounded.clone(),
            _ => rounded.insert(self.round::<R, F>(client, &x.view, scaled)).clone(),
        }
    }

    fn round<R: Runtime, F: Float + CubeElement>(
        &self,
        client: &Client<R>,
        x: &View,
        scaled: bool,
    ) -> Rounded {
        let factor = scaled.then(|| factor(client, x));
        let view = cast::<R, F>(client, x, factor.as_ref().unwrap_or(&self.one));
        Rounded { view, factor }
    }
}
