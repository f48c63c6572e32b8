//! Matrix products over tensors: memory for the result, and operands in the precision asked for.

use crate::kernels::cast::{cast, divide, factor};
use crate::kernels::pointwise::{empty, zeros};
use crate::tensor::{Tensor, View};
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

/// How products are computed.
#[derive(Clone, Debug)]
pub(crate) struct Gemm {
    precision: Precision,
    /// `[1]`: what operands are multiplied by where nothing else is called for.
    one: Tensor,
}

impl Gemm {
    /// Products of operands rounded to `precision`, summed in single precision.
    pub fn new<R: Runtime>(client: &ComputeClient<R>, precision: Precision) -> Self {
        let one = client.create_from_slice(f32::as_bytes(&[1.0]));
        Self { precision, one: Tensor::new(one, Shape::vector(1)) }
    }

    /// `a b` in the given form, `[m, n]`, the inner extent `k`.
    pub fn run<R: Device>(
        &self,
        client: &ComputeClient<R>,
        form: Form,
        a: &View,
        b: &View,
        dims: [usize; 3],
        out: Out,
    ) -> View {
        let [m, n, k] = dims;
        assert!(a.len == m * k && b.len == k * n, "gemm: {m} x {k} times {k} x {n}");
        let out = match out {
            Out::To(view) => view,
            Out::New if k == 0 => return zeros(client, Shape::matrix(m, n)).view(),
            Out::New => empty(client, Shape::matrix(m, n)).view(),
        };
        if m == 0 || n == 0 || k == 0 {
            return out;
        }
        match self.precision {
            Precision::F32 | Precision::Tf32 => self.launch(client, form, a, b, dims, &out),
            Precision::Bf16 => {
                let round = |x| View { handle: cast::<R, bf16>(client, x, &self.one), len: x.len };
                self.launch(client, form, &round(a), &round(b), dims, &out);
            }
            Precision::F16 => {
                let round = |x: &View, factor: &Tensor| View {
                    handle: cast::<R, f16>(client, x, factor),
                    len: x.len,
                };
                // Every left operand of a gradient is a gradient: out of half precision's range, if nobody sees to it.
                let scaled = (form != Form::Nt).then(|| factor(client, a));
                let left = round(a, scaled.as_ref().unwrap_or(&self.one));
                self.launch(client, form, &left, &round(b, &self.one), dims, &out);
                if let Some(scaled) = scaled {
                    divide(client, &out, &scaled);
                }
            }
        }
        out
    }

    fn launch<R: Device>(
        &self,
        client: &ComputeClient<R>,
        form: Form,
        a: &View,
        b: &View,
        dims: [usize; 3],
        out: &View,
    ) {
        let [a, b, out] = [a, b, out].map(|x| &x.handle);
        let product = Product { precision: self.precision, form, a, b, dims, out };
        R::product(client, &product).unwrap_or_else(|why| panic!("{why}"));
    }
}
