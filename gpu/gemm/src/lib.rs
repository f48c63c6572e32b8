//! Matrix products on a GPU, computed by cuBLASLt where that is installed, or else by cubek's kernels. No other crate depends
//! on either.
//!
//! [`Client`] is CubeCL's client of a device, of whichever runtime; [`dispatch!`] launches kernels on it.

#![deny(unsafe_code)]

mod arguments;
mod client;
#[cfg(feature = "cuda")]
mod lt;
#[cfg(not(feature = "cuda"))]
#[path = "no_lt.rs"]
mod lt;
mod products;
#[cfg(feature = "cuda")]
pub mod queue;
mod tiles;

pub use a2d_device::Precision;
pub use client::Client;
#[cfg(feature = "cuda")]
pub use client::CudaRuntime;
#[cfg(feature = "wgpu")]
pub use client::WgpuRuntime;
pub use products::{By, Products};

use arguments::{MatricesLaunch, OperandsLaunch, Plain};
use cubecl::features::TypeUsage;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::zspace::Strides;
use cubek::matmul::definition::{
    AvailableVectorSizes, Blueprint, MatmulAvailabilityError, MatmulGlobalElems, MatmulProblem,
    MatmulSetupError, MatmulVectorSizes, TilingBlueprint,
};
use cubek::matmul::launch::launch_kernel;
use cubek::matmul::routines::BlueprintStrategy::Inferred;
use cubek::matmul::routines::simple::SimpleAlgorithm;
use cubek::matmul::routines::simple_unit::SimpleUnitAlgorithm;
use cubek::matmul::routines::{LaunchInfo, Routine};
use half::{bf16, f16};
use tiles::Fitted;

/// Which operand is transposed in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `a` `[m, k]`, `b` `[k, n]`
    Nn,
    /// `a` `[m, k]`, `b` `[n, k]`
    Nt,
    /// `a` `[k, m]`, `b` `[k, n]`
    Tn,
}

/// A batch of matrices of one shape at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The number of matrices; 1 for an operand that all products share.
    pub count: usize,
    /// Elements from the start of one matrix to the start of the next.
    pub step: usize,
}

impl Batch {
    /// A single matrix.
    pub const ONE: Self = Self { count: 1, step: 0 };
}

/// A batch of products `out` `[m, n]` = `a b`; all matrices are row-major and contiguous.
///
/// `a` and `b` hold numbers in `precision` (f32 for `Tf32`), `out` holds f32, or the same numbers where it is rounded.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The format of the operands.
    pub precision: Precision,
    /// Which operand is transposed.
    pub form: Form,
    /// The left operand, `m * k` numbers for each matrix.
    pub a: &'a Handle,
    /// The right operand, `k * n` numbers for each matrix.
    pub b: &'a Handle,
    /// `m`, `n` and `k`, none of them 0.
    pub dims: [usize; 3],
    /// The result, `m * n` numbers for each matrix.
    pub out: &'a Handle,
    /// Whether the result, and what an epilogue adds, are in the format of the operands. cubek's kernels do not round.
    pub rounds: bool,
    /// The batches of `a`, `b` and `out`.
    pub batches: [Batch; 3],
}

/// What a library does with the products of a batch in the same pass. cubek's kernels have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to the results, and laid out as they are; it may be their memory.
    pub sum: Option<&'a Handle>,
    /// Added to each row of a result: `n` numbers, and the distance to those of the next result.
    pub bias: Option<(&'a Handle, usize)>,
    /// What of ReLU follows both.
    pub relu: Option<Relu<'a>>,
    /// Where the sums of the rows of `a` are written: `m` numbers, and the distance to those of the next result. Without a bias.
    pub sums: Option<(&'a Handle, usize)>,
}

/// What of ReLU follows a product.
#[derive(Clone, Copy, Debug)]
pub enum Relu<'a> {
    /// Negative results become 0. Which were positive is kept here: [`sign_bytes`] of a single product.
    Forward(&'a Handle),
    /// Results become 0 where those of a product of these sizes were not positive, of which this was kept.
    Gradient(&'a Handle),
}

/// The bytes that say which elements of a matrix are positive: a bit for each, in rows of 16 bytes.
pub const fn sign_bytes(rows: usize, cols: usize) -> usize {
    rows * cols.next_multiple_of(SIGNS) / 8
}

/// Signs of a row are kept in a multiple of so many bits.
const SIGNS: usize = 128;

/// A routine of cubek in tiles.
trait Tiled: Routine<(), Blueprint = TilingBlueprint, Strategy: Default> {}
impl<A: Routine<(), Blueprint = TilingBlueprint, Strategy: Default>> Tiled for A {}

impl Product<'_> {
    /// Launches the product with the best of cubek's kernels that takes it.
    ///
    /// # Errors
    ///
    /// No kernel of this device computes it: why each refused.
    fn launch(&self, client: &Client) -> Result<(), String> {
        if self.rounds {
            return Err("no kernel of cubek's rounds its results".to_owned());
        }
        dispatch!(client, client: R => self.launch_on::<R>(client))
    }

    /// The sums that a unit holds in cubek's kernel for tensor cores. None where that refuses, or the product is in f32.
    pub fn sums_per_unit(&self, client: &Client) -> Option<u32> {
        dispatch!(client, client: R => {
            let prepared = self.prepare::<R, Fitted>(client).ok().filter(|_| self.precision != Precision::F32);
            prepared.map(|(launch, _)| tiles::sums(&launch.blueprint))
        })
    }

    /// Tries kernels, best first. A refusal costs little: nothing has been launched. Products in f32 use no tensor cores,
    /// which would round the operands.
    fn launch_on<R: Runtime>(&self, client: &ComputeClient<R>) -> Result<(), String> {
        if self.precision == Precision::F32 {
            return self.launch_by::<R, SimpleUnitAlgorithm>(client);
        }
        let or = |why: String, other: Result<(), String>| other.map_err(|e| format!("{why}; {e}"));
        self.launch_by::<R, Fitted>(client)
            .or_else(|why| or(why, self.launch_by::<R, SimpleAlgorithm>(client)))
            .or_else(|why| or(why, self.launch_by::<R, SimpleUnitAlgorithm>(client)))
    }

    /// Launches one kernel; the error says why it refuses.
    fn launch_by<R: Runtime, A: Tiled>(&self, client: &ComputeClient<R>) -> Result<(), String> {
        let Self { precision, dims: [m, n, k], .. } = *self;
        self.try_launch::<R, A>(client)
            .map_err(|refused| format!("{m} x {k} by {k} x {n} in {precision}: {refused:?}"))
    }

    /// What cubek's `launch_ref` does for operands that are neither quantised nor to be copied.
    #[allow(clippy::result_large_err)]
    fn try_launch<R: Runtime, A: Tiled>(
        &self,
        client: &ComputeClient<R>,
    ) -> Result<(), MatmulSetupError> {
        let (launch, Bound { lhs, rhs, out, problem }) = self.prepare::<R, A>(client)?;
        let (blueprint, sizes) = (&launch.blueprint, launch.vector_sizes);
        let lhs =
            MatricesLaunch::of(lhs, &problem, sizes.lhs, blueprint.lhs_global_layout_config());
        let rhs =
            MatricesLaunch::of(rhs, &problem, sizes.rhs, blueprint.rhs_global_layout_config());
        let out =
            MatricesLaunch::of(out, &problem, sizes.out, blueprint.out_global_layout_config());
        launch_kernel::<Plain, R, A>(client, OperandsLaunch::new(lhs, rhs), out, (), launch)
    }

    /// What one kernel would be launched with.
    #[allow(clippy::result_large_err)]
    fn prepare<R: Runtime, A: Tiled>(
        &self,
        client: &ComputeClient<R>,
    ) -> Result<(LaunchInfo<TilingBlueprint>, Bound<R>), MatmulSetupError> {
        let Self { form, dims: [m, n, k], batches: [left, right, all], .. } = *self;
        let types = self.types();
        let lhs = matrix(self.a, left, m, k, form == Form::Tn);
        let rhs = matrix(self.b, right, k, n, form == Form::Nt);
        let out = matrix(self.out, all, m, n, false);
        let problem = problem([&lhs, &rhs, &out], &types)?;
        let settings = A::device_settings(client, vector_sizes(client, &problem, &types)?);
        let expanded = A::expand_blueprint(&problem, &settings, &Inferred(Default::default()))?;
        let launch = A::prepare(&problem, &settings, expanded)?;
        Ok((launch, Bound { lhs, rhs, out, problem }))
    }

    /// The formats of operands and result.
    fn types(&self) -> MatmulGlobalElems {
        let single = f32::as_type_native_unchecked().storage_type();
        let operand = match self.precision {
            Precision::F32 | Precision::Tf32 => single,
            Precision::Bf16 => bf16::as_type_native_unchecked().storage_type(),
            Precision::F16 => f16::as_type_native_unchecked().storage_type(),
        };
        MatmulGlobalElems { lhs: operand, rhs: operand, out: single }
    }
}

/// A product as cubek takes it: its memory and description.
struct Bound<R: Runtime> {
    lhs: TensorBinding<R>,
    rhs: TensorBinding<R>,
    out: TensorBinding<R>,
    problem: MatmulProblem,
}

/// cubek's description of a product.
#[allow(clippy::result_large_err)]
fn problem<R: Runtime>(
    [lhs, rhs, out]: [&TensorBinding<R>; 3],
    types: &MatmulGlobalElems,
) -> Result<MatmulProblem, MatmulSetupError> {
    let address = lhs
        .required_address_type(types.lhs.size())
        .max(rhs.required_address_type(types.rhs.size()))
        .max(out.required_address_type(types.out.size()));
    let [(a, a_strides), (b, b_strides), (c, c_strides)] =
        [lhs, rhs, out].map(|x| (x.shape.clone(), x.strides.clone()));
    let types = types.clone();
    MatmulProblem::from_shapes_and_strides(
        a, b, c, a_strides, b_strides, c_strides, types, address, None, None,
    )
}

/// The longest vectors that operands and result can be read and written in.
///
/// # Errors
///
/// The device does not compute with the types of the product.
#[allow(clippy::result_large_err)]
fn vector_sizes<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &MatmulProblem,
    types: &MatmulGlobalElems,
) -> Result<MatmulVectorSizes, MatmulSetupError> {
    let features = &client.properties().features;
    let converts = |of| features.type_usage(of).contains(TypeUsage::Conversion);
    let MatmulGlobalElems { lhs, rhs, out: output } = *types;
    if ![lhs, rhs, output].into_iter().all(converts) {
        let unavailable = MatmulAvailabilityError::TypesUnavailable { lhs, rhs, output };
        return Err(MatmulSetupError::Unavailable(unavailable));
    }
    AvailableVectorSizes::from_type_sizes(client, lhs.size(), rhs.size(), output.size())
        .filter_lhs_with_tensor(&problem.lhs_strides, &problem.lhs_shape, problem.lhs_layout)
        .filter_rhs_with_tensor(&problem.rhs_strides, &problem.rhs_shape, problem.rhs_layout)
        .filter_out_with_tensor(&problem.out_strides, &problem.out_shape)
        .pick_max()
}

/// A tensor `[count, rows, cols]` over row-major memory. With `transposed` the memory is `[cols, rows]`; only the strides
/// differ.
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
    // SAFETY: the memory of a `Product` has `rows * cols` numbers for each matrix, `step` apart. The strides stay within
    // them, and the kernels check their indices as well.
    unsafe {
        TensorBinding::from_raw_parts(
            handle.clone(),
            Strides::new(&strides),
            [batch.count, rows, cols].into(),
        )
    }
}
