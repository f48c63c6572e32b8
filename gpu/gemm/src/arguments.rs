//! The arguments of cubek's kernels: plain arrays with their layouts.
//!
//! cubek's own arguments can be quantised too. Their code for quantised operands, which nothing here uses, takes longer to
//! compile than everything else in this crate.

use cubecl::prelude::*;
use cubecl::std::tensor::View;
use cubecl::std::tensor::layout::{Coords1d, VirtualLayout, VirtualLayoutLaunch};
use cubek::matmul::components::global::memory::{
    BatchLayout, BatchLayoutLaunch, GlobalLayout, GlobalLayoutConfig, GlobalLayoutLaunch,
};
use cubek::matmul::definition::MatmulProblem;
use cubek::matmul::launch::{BatchedCoords, MatmulArgs};

/// A batch of matrices.
#[derive(CubeType, CubeLaunch)]
pub struct Matrices<E: CubePrimitive> {
    /// Where each matrix starts.
    batches: VirtualLayout<Coords1d, Coords1d>,
    /// Where the elements of a matrix are.
    layout: VirtualLayout<BatchedCoords, Coords1d>,
    data: Array<E>,
}

impl<E: CubePrimitive, R: Runtime> MatricesLaunch<E, R> {
    /// The argument for a tensor, read or written in vectors of `vector_size`.
    pub fn of(
        tensor: TensorBinding<R>,
        problem: &MatmulProblem,
        vector_size: usize,
        config: GlobalLayoutConfig,
    ) -> Self {
        let batches = BatchLayoutLaunch::from_handle(&tensor, problem);
        let layout = GlobalLayoutLaunch::from_handle(&tensor, vector_size, config);
        Self::new(
            VirtualLayoutLaunch::new::<BatchLayout>(batches),
            VirtualLayoutLaunch::new::<GlobalLayout>(layout),
            tensor.into_tensor_arg().into_array_arg(),
        )
    }
}

/// The operands of a product.
#[derive(CubeType, CubeLaunch)]
pub struct Operands<Lhs: CubePrimitive, Rhs: CubePrimitive> {
    lhs: Matrices<Lhs>,
    rhs: Matrices<Rhs>,
}

/// [`Matrices`] as a kernel sees them.
#[derive(CubeType, Clone, Copy)]
pub struct Views<E: CubePrimitive, IO: SliceVisibility> {
    batches: VirtualLayout<Coords1d, Coords1d>,
    view: View<E, BatchedCoords, IO>,
}

/// Products of [`Operands`] without a bias, written to [`Matrices`].
#[derive(Clone)]
pub struct Plain;

#[cube]
impl MatmulArgs for Plain {
    type Input<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive> = Operands<Lhs, Rhs>;
    type Output<EO: CubePrimitive> = Matrices<EO>;
    type Config = ();
    type State<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive> =
        (Views<Lhs, ReadOnly>, Views<Rhs, ReadOnly>, Views<EO, ReadWrite>);

    fn init_state<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        input: &Self::Input<Lhs, Rhs, EO>,
        output: &mut Self::Output<EO>,
        _config: Self::Config,
        #[comptime] _lhs_layout_config: GlobalLayoutConfig,
        #[comptime] _rhs_layout_config: GlobalLayoutConfig,
        #[comptime] _out_layout_config: GlobalLayoutConfig,
    ) -> Self::State<Lhs, Rhs, EO> {
        let lhs = Views::<Lhs, ReadOnly> {
            batches: input.lhs.batches,
            view: View::new::<Array<Lhs>, Coords1d>(&input.lhs.data, input.lhs.layout),
        };
        let rhs = Views::<Rhs, ReadOnly> {
            batches: input.rhs.batches,
            view: View::new::<Array<Rhs>, Coords1d>(&input.rhs.data, input.rhs.layout),
        };
        let out = Views::<EO, ReadWrite> {
            batches: output.batches,
            view: View::new_mut::<Array<EO>, Coords1d>(&mut output.data, output.layout),
        };
        (lhs, rhs, out)
    }

    fn view_lhs<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &Self::State<Lhs, Rhs, EO>,
    ) -> View<Lhs, BatchedCoords> {
        state.0.view
    }

    fn batch_lhs<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &Self::State<Lhs, Rhs, EO>,
        batch: usize,
    ) -> usize {
        state.0.batches.to_source_pos(batch)
    }

    fn view_rhs<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &Self::State<Lhs, Rhs, EO>,
    ) -> View<Rhs, BatchedCoords> {
        state.1.view
    }

    fn batch_rhs<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &Self::State<Lhs, Rhs, EO>,
        batch: usize,
    ) -> usize {
        state.1.batches.to_source_pos(batch)
    }

    fn view_acc<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        _state: &Self::State<Lhs, Rhs, EO>,
    ) -> ComptimeOption<View<EO, BatchedCoords>> {
        ComptimeOption::new_None()
    }

    fn batch_acc<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        _state: &Self::State<Lhs, Rhs, EO>,
        batch: usize,
    ) -> usize {
        batch
    }

    fn view_out<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &mut Self::State<Lhs, Rhs, EO>,
    ) -> View<EO, BatchedCoords, ReadWrite> {
        state.2.view
    }

    fn batch_out<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        state: &Self::State<Lhs, Rhs, EO>,
        batch: usize,
    ) -> usize {
        state.2.batches.to_source_pos(batch)
    }

    fn runtime_config<Lhs: CubePrimitive, Rhs: CubePrimitive, EO: CubePrimitive>(
        _state: &Self::State<Lhs, Rhs, EO>,
    ) -> Self::Config {
    }
}
