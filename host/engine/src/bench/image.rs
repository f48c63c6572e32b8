//! Benchmark of translation with an image. All translations have the same length.

use super::latency::Latency;
use super::measurement::{Measurement, Timing};
use super::request::{BenchImage, BenchRequest, BenchWhat};
use super::translation::{LENGTH, options};
use super::{Input, work};
use crate::export;
use crate::translate::image::{self, Words};
use crate::translate::packed::{Arithmetic, PackedModel};
use a2d_core::image::Format;
use a2d_cpu::Cpu;
use a2d_run::model::plan;
use a2d_system::error::{Error, Result};
use a2d_system::memory;
use serde_json::json;
use std::path::Path;

/// Measures translation of all sentences with each beam.
///
/// # Errors
///
/// Misuse: not a `translate` benchmark; the file cannot be read or is no image; its vocabulary is not that of the
/// sentences.
pub fn measure(
    request: &BenchRequest,
    image: &BenchImage,
    threads: usize,
) -> Result<Vec<Measurement>> {
    if request.what != BenchWhat::Translate {
        return Err(Error::misuse("--image is for `bench translate`"));
    }
    let (name, bytes) = bytes(request, image)?;
    let arithmetic = Arithmetic { int8_cache: false, isa: request.isa };
    let model = image::model(Path::new(&name), bytes.bytes())?;
    let packed = PackedModel::new(model, arithmetic)?;
    let config = packed.model.config();
    let Input::Sentences(sentences) = Input::of(request, config.source_vocabulary)? else {
        return Err(Error::failed("translation needs sentences"));
    };
    let one = |beam| {
        let options = options(beam, LENGTH);
        let once = || packed.search(&sentences, &options, &|_| Ok(())).map(drop);
        let timing = Timing::of(request.repeats, None, once)?;
        let mut session = packed.session();
        let one = |one: &[u32], stepped: &mut dyn FnMut()| {
            session.search(&[one], &options, stepped).map(drop)
        };
        Ok(Measurement {
            what: "translate",
            choices: vec![
                ("image", json!(name)),
                ("isa", json!(request.isa.name())),
                ("beam", json!(beam)),
                ("threads", json!(threads)),
                ("length", json!(LENGTH)),
            ],
            unit: "sentences",
            units: sentences.len(),
            flop: work::translation(config, &sentences, beam, LENGTH),
            peak_gflops: 0.0,
            timing,
            latency: Some(Latency::of(&sentences, one)?),
            peak_memory: memory::peak(None),
        })
    };
    request.beams().into_iter().map(one).collect()
}

/// The name and the bytes of the image.
fn bytes(request: &BenchRequest, image: &BenchImage) -> Result<(String, Words)> {
    match image {
        BenchImage::File(path) => Ok((path.display().to_string(), Words::read(path)?)),
        BenchImage::Random(format) => {
            let name = match format {
                Format::F32 => "f32",
                Format::Int8 => "int8",
                Format::Int4 => "int4",
            };
            let config = request.shape.models().student;
            let mut cpu = Cpu::new(1);
            let weights = plan(&config, None)?.init(&mut cpu, request.seed);
            let weights: Vec<Vec<f32>> = weights.iter().map(|w| w.data().to_vec()).collect();
            Ok((name.to_owned(), Words::new(&export::write(&config, &weights, &[], *format)?)))
        }
    }
}
