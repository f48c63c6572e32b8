//! `host devices`: the backends of this machine.

use crate::cli::{DevicesArgs, Globals};
use crate::device::{Backend, choose};
use crate::error::{Error, Result};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Lists the devices, one a line, and marks the one that `auto` takes.
///
/// Errors: `out` cannot be written.
pub fn run(args: DevicesArgs, _: &Globals, out: &mut dyn Write) -> Result<()> {
    let auto = choose(Backend::Auto, None)?;
    let threads = rayon::current_num_threads();
    let features = features().join(" ");
    let written = if args.json {
        let cpu = json!({"device": "cpu", "auto": auto.to_string() == "cpu",
            "threads": threads, "features": features});
        writeln!(out, "{}", json!([cpu]))
    } else {
        writeln!(out, "cpu  {threads} threads  {features}  (auto)")
    };
    written.map_err(|e| Error::output("write", Path::new("the list"), &e))
}

/// The instruction sets that the CPU backend can make use of.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let found = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    found.into_iter().filter_map(|(name, has)| has.then_some(name)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    vec![std::env::consts::ARCH]
}
