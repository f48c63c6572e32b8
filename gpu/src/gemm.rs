//! Matrix products over tensors: memory for the result, and operands in the precision asked for.

use crate::kernels::pointwise::{cast, empty, zeros};
use crate::tensor::View;
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemm {
    precision: Precision,
}

impl Gemm {
    /// Products of operands rounded to `precision`, summed in single precision.
    pub fn new(precision: Precision) -> Self {
        Self { precision }
    }

    /// `a b` in the given form, `[m, n]`, the inner extent `k`.
    pub fn run<R: Device>(
        &self,
        client: &ComputeClient<R>,
        form: Form,
        a: &View,
        b: &View,
        [m, n, k]: [usize; 3],
        out: Out,
    ) -> View {
        assert!(a.len == m * k && b.len == k * n, "gemm: {m} x {k} times {k} x {n}");
        let out = match out {
            Out::To(view) => view,
            Out::New if k == 0 => return zeros(client, Shape::matrix(m, n)).view(),
            Out::New => empty(client, Shape::matrix(m, n)).view(),
        };
        if m == 0 || n == 0 || k == 0 {
            return out;
        }
        let precision = self.precision;
        let [a, b] = match precision {
            Precision::F32 | Precision::Tf32 => [a.handle.clone(), b.handle.clone()],
            Precision::Bf16 => [cast::<R, bf16>(client, a), cast::<R, bf16>(client, b)],
            Precision::F16 => [cast::<R, f16>(client, a), cast::<R, f16>(client, b)],
        };
        let of =
            Product { precision, form, a: &a, b: &b, dims: [m, n, k], out: &out.handle };
        R::product(client, &of).unwrap_or_else(|why| panic!("{why}"));
        out
    }
}
