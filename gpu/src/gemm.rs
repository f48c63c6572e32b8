//! Matrix products: the only file that knows whose.

use crate::kernels::pointwise::{cast, empty, zeros};
use crate::precision::Precision;
use crate::tensor::View;
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::zspace::Strides;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems, MatmulSetupError};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;
use half::{bf16, f16};

/// Which operand lies transposed in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `a` `[m, k]`, `b` `[k, n]`
    Nn,
    /// `a` `[m, k]`, `b` `[n, k]`
    Nt,
    /// `a` `[k, m]`, `b` `[k, n]`
    Tn,
}

/// Where a product goes.
pub(crate) enum Out {
    /// New memory.
    New,
    /// There.
    To(View),
}

/// A runtime with matrix products. They are compiled once for each, here: every program would otherwise spend minutes
/// on kernels of all kinds.
pub trait Device: Runtime {
    #[doc(hidden)]
    fn product(client: &ComputeClient<Self>, of: Product<'_>) -> Result<(), MatmulSetupError>;
}

#[cfg(feature = "wgpu")]
impl Device for cubecl::wgpu::WgpuRuntime {
    fn product(client: &ComputeClient<Self>, of: Product<'_>) -> Result<(), MatmulSetupError> {
        of.launch(client)
    }
}

#[cfg(feature = "cuda")]
impl Device for cubecl::cuda::CudaRuntime {
    fn product(client: &ComputeClient<Self>, of: Product<'_>) -> Result<(), MatmulSetupError> {
        of.launch(client)
    }
}

/// One product by one strategy.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Product<'a> {
    strategy: &'a Strategy,
    precision: Precision,
    form: Form,
    operands: &'a [Handle; 2],
    dims: [usize; 3],
    out: &'a View,
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
        if m > 0 && n > 0 && k > 0 {
            self.launch(client, form, a, b, [m, n, k], &out);
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
        let operands = match self.precision {
            Precision::F32 | Precision::Tf32 => [a.handle.clone(), b.handle.clone()],
            Precision::Bf16 => [cast::<R, bf16>(client, a), cast::<R, bf16>(client, b)],
            Precision::F16 => [cast::<R, f16>(client, a), cast::<R, f16>(client, b)],
        };
        let tried = self.strategies();
        let precision = self.precision;
        let attempt = |strategy| {
            R::product(client, Product { strategy, precision, form, operands: &operands, dims, out })
        };
        let refused: Vec<_> = tried.iter().map_while(|strategy| attempt(strategy).err()).collect();
        if refused.len() == tried.len() {
            panic!("no kernel multiplies {dims:?} in {}: {refused:?}", self.precision);
        }
    }

    /// Best first; a refusal costs little, nothing has been launched. In f32 only units compute in full: tensor cores
    /// would round the operands.
    fn strategies(&self) -> Vec<Strategy> {
        let units = Strategy::SimpleUnit(Default::default());
        match self.precision {
            Precision::F32 => vec![units],
            _ => vec![
                Strategy::DoubleCyclicCmma(Default::default()),
                Strategy::SimpleCyclicCmma(Default::default()),
                units,
            ],
        }
    }
}

impl Product<'_> {
    fn launch<R: Runtime>(self, client: &ComputeClient<R>) -> Result<(), MatmulSetupError> {
        let Self { strategy, precision, form, operands: [a, b], dims: [m, n, k], out } = self;
        let single = f32::as_type_native_unchecked().storage_type();
        let operand = match precision {
            Precision::F32 | Precision::Tf32 => single,
            Precision::Bf16 => bf16::as_type_native_unchecked().storage_type(),
            Precision::F16 => f16::as_type_native_unchecked().storage_type(),
        };
        let types = MatmulGlobalElems { lhs: operand, rhs: operand, out: single };
        launch_ref(
            strategy,
            client,
            InputBinding::new(matrix(a, m, k, form == Form::Tn), operand),
            InputBinding::new(matrix(b, k, n, form == Form::Nt), operand),
            matrix(&out.handle, m, n, false),
            &mut MatmulElems::from_globals(&types),
        )
    }
}

/// `[1, rows, cols]` over row-major memory; transposed, the memory is `[cols, rows]` and only strides change.
#[allow(unsafe_code)]
fn matrix<R: Runtime>(
    handle: &Handle,
    rows: usize,
    cols: usize,
    transposed: bool,
) -> TensorBinding<R> {
    let strides = if transposed { [rows * cols, 1, rows] } else { [rows * cols, cols, 1] };
    // SAFETY: `Gemm::run` has checked that the memory holds `rows * cols` elements; the strides reach no further.
    unsafe {
        TensorBinding::from_raw_parts(
            handle.clone(),
            Strides::new(&strides),
            [1, rows, cols].into(),
        )
    }
}
