//! What this build is.

use crate::backend::cpu::instruction_sets;
use crate::backend::gpu;
use crate::run::provenance;
use crate::train::ranks;

/// The version, and on lines of their own the commit, the features and the backends of this build.
pub fn long() -> String {
    let commit = provenance::commit().unwrap_or("unknown");
    let (features, backends) = (features().join(", "), backends().join(", "));
    let features = if features.is_empty() { "none" } else { &features };
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}\ncommit: {commit}\nfeatures: {features}\nbackends: {backends}")
}

fn features() -> Vec<&'static str> {
    let all = [("gpu", gpu::BUILT), ("distributed", ranks::BUILT)];
    all.into_iter().filter_map(|(name, built)| built.then_some(name)).collect()
}

/// The CPU with its instruction sets on this machine, then the interfaces to GPUs.
fn backends() -> Vec<String> {
    let cpu = format!("cpu ({})", instruction_sets().join(" "));
    let gpus = gpu::INTERFACES.iter().map(|&name| name.to_owned());
    std::iter::once(cpu).chain(gpus).collect()
}
