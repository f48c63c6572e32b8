//! Benchmark of single matrix products, of the sizes that a training step has.

use super::Bench;
use super::measurement::{Measurement, Timing};
use super::timed::Clock;
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_core::rng;
use a2d_core::shape::Shape;
use a2d_system::error::Result;
use a2d_system::memory;
use serde_json::json;

/// Products that a device computes before it is waited for: a step does not wait after each.
const ROUNDS: usize = 20;

/// A linear map of the rows of a batch.
struct Map {
    name: &'static str,
    inputs: usize,
    outputs: usize,
    /// Whether the gradients of input and weight are computed, which are two products.
    gradients: bool,
}

/// The maps of a layer and the logits, forward, and the gradients of a map.
fn maps(config: &Config) -> [Map; 6] {
    let (width, inner) = (config.encoder.d_model, config.encoder.ffn_dim);
    let map = |name, inputs, outputs| Map { name, inputs, outputs, gradients: false };
    [
        map("kvq", width, 3 * width),
        map("out", width, width),
        map("fc1", width, inner),
        map("fc2", inner, width),
        map("logits", width, config.target_vocabulary),
        Map { gradients: true, ..map("fc1 gradients", width, inner) },
    ]
}

/// Measures each product with a batch of `max_tokens` rows. The rounding of operands is not part of it: that is done once.
///
/// # Errors
///
/// The device was lost.
pub fn measure<B: Train>(
    bench: &Bench<'_>,
    b: &mut B,
    clock: Option<&Clock>,
) -> Result<Vec<Measurement>> {
    let maps = maps(&bench.request.shape.models().student);
    maps.iter().map(|map| one(bench, b, map, clock)).collect()
}

fn one<B: Train>(
    bench: &Bench<'_>,
    b: &mut B,
    map: &Map,
    clock: Option<&Clock>,
) -> Result<Measurement> {
    let (request, rows) = (bench.request, bench.request.max_tokens);
    let &Map { name, inputs, outputs, gradients } = map;
    let timing = time(bench, b, map, clock)?;
    let products = if gradients { 2 } else { 1 };
    let sizes = [
        ("shape", json!(request.shape.name())),
        ("product", json!(name)),
        ("rows", json!(rows)),
        ("inputs", json!(inputs)),
        ("outputs", json!(outputs)),
    ];
    Ok(Measurement {
        what: "products",
        choices: sizes.into_iter().chain(bench.place()).collect(),
        unit: "products",
        units: products,
        flop: products as f64 * 2.0 * rows as f64 * inputs as f64 * outputs as f64,
        peak_gflops: 0.0,
        timing,
        latency: None,
        peak_memory: b.memory().or_else(|| memory::peak(None)),
    })
}

fn time<B: Train>(
    bench: &Bench<'_>,
    b: &mut B,
    &Map { inputs, outputs, gradients, .. }: &Map,
    clock: Option<&Clock>,
) -> Result<Timing> {
    let (request, rows) = (bench.request, bench.request.max_tokens);
    let mut matrix = |key, rows: usize, cols: usize| {
        let key = rng::derive(request.seed, key);
        let data: Vec<f32> = (0..rows * cols).map(|i| rng::uniform(key, i as u32) - 0.5).collect();
        b.tensor(&data, Shape::matrix(rows, cols))
    };
    let (x, w) = (matrix(1, rows, inputs), matrix(2, outputs, inputs));
    let dy = gradients.then(|| matrix(3, rows, outputs));
    let once = |b: &mut B| match &dy {
        Some(dy) => drop(b.linear_grad(dy, &x, &w, false, None)),
        None => drop(b.linear(&x, &w, None)),
    };
    let rounds = if B::READS_ARE_FREE || clock.is_some() { 1 } else { ROUNDS };
    Timing::of_rounds(request.repeats, rounds, clock, |rounds| {
        (0..rounds).for_each(|_| once(b));
        Ok(b.wait()?)
    })
}
