//! cubek's double-buffered product, with tiles small enough to occupy the whole device, and for a unit's registers.
//!
//! cubek chooses the largest tile that fits a cube. For `[4096, 512]` times `[512, 512]` that gives 32 cubes on a device
//! of 132 multiprocessors. Where rows are many more than columns, and more than 4,096, a unit would hold 256 sums, as many as
//! it has registers.

use cubecl::prelude::*;
use cubek::matmul::definition::{
    MatmulElems, MatmulProblem, MatmulSetupError, MultiRowStrategy, TilingBlueprint, TilingScheme,
};
use cubek::matmul::routines::double_buffering::{
    CyclicDoubleBufferingAlgorithm as Whole, DoubleBufferingArgs,
};
use cubek::matmul::routines::{
    BlueprintStrategy, DeviceSettings, ExpandInfo, LaunchInfo, PlaneTilingBlueprintOptions,
    Routine, infer_blueprint_plane,
};

/// Numbers of rows of tensor-core tiles in a cube's tile, tried in turn after cubek's own choice.
const ROWS: [u32; 2] = [8, 4];

/// The most sums of a unit: half of its registers.
const MOST_SUMS: u32 = 128;

/// cubek's double-buffered routine, with [`fitted`] tiles.
pub struct Fitted;

impl Routine<()> for Fitted {
    type Strategy = DoubleBufferingArgs;
    type Blueprint = TilingBlueprint;
    type Config = <Whole as Routine<()>>::Config;
    type BatchMatmul = <Whole as Routine<()>>::BatchMatmul;

    fn expand_blueprint<R: Runtime>(
        problem: &MatmulProblem,
        settings: &DeviceSettings<R>,
        _: &BlueprintStrategy<(), Self>,
    ) -> Result<ExpandInfo<TilingBlueprint>, MatmulSetupError> {
        let mut chosen = fitted(problem, settings)?;
        let blueprint = &mut chosen.blueprint;
        blueprint.check_k_bounds |= reads_beyond_depth(problem, &blueprint.tiling_scheme);
        Ok(chosen)
    }

    fn prepare<R: Runtime>(
        problem: &MatmulProblem,
        settings: &DeviceSettings<R>,
        info: ExpandInfo<TilingBlueprint>,
    ) -> Result<LaunchInfo<TilingBlueprint>, MatmulSetupError> {
        <Whole as Routine<()>>::prepare(problem, settings, info)
    }
}

/// cubek's choice of tiles, or smaller ones where they occupy more of the device, or units would hold too many sums.
fn fitted<R: Runtime>(
    problem: &MatmulProblem,
    settings: &DeviceSettings<R>,
) -> Result<ExpandInfo<TilingBlueprint>, MatmulSetupError> {
    let args = BlueprintStrategy::<(), Whole>::Inferred(DoubleBufferingArgs::default());
    let mut chosen = Whole::expand_blueprint(problem, settings, &args)?;
    let processors = settings.client.properties().hardware.num_streaming_multiprocessors;
    let wanted = processors.map_or(0, |processors| 3 * processors as usize);
    for rows in ROWS {
        let spills = sums(&chosen.blueprint) > MOST_SUMS;
        if !spills && 4 * cubes(problem, &chosen.blueprint) >= wanted {
            break;
        }
        let Ok(smaller) = with_rows(problem, settings, rows) else { break };
        if spills || cubes(problem, &smaller.blueprint) > cubes(problem, &chosen.blueprint) {
            chosen = smaller;
        }
    }
    Ok(chosen)
}

/// The sums that a unit holds: its share of a plane's tiles.
pub fn sums(blueprint: &TilingBlueprint) -> u32 {
    let TilingScheme { tile_size, partition_size, .. } = blueprint.tiling_scheme;
    partition_size.m() * partition_size.n() * tile_size.m() * tile_size.n() / blueprint.plane_dim
}

/// Whether cubek reads a tile beyond the depth `k` (tracel-ai/cubek#434). It loads two tiles at a time, and checks bounds
/// only where the depth is not a multiple of one tile. Beyond the depth lies the next row or the next matrix.
fn reads_beyond_depth(problem: &MatmulProblem, tiles: &TilingScheme) -> bool {
    !problem.k.is_multiple_of(2 * tiles.elements_per_stage_along_k() as usize)
}

/// The number of cubes: one for each tile of the results.
fn cubes(problem: &MatmulProblem, blueprint: &TilingBlueprint) -> usize {
    let tile = &blueprint.tiling_scheme;
    let m = problem.m.div_ceil(tile.elements_per_stage_along_m() as usize);
    let n = problem.n.div_ceil(tile.elements_per_stage_along_n() as usize);
    problem.num_batches() * m * n
}

/// cubek's choice of tiles, given the number of rows in a cube.
fn with_rows<R: Runtime>(
    problem: &MatmulProblem,
    settings: &DeviceSettings<R>,
    rows: u32,
) -> Result<ExpandInfo<TilingBlueprint>, MatmulSetupError> {
    let kind = DoubleBufferingArgs::default().tile_matmul;
    let mut dtypes = MatmulElems::from_globals(&problem.global_dtypes);
    if kind.can_cast_stage_element() {
        dtypes.adjust_stage_dtypes();
    }
    let options = PlaneTilingBlueprintOptions {
        row_count: Some(rows),
        multi_row_strategy: MultiRowStrategy::Adaptive { minimum_stage_count: 8 },
        swizzled: kind.should_swizzle(&settings.client),
        ..Default::default()
    };
    let (blueprint, dtypes) = infer_blueprint_plane(
        kind,
        &settings.client,
        problem,
        settings.plane_dim,
        dtypes,
        &settings.vector_sizes,
        options,
    )?;
    Ok(ExpandInfo { blueprint, dtypes })
}
