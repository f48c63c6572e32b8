//! Matrix products of tensors: allocates results, and rounds operands to the precision of products.

use crate::context::Context;
use crate::kernels::cast::{cast, divide, factor};
use crate::kernels::copy::{empty, fill};
use crate::stack::Stack;
use crate::tensor::{Rounded, Tensor};
use crate::view::View;
use a2d_core::shape::Shape;
use a2d_device::Precision;
use a2d_gemm::{Batch, Form, Product};
use cubecl::prelude::*;
use half::{bf16, f16};

/// Where a product is written.
pub(crate) enum Out {
    /// To new memory.
    New,
    /// To this memory.
    To(View),
}

/// An operand of a product: a matrix or a stack of matrices.
pub(crate) struct Operand<'a> {
    view: View,
    /// The tensor at the start of the view, which caches the rounded elements for the next product.
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
    /// `[1]`: the factor 1, for operands that need no scaling.
    one: Tensor,
}

impl Gemm {
    /// Products of operands rounded to `precision`, summed in single precision.
    pub fn new(context: &Context, precision: Precision) -> Self {
        let one = View::uploaded(context.upload_floats(&[1.0]), 1);
        Self { precision, one: Tensor::of(one, Shape::vector(1)) }
    }

    /// `a b` `[m, n]` in the given form, with inner dimension `k`; `dims` is `[m, n, k]`.
    pub fn run<'a>(
        &self,
        context: &Context,
        form: Form,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
        dims: [usize; 3],
        out: Out,
    ) -> View {
        let out = match out {
            Out::To(view) => view,
            Out::New => empty(context, Shape::matrix(dims[0], dims[1])).view(),
        };
        self.launch(context, form, [a.into(), b.into()], dims, (&out, Batch::ONE));
        out
    }

    /// [`Gemm::run`] for each matrix of `out`. An operand is a stack of as many matrices, or one matrix for all.
    pub fn run_all<'a>(
        &self,
        context: &Context,
        form: Form,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
        dims: [usize; 3],
        out: &Stack,
    ) {
        self.launch(context, form, [a.into(), b.into()], dims, (&out.view, batch(out)));
    }

    fn launch(
        &self,
        context: &Context,
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
            fill(context, out, 0.0);
        }
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        let batches = [a.batch, b.batch, batch];
        // The left operands of gradients are gradients themselves, which half precision must scale into its range.
        let scaled = self.precision == Precision::F16 && form != Form::Nt;
        let [a, b] = [self.rounded(context, a, scaled), self.rounded(context, b, false)];
        let [left, right, to] = [&a.view, &b.view, out].map(|x| &x.handle);
        let precision = self.precision;
        let product = Product { precision, form, a: left, b: right, dims, out: to, batches };
        context.multiply(&product).unwrap_or_else(|why| panic!("{why}"));
        if let Some(factor) = &a.factor {
            divide(context, out, factor);
        }
    }

    /// The sums that a unit holds in cubek's kernel for tensor cores, for a product of these sizes; none where there is no such
    /// kernel.
    pub fn sums_per_unit(&self, context: &Context, form: Form, dims: [usize; 3]) -> Option<u32> {
        let handle = &self.one.view().handle;
        let (precision, batches) = (self.precision, [Batch::ONE; 3]);
        let product = Product { precision, form, a: handle, b: handle, dims, out: handle, batches };
        product.sums_per_unit(context.client())
    }

    /// An operand in the precision of products. A tensor is rounded once in its lifetime.
    fn rounded(&self, context: &Context, x: Operand<'_>, scaled: bool) -> Rounded {
        match self.precision {
            Precision::F32 | Precision::Tf32 => Rounded { view: x.view, factor: None },
            Precision::Bf16 => self.cached::<bf16>(context, x, scaled),
            Precision::F16 => self.cached::<f16>(context, x, scaled),
        }
    }

    fn cached<F: Float + CubeElement>(
        &self,
        context: &Context,
        x: Operand<'_>,
        scaled: bool,
    ) -> Rounded {
        let Some(of) = x.of else { return self.round::<F>(context, &x.view, scaled) };
        if let Some((row, number)) = &of.buffer.place {
            // All pieces of a row are rounded together.
            let all = self.cached::<F>(context, row.memory().into(), scaled);
            let view = all.view.part_of::<F>(row.offsets()[*number], x.view.len);
            return Rounded { view, ..all };
        }
        let mut rounded = of.buffer.rounded();
        match &*rounded {
            Some(rounded) if rounded.factor.is_some() == scaled => rounded.clone(),
            _ => rounded.insert(self.round::<F>(context, &x.view, scaled)).clone(),
        }
    }

    fn round<F: Float + CubeElement>(&self, context: &Context, x: &View, scaled: bool) -> Rounded {
        let factor = scaled.then(|| factor(context, x));
        let view = cast::<F>(context, x, factor.as_ref().unwrap_or(&self.one));
        Rounded { view, factor }
    }
}
