//! `a2d devices`: the backends of this machine.

use crate::backend::cpu::instruction_sets;
use crate::backend::described::Described;
use crate::backend::device::{CPU_PRECISIONS, Device};
use crate::backend::gpu;
use crate::cli::{DeviceArgs, DevicesArgs, Globals};
use crate::system::error::{Error, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Lists the devices, one per line, marks the choice of `auto`, and says why other devices are missing.
///
/// # Errors
///
/// `out` cannot be written.
pub fn run(args: DevicesArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let auto = DeviceArgs::default().choose(globals)?.device();
    let (gpus, missing) = gpu::list();
    let written = if args.json {
        let gpus = gpus.iter().map(|gpu| gpu_json(gpu, auto));
        let missing = missing.iter().map(|text| json!({"missing": text}));
        let all = [cpu_json(auto)].into_iter().chain(gpus).chain(missing);
        writeln!(out, "{}", Value::Array(all.collect()))
    } else {
        tell(&gpus, &missing, auto, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the list"), &e))
}

fn cpu_json(auto: Device) -> Value {
    json!({"device": "cpu", "auto": auto == Device::Cpu, "threads": rayon::current_num_threads(),
        "features": instruction_sets().join(" "), "precisions": CPU_PRECISIONS})
}

fn gpu_json(gpu: &Described, auto: Device) -> Value {
    let Described { device, name, software, memory, precisions, products, compiler } = gpu;
    json!({"device": device.to_string(), "auto": *device == auto, "name": name,
        "software": software, "memory_bytes": memory, "precisions": precisions, "products": products,
        "compiler": compiler})
}

fn tell(
    gpus: &[Described],
    missing: &[String],
    auto: Device,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let mark = |device| if device == auto { "  (auto)" } else { "" };
    let (threads, features) = (rayon::current_num_threads(), instruction_sets().join(" "));
    let precisions = CPU_PRECISIONS.map(|precision| precision.to_string()).join(" ");
    writeln!(out, "cpu  {threads} threads  {features}  {precisions}{}", mark(Device::Cpu))?;
    for gpu in gpus {
        let Described { device, name, software, memory, precisions, products, compiler } = gpu;
        let memory = memory.map(|bytes| format!("  {:.1} GiB", bytes as f64 / (1u64 << 30) as f64));
        let software = if *software { "  (software, taken only where it is named)" } else { "" };
        let (memory, precisions) = (memory.unwrap_or_default(), precisions.join(" "));
        let compiler = compiler.iter().map(|compiler| format!(", kernels by {compiler}"));
        let made = format!("products by {products}{}", compiler.collect::<String>());
        let (device, auto) = (device.to_string(), mark(*device));
        writeln!(out, "{device}  {name}{memory}  {precisions}  {made}{software}{auto}")?;
    }
    missing.iter().try_for_each(|text| writeln!(out, "missing  {text}"))
}
