//! Matrix products of tensors: allocates results, and rounds operands to the precision of products. What follows a product
//! is done in the same pass where a library computes that, or else by a kernel.

use crate::beside;
use crate::context::Context;
use crate::kernels::cast::{cast_to, divide, widen};
use crate::kernels::columns::stack_sums;
use crate::kernels::copy::{empty, fill};
use crate::kernels::pointwise::{activate_grad, add_bias, add_biases, add_to, sum};
use crate::rounded::{self, rounded};
use crate::stack::Stack;
use crate::tensor::{Rounded, Tensor};
use crate::view::View;
use a2d_core::config::Activation;
use a2d_core::shape::Shape;
use a2d_device::Precision;
use a2d_gemm::{Batch, By, Epilogue, Form, Product, Relu, sign_bytes};
use half::{bf16, f16};

/// Where a product is written.
pub(crate) enum Out {
    /// To new memory.
    New,
    /// To this tensor, in the format that it is held in.
    To(Tensor),
    /// To new memory, with this added.
    Plus(View),
    /// Added to this memory.
    Onto(View),
}

/// An operand of a product: a matrix or a stack of matrices.
pub(crate) struct Operand<'a> {
    /// The tensor at its start, which caches the rounded elements for the next product.
    of: &'a Tensor,
    /// Elements from its start to its end.
    len: usize,
    batch: Batch,
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(of: &'a Tensor) -> Self {
        Self { of, len: of.len(), batch: Batch::ONE }
    }
}

impl<'a> From<&'a Stack> for Operand<'a> {
    fn from(of: &'a Stack) -> Self {
        Self { of: &of.tensors[0], len: of.len(), batch: batch(of) }
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
        let ready = self.ready(context, form, [a.into(), b.into()], dims, Batch::ONE);
        let new = || empty(context, Shape::matrix(dims[0], dims[1])).view();
        match out {
            Out::To(to) => {
                ready.launch_held(context, &to);
                context.held(&to).0
            }
            Out::New => ready.launch(context, new()),
            Out::Plus(sum) => {
                let to = new();
                if !ready.fuse_sum(context, &to, &sum) {
                    ready.launch(context, to.clone());
                    add_to(context, &to, &sum);
                }
                to
            }
            Out::Onto(sum) => {
                if !ready.fuse_sum(context, &sum, &sum) {
                    add_to(context, &sum, &ready.launch(context, new()));
                }
                sum
            }
        }
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
        let ready = self.ready(context, form, [a.into(), b.into()], dims, batch(out));
        ready.launch(context, out.view());
    }

    /// The gradient of the input `x` of a linear map, or with `f`, whose result `x` is, that of the input of `f`. Held rounded
    /// where products round, if `f` keeps it so.
    pub fn input_grad(
        &self,
        context: &Context,
        dy: &Tensor,
        [x, w]: [&Tensor; 2],
        f: Option<Activation>,
    ) -> Tensor {
        let dims = [x.rows(), x.cols(), w.rows()];
        let ready = self.ready(context, Form::Nn, [dy.into(), w.into()], dims, Batch::ONE);
        let dx = rounded::empty_in(context, x.shape, context.rounds);
        if f == Some(Activation::Relu) && ready.fuse_relu_grad(context, &dx, x) {
            return dx;
        }
        ready.launch_held(context, &dx);
        match f {
            Some(f) => activate_grad(context, &dx, x, f),
            None => dx,
        }
    }

    /// [`Self::weight_grads`] of one map.
    pub fn weight_grad(
        &self,
        context: &Context,
        dy: &Tensor,
        x: &Tensor,
        bias: bool,
        dw: Stack,
    ) -> (Tensor, Option<Tensor>) {
        self.weight_grads(context, &Stack::of(context, &[dy]), x, bias, dw).swap_remove(0)
    }

    /// Gradients of the weights, in `dws`, and, if `biases`, of the biases of linear maps of `x`, from those of their results.
    pub fn weight_grads(
        &self,
        context: &Context,
        dys: &Stack,
        x: &Tensor,
        biases: bool,
        dws: Stack,
    ) -> Vec<(Tensor, Option<Tensor>)> {
        let (count, o, i) = (dys.tensors.len(), dys.shape().cols(), x.cols());
        let operands = [dys.into(), x.into()];
        let ready = self.ready(context, Form::Tn, operands, [o, i, x.rows()], batch(&dws));
        if !biases {
            ready.launch(context, dws.view());
            return dws.tensors.into_iter().map(|dw| (dw, None)).collect();
        }
        let sums = Stack::new(context, Shape::vector(o), count);
        let (view, step) = (sums.view(), sums.step);
        let epilogue = Epilogue { sums: Some((&view.handle, step)), ..Epilogue::default() };
        if !ready.fuse(context, &dws.view(), &epilogue, false) {
            ready.launch(context, dws.view());
            stack_sums(context, dys, &sums);
        }
        dws.tensors.into_iter().zip(sums.tensors.into_iter().map(Some)).collect()
    }

    /// [`Self::weight_grads`] with biases of maps whose weights are adjacent, from the gradients of their results side by side.
    pub fn adjacent_weight_grads(
        &self,
        context: &Context,
        dy: &Tensor,
        x: &Tensor,
        dws: Stack,
    ) -> Vec<(Tensor, Option<Tensor>)> {
        let (o, all) = (dws.shape().rows(), dws.joined().expect("adjacent, as the weights are"));
        let (_, db) = self.weight_grad(context, dy, x, true, Stack::of(context, &[&all]));
        let bias = |first| {
            let part = |db: &Tensor| Tensor::of(db.part_of(first, o), Shape::vector(o));
            db.as_ref().map(part)
        };
        let maps = dws.tensors.into_iter().enumerate();
        maps.map(|(number, dw)| (dw, bias(number * o))).collect()
    }

    /// The sum of the products of two stacks, matrix by matrix, and of `into`.
    pub fn sum(
        &self,
        context: &Context,
        form: Form,
        [a, b]: [&Stack; 2],
        dims: [usize; 3],
        into: Option<&Tensor>,
    ) -> Tensor {
        let shape = Shape::matrix(dims[0], dims[1]);
        if !self.adds(context) {
            let parts = Stack::new(context, shape, a.tensors.len());
            self.run_all(context, form, a, b, dims, &parts);
            return sum(context, &parts, into);
        }
        let mut sum = into.map(|x| context.full(x));
        for (a, b) in a.tensors.iter().zip(&b.tensors) {
            sum = Some(self.run(context, form, a, b, dims, sum.map_or(Out::New, Out::Plus)));
        }
        Tensor::of(sum.expect("a stack has a matrix"), shape)
    }

    /// Whether a library adds to the results of gradients' products, which are not scaled then.
    fn adds(&self, context: &Context) -> bool {
        self.precision != Precision::F16 && matches!(context.products().by(), By::CublasLt(_))
    }

    /// `x w^T + b`
    pub fn linear(&self, context: &Context, [x, w]: [&Tensor; 2], bias: Option<&Tensor>) -> Tensor {
        if let Some(b) = bias {
            return self.shifted(context, [x, w, b], None, false);
        }
        let ready = self.forward(context, x, w);
        let y = empty(context, ready.shape());
        ready.launch(context, y.view());
        y
    }

    /// `x w^T` for the kernel of a join, which adds the bias: where products round, it is held rounded.
    pub fn linear_to_join(&self, context: &Context, [x, w]: [&Tensor; 2]) -> Tensor {
        let ready = self.forward(context, x, w);
        let y = rounded::empty_in(context, ready.shape(), context.rounds);
        ready.launch_held(context, &y);
        y
    }

    /// `f(x w^T + b)`. That of ReLU is for products alone: where they round, it is held rounded.
    pub fn linear_activate(&self, context: &Context, map: [&Tensor; 3], f: Activation) -> Tensor {
        self.shifted(context, map, Some(f), context.rounds && f == Activation::Relu)
    }

    /// `f(x w^T + b)`, held rounded if it `rounds`.
    fn shifted(
        &self,
        context: &Context,
        [x, w, b]: [&Tensor; 3],
        f: Option<Activation>,
        rounds: bool,
    ) -> Tensor {
        let ready = self.forward(context, x, w);
        let y = rounded::empty_in(context, ready.shape(), rounds);
        // A library that rounds results takes rounded biases.
        let bias = if rounds { context.short(b) } else { b.view() };
        let (to, _) = context.held(&y);
        let fused = match f {
            None => ready.fuse_bias(context, &to, (&bias, 0), rounds),
            Some(Activation::Relu) => ready.fuse_relu(context, &y, &bias),
            Some(_) => false,
        };
        if fused {
            return y;
        }
        if rounds {
            let full = Stack::of(context, &[&empty(context, ready.shape())]);
            ready.launch_shifted(context, &full, (&bias, 0), f, &to);
        } else {
            ready.launch(context, to);
            add_bias(context, &y, b, f);
        }
        y
    }

    /// `x w^T`, ready to be launched.
    fn forward(&self, context: &Context, x: &Tensor, w: &Tensor) -> Ready {
        let (n, i, o) = (x.rows(), x.cols(), w.rows());
        assert_eq!(w.cols(), i, "linear");
        self.ready(context, Form::Nt, [x.into(), w.into()], [n, o, i], Batch::ONE)
    }

    /// `x w^T + b` for each matrix of a stack, for products and attention alone: where they round, results are held rounded, side
    /// by side where the weights are adjacent.
    pub fn linears(&self, context: &Context, x: &Tensor, ws: &Stack, bs: &Stack) -> Vec<Tensor> {
        if context.rounds
            && let (Some(w), Some(b)) = (ws.joined(), bs.joined())
        {
            let y = self.shifted(context, [x, &w, &b], None, true);
            return beside::split(y, ws.tensors.len());
        }
        let (n, i, o) = (x.rows(), x.cols(), ws.shape().rows());
        assert_eq!(ws.shape().cols(), i, "linears");
        let (shape, count) = (Shape::matrix(n, o), ws.tensors.len());
        let full = || Stack::new(context, shape, count);
        let ys = if context.rounds { Stack::rounded(context, shape, count) } else { full() };
        let ready = self.ready(context, Form::Nt, [x.into(), ws.into()], [n, o, i], batch(&ys));
        if !context.rounds {
            if !ready.fuse_bias(context, &ys.view(), (&bs.view(), bs.step), false) {
                ready.launch(context, ys.view());
                add_biases(context, &ys, (&bs.view(), bs.step), None);
            }
            return ys.tensors;
        }
        // A library that rounds results takes rounded biases.
        let (bias, out) = (bs.short(context), ys.short(context));
        if !ready.fuse_bias(context, &out, (&bias, bs.step), true) {
            ready.launch_shifted(context, &full(), (&bias, bs.step), None, &out);
        }
        ys.tensors
    }

    /// A product for each matrix of `batch`, with rounded operands.
    fn ready(
        &self,
        context: &Context,
        form: Form,
        [a, b]: [Operand<'_>; 2],
        dims: [usize; 3],
        batch: Batch,
    ) -> Ready {
        let [m, n, k] = dims;
        let fits = |x: &Operand<'_>, len| {
            x.len == x.batch.step * (x.batch.count - 1) + len
                && (x.batch.count == 1 || x.batch.count == batch.count)
        };
        assert!(fits(&a, m * k) && fits(&b, k * n), "gemm: {m} x {k} times {k} x {n}");
        let batches = [a.batch, b.batch, batch];
        // The left operands of gradients are gradients themselves, which half precision must scale into its range.
        let scaled = self.precision == Precision::F16 && form != Form::Nt;
        let [a, b] = [self.rounded(context, a, scaled), self.rounded(context, b, false)];
        Ready { precision: self.precision, form, a, b, dims, batches }
    }

    /// The sums that a unit holds in cubek's kernel for tensor cores, for a product of these sizes; none where there is no such
    /// kernel.
    pub fn sums_per_unit(&self, context: &Context, form: Form, dims: [usize; 3]) -> Option<u32> {
        let handle = &self.one.view().handle;
        let (precision, batches) = (self.precision, [Batch::ONE; 3]);
        let (a, b, out, rounds) = (handle, handle, handle, false);
        let product = Product { precision, form, a, b, dims, out, rounds, batches };
        product.sums_per_unit(context.client())
    }

    /// An operand in the precision of products.
    fn rounded(
        &self,
        context: &Context,
        Operand { of, len, .. }: Operand<'_>,
        scaled: bool,
    ) -> Rounded {
        match self.precision {
            Precision::F32 | Precision::Tf32 => Rounded { view: of.run(len), factor: None },
            Precision::Bf16 => rounded::<bf16>(context, of, len, scaled),
            Precision::F16 => rounded::<f16>(context, of, len, scaled),
        }
    }
}

/// A product that can be launched.
struct Ready {
    precision: Precision,
    form: Form,
    a: Rounded,
    b: Rounded,
    dims: [usize; 3],
    batches: [Batch; 3],
}

impl Ready {
    /// The shape of the result, of a single product.
    fn shape(&self) -> Shape {
        Shape::matrix(self.dims[0], self.dims[1])
    }

    /// The product written to `out`, which `rounds` says to be in the format of the operands.
    fn to<'a>(&'a self, out: &'a View, rounds: bool) -> Product<'a> {
        let Self { precision, form, dims, batches, .. } = *self;
        let ([m, n, _], batch) = (dims, batches[2]);
        assert_eq!(out.len, batch.step * (batch.count - 1) + m * n, "gemm: {m} x {n}");
        let [a, b, out] = [&self.a.view, &self.b.view, out].map(|x| &x.handle);
        Product { precision, form, a, b, dims, out, rounds, batches }
    }

    fn launch(&self, context: &Context, out: View) -> View {
        let [m, n, k] = self.dims;
        if k == 0 {
            self.matrices(&out).for_each(|out| fill(context, &out, 0.0));
        } else if m > 0 && n > 0 {
            context.multiply(&self.to(&out, false)).unwrap_or_else(|why| panic!("{why}"));
            if let Some(factor) = &self.a.factor {
                self.matrices(&out).for_each(|out| divide(context, &out, factor));
            }
        }
        out
    }

    /// The matrices of the result, between which other tensors may lie.
    fn matrices(&self, out: &View) -> impl Iterator<Item = View> {
        let ([m, n, _], Batch { count, step }) = (self.dims, self.batches[2]);
        (0..count).map(move |number| out.part(number * step, m * n))
    }

    /// [`Self::launch`] in the format that `out` is held in.
    fn launch_held(&self, context: &Context, out: &Tensor) {
        if out.is_held_rounded() {
            self.launch_rounded(context, &context.short(out));
        } else {
            self.launch(context, out.view());
        }
    }

    /// [`Self::launch`] in bf16.
    fn launch_rounded(&self, context: &Context, out: &View) {
        if !self.fuse(context, out, &Epilogue::default(), true) {
            let full = self.launch(context, empty(context, Shape::vector(out.len)).view());
            cast_to::<bf16>(context, &full, out);
        }
    }

    /// `f` of the product and of biases in bf16, `step` elements apart: in `full`, and then rounded to `out`.
    fn launch_shifted(
        &self,
        context: &Context,
        full: &Stack,
        (bias, step): (&View, usize),
        f: Option<Activation>,
        out: &View,
    ) {
        self.launch(context, full.view());
        add_biases(context, full, (&widen(context, bias), step), f);
        cast_to::<bf16>(context, &full.view(), out);
    }

    /// Launches the product and its epilogue if a library computes both, and returns whether it does.
    /// `rounds` says that the result, and what is added to it, are in the format of the operands.
    fn fuse(&self, context: &Context, out: &View, epilogue: &Epilogue<'_>, rounds: bool) -> bool {
        let whole = self.a.factor.is_none() && !self.dims.contains(&0);
        whole && context.products().launch_by_library(&self.to(out, rounds), epilogue)
    }

    /// [`Self::fuse`] for a sum, which may be in `out`.
    fn fuse_sum(&self, context: &Context, out: &View, sum: &View) -> bool {
        let epilogue = Epilogue { sum: Some(&sum.handle), ..Epilogue::default() };
        self.fuse(context, out, &epilogue, false)
    }

    /// [`Self::fuse`] for a bias, or biases `step` elements apart.
    fn fuse_bias(
        &self,
        context: &Context,
        out: &View,
        (bias, step): (&View, usize),
        rounds: bool,
    ) -> bool {
        let epilogue = Epilogue { bias: Some((&bias.handle, step)), ..Epilogue::default() };
        assert_eq!(bias.len, step * (self.batches[2].count - 1) + self.dims[1], "gemm: a bias");
        self.fuse(context, out, &epilogue, rounds)
    }

    /// [`Self::fuse`] for a bias and ReLU, whose signs `out` keeps.
    fn fuse_relu(&self, context: &Context, out: &Tensor, bias: &View) -> bool {
        let bytes = sign_bytes(out.rows(), out.cols());
        let signs = View::of(context.allocate(bytes), bytes);
        let (bias, relu) = (Some((&bias.handle, 0)), Some(Relu::Forward(&signs.handle)));
        let epilogue = Epilogue { bias, relu, ..Epilogue::default() };
        let fused = self.fuse(context, &context.held(out).0, &epilogue, out.is_held_rounded());
        if fused {
            *out.buffer.signs() = Some(signs);
        }
        fused
    }

    /// [`Self::fuse`] for the gradient of ReLU, whose result was `y`.
    fn fuse_relu_grad(&self, context: &Context, out: &Tensor, y: &Tensor) -> bool {
        let signs = y.buffer.signs().clone();
        signs.is_some_and(|signs| {
            let relu = Some(Relu::Gradient(&signs.handle));
            let epilogue = Epilogue { relu, ..Epilogue::default() };
            self.fuse(context, &context.held(out).0, &epilogue, out.is_held_rounded())
        })
    }
}
