//! Matrix products on a graphics processor: the only crate that knows whose kernels compute them.
//!
//! They are cubek's. Each runtime's are compiled here once, not once more in every program that is generic over the
//! runtime: that takes minutes.

#![deny(unsafe_code)]

mod precision;
mod tiles;

pub use precision::Precision;

use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::zspace::Strides;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::launch_tiling::launch_ref;
use cubek::matmul::routines::BlueprintStrategy::Inferred;
use cubek::matmul::routines::Routine;
use cubek::matmul::routines::simple::SimpleAlgorithm;
use cubek::matmul::routines::simple_unit::SimpleUnitAlgorithm;
use cubek::std::InputBinding;
use half::{bf16, f16};
use tiles::Fitted;

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

/// Matrices of one shape, so many elements from the beginning of one to that of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many; 1 for an operand of all products.
    pub count: usize,
    /// The distance.
    pub step: usize,
}

impl Batch {
    /// A matrix by itself.
    pub const ONE: Self = Self { count: 1, step: 0 };
}

/// Products to be computed: `out` `[m, n]` = `a b`, all row-major and without gaps.
///
/// The memory behind `a` and `b` holds numbers of the precision (f32 for `Tf32`), that behind `out` f32.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// What operands are.
    pub precision: Precision,
    /// How they lie.
    pub form: Form,
    /// The left one, of `m * k` numbers each.
    pub a: &'a Handle,
    /// The right one, of `k * n` numbers each.
    pub b: &'a Handle,
    /// m, n, k; none is 0.
    pub dims: [usize; 3],
    /// Of `m * n` numbers each.
    pub out: &'a Handle,
    /// How many matrices `a`, `b` and `out` are.
    pub batches: [Batch; 3],
}

/// A runtime with matrix products.
pub trait Device: Runtime {
    /// Launches a product.
    ///
    /// Errors: no kernel on this device computes it, and why each refused.
    fn product(client: &ComputeClient<Self>, of: &Product<'_>) -> Result<(), String>;
}

#[cfg(feature = "wgpu")]
impl Device for cubecl::wgpu::WgpuRuntime {
    fn product(client: &ComputeClient<Self>, of: &Product<'_>) -> Result<(), String> {
        of.launch(client)
    }
}

#[cfg(feature = "cuda")]
impl Device for cubecl::cuda::CudaRuntime {
    fn product(client: &ComputeClient<Self>, of: &Product<'_>) -> Result<(), String> {
        of.launch(client)
    }
}

impl Product<'_> {
    /// Tries kernels, best first; a refusal costs little, nothing has been launched. In f32 only the one without tensor
    /// cores will do: they would round the operands.
    fn launch<R: Runtime>(&self, client: &ComputeClient<R>) -> Result<(), String> {
        if self.precision == Precision::F32 {
            return self.by::<R, SimpleUnitAlgorithm>(client);
        }
        self.by::<R, Fitted>(client)
            .or_else(|why| self.by::<R, SimpleAlgorithm>(client).map_err(|e| format!("{why}; {e}")))
            .or_else(|why| {
                self.by::<R, SimpleUnitAlgorithm>(client).map_err(|e| format!("{why}; {e}"))
            })
    }

    /// Launches one kernel; the error is why it refuses.
    fn by<R: Runtime, A: Routine<(), Strategy: Default>>(
        &self,
        client: &ComputeClient<R>,
    ) -> Result<(), String> {
        let Self { precision, form, dims: [m, n, k], batches: [left, right, all], .. } = *self;
        let single = f32::as_type_native_unchecked().storage_type();
        let operand = match precision {
            Precision::F32 | Precision::Tf32 => single,
            Precision::Bf16 => bf16::as_type_native_unchecked().storage_type(),
            Precision::F16 => f16::as_type_native_unchecked().storage_type(),
        };
        let types = MatmulGlobalElems { lhs: operand, rhs: operand, out: single };
        launch_ref::<R, A>(
            client,
            InputBinding::new(matrix(self.a, left, m, k, form == Form::Tn), operand),
            InputBinding::new(matrix(self.b, right, k, n, form == Form::Nt), operand),
            matrix(self.out, all, m, n, false),
            &Inferred(Default::default()),
            &mut MatmulElems::from_globals(&types),
        )
        .map_err(|refused| format!("{m} x {k} by {k} x {n} in {precision}: {refused:?}"))
    }
}

/// `[count, rows, cols]` over row-major memory; transposed, the memory is `[cols, rows]` and only strides change.
#[allow(unsafe_code)]
fn matrix<R: Runtime>(
    handle: &Handle,
    batch: Batch,
    rows: usize,
    cols: usize,
    transposed: bool,
) -> TensorBinding<R> {
    let step = if batch.count == 1 { rows * cols } else { batch.step };
    let strides = if transposed { [step, 1, rows] } else { [step, cols, 1] };
    // SAFETY: whoever made the product promised memory of `rows * cols` numbers for each matrix, `step` apart; the
    // strides reach no further, and the kernels check their indices besides.
    unsafe {
        TensorBinding::from_raw_parts(
            handle.clone(),
            Strides::new(&strides),
            [batch.count, rows, cols].into(),
        )
    }
}
