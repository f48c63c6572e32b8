//! Matrix products over tensors: memory for the result, and operands in the precision asked for.

use crate::kernels::cast::{cast, divide, factor};
use crate::kernels::pointwise::{empty, fill};
use crate::memory::Client;
use crate::row::Stack;
use crate::tensor::{Rounded, Tensor, View};
use a2d_core::shape::Shape;
use a2d_gemm::{Batch, Device, Form, Precision, Product};
use cubecl::prelude::*;
use half::{bf16, f16};

/// Where a product goes.
pub(crate) enum Out {
    /// New memory.
    New,
    /// There.
    To(View),
}

/// One side of a product: a matrix, or a stack of them.
pub(crate) struct Operand<'a> {
    view: View,
    /// What keeps its rounding for the next product, and begins where it does.
    of: Option<&'a Tensor>,
    batch: Batch,
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(of: &'a Tensor) -> Self {
        Self { view: of.view(), of: Some(of), batch: Batch::ONE }
    }
}

impl From<&View> for Operand<'_> {
    fn from(view: &View) -> Self {
        Self { view: view.clone(), of: None, batch: Batch::ONE }
    }
}

impl<'a> From<&'a Stack> for Operand<'a> {
    fn from(of: &'a Stack) -> Self {
        Self { view: of.view.clone(), of: of.tensors.first(), batch: batch(of) }
    }
}

fn batch(of: &Stack) -> Batch {
    Batch { count: of.tensors.len(), step: of.step }
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
        let out = match out {
            Out::To(view) => view,
            Out::New => empty(client, Shape::matrix(dims[0], dims[1])).view(),
        };
        self.launch(client, form, [a.into(), b.into()], dims, (&out, Batch::ONE));
        out
    }

    /// [`Gemm::run`] for each matrix of `out`; an operand is a stack of as many, or one for all.
    pub fn run_all<'a, R: Device>(
        &self,
        client: &Client<R>,
        form: Form,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
        dims: [usize; 3],
        out: &Stack,
    ) {
        self.launch(client, form, [a.into(), b.into()], dims, (&out.view, batch(out)));
    }

    fn launch<R: Device>(
        &self,
        client: &Client<R>,
        form: Form,
        [a, b]: [Operand<'_>; 2],
        dims: [usize; 3],
        (out, batch): (&View, Batch),
    ) {
        let [m, n, k] = dims;
        let fits = |view: &View, of: Batch, len| {
            view.len == of.step * (of.count - 1) + len && (of.count == 1 || of.count == batch.count)
        };
        let all = fits(&a.view, a.batch, m * k) && fits(&b.view, b.batch, k * n);
        assert!(all && fits(out, batch, m * n), "gemm: {m} x {k} times {k} x {n}");
        if k == 0 {
            fill(client, out, 0.0);
        }
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        let batches = [a.batch, b.batch, batch];
        // Every left operand of a gradient is a gradient: out of half precision's range, if nobody sees to it.
        let scaled = self.precision == Precision::F16 && form != Form::Nt;
        let [a, b] = [self.rounded(client, a, scaled), self.rounded(client, b, false)];
        let [left, right, to] = [&a.view, &b.view, out].map(|x| &x.handle);
        let precision = self.precision;
        let product = Product { precision, form, a: left, b: right, dims, out: to, batches };
        R::product(client, &product).unwrap_or_else(|why| panic!("{why}"));
        if let Some(factor) = &a.factor {
            divide(client, out, factor);
        }
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
        if let Some((row, number)) = &of.buffer.place {
            // All pieces of a row at once.
            let all = self.kept::<R, F>(client, row.memory().into(), scaled);
            let view = all.view.part_of::<F>(row.offset(*number), x.view.len);
            return Rounded { view, ..all };
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
