//! Outputs of one batch in `expected{X}.safetensors`: those of the encoder and the decoder, every attention map, logits,
//! positions.

use super::cases::{self, Named};
use crate::folders::{self, label};
use a2d_core::backend::Device;
use a2d_core::batch::Layout;
use a2d_core::config::Positions;
use a2d_core::kd;
use a2d_core::nn::Trace;
use a2d_core::rows;
use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::arrays::arrays;
use a2d_tests::helpers::compare::{Array, Findings, Limit, doubles};
use a2d_tests::helpers::model::{batch_of, read};
use a2d_tests::helpers::padded::{self, Side};
use a2d_tests::helpers::skip::skipped;
use std::collections::BTreeMap;
use std::fs;

/// The tolerance, relative to the largest value.
const FORWARD: f64 = 1e-5;

type Tensor = <Cpu as Device>::Tensor;

/// The values of a batch, and its sentences.
struct Golden {
    arrays: BTreeMap<String, Array>,
    source: Side,
    target: Side,
    /// The token of each id of the target.
    of: Vec<u32>,
    place: String,
    limit: Limit,
}

impl Golden {
    fn new(named: &Named, arrays: BTreeMap<String, Array>) -> Self {
        let marian = &named.marian;
        let source = side(&arrays["input_ids"], &marian.source);
        let target = side(&arrays["labels"], &marian.target);
        let limit = Limit::relative(FORWARD * marian.slack());
        Self {
            arrays,
            source,
            target,
            of: marian.target.clone(),
            place: marian.name.clone(),
            limit,
        }
    }

    /// Compares the array `name`, if the file has it, with `found`.
    fn close(
        &self,
        findings: &mut Findings,
        kind: &'static str,
        name: &str,
        found: impl FnOnce(&Array) -> Vec<f64>,
    ) {
        let Some(expected) = self.arrays.get(name) else { return };
        let place = format!("{} {name}", self.place);
        findings.close(kind, &place, &found(expected), expected, self.limit);
    }

    /// Compares the maps of the layers of one attention.
    fn maps(
        &self,
        b: &mut Cpu,
        findings: &mut Findings,
        name: &str,
        sides: [&Side; 2],
        of: &[Tensor],
    ) {
        for (layer, map) in of.iter().enumerate() {
            let found = (b.shape(map).rows(), read(b, map));
            self.close(findings, "map", &format!("map.{name}.{layer}"), |expected| {
                padded::maps(Layout::Packed, sides[0], sides[1], &[found], expected)
            });
        }
        let next = format!("map.{name}.{}", of.len());
        assert!(!self.arrays.contains_key(&next), "{}: {next}", self.place);
    }

    /// Logits in the order of the file. Padding, which is never written, is taken from the file.
    fn logits(&self, found: &[f32], expected: &Array) -> Vec<f64> {
        let (size, own) = (
            expected.shape[2],
            found.len() / self.target.sentences.iter().map(Vec::len).sum::<usize>(),
        );
        let mut logits = vec![f32::NAN; found.len() / own * size];
        for (to, from) in logits.chunks_mut(size).zip(found.chunks(own)) {
            to.iter_mut().zip(&self.of).for_each(|(to, token)| *to = from[*token as usize]);
        }
        let mut out = self.target.rows(Layout::Packed, &logits, expected);
        for (out, expected) in out.chunks_mut(size).zip(expected.data.chunks(size)) {
            let never = self.of.iter().position(|token| *token == 1);
            never.into_iter().for_each(|id| out[id] = expected[id]);
        }
        out
    }
}

/// The sentences of an array of ids, which end with their last `</s>`.
fn side(array: &Array, of: &[u32]) -> Side {
    let width = array.shape[1];
    let tokens = array.data.chunks(width).flat_map(|row| {
        let token = |id: &f64| if *id < 0.0 { 1 } else { of[*id as usize] };
        let mut tokens: Vec<u32> = row.iter().map(token).collect();
        let end = tokens.iter().rposition(|token| *token == 2).unwrap();
        tokens[end + 1..].fill(1);
        tokens.into_iter().map(f64::from)
    });
    Side::new(&Array { shape: array.shape.clone(), data: tokens.collect() })
}

#[test]
fn outputs_are_those_of_transformers() {
    let mut findings = Findings::default();
    let mut checked = 0;
    for (folder, name) in folders::files(".safetensors") {
        let Some(end) = name.strip_prefix("expected") else { continue };
        let Some(case) = cases::all().iter().find(|case| case.folder == folder) else { continue };
        match case.models.iter().find(|named| named.end == end) {
            Some(named) => {
                let path = folder.join(format!("{name}.safetensors"));
                let arrays = arrays(&fs::read(path).unwrap());
                check(&Golden::new(named, arrays), named, &mut findings);
                checked += 1;
            }
            None => skipped(&format!("{}: the outputs of no model", label(&folder.join(name)))),
        }
    }
    assert!(checked > 0 || cases::all().is_empty(), "no outputs");
    findings.finish();
}

fn check(golden: &Golden, named: &Named, findings: &mut Findings) {
    let mut b = Cpu::new(2);
    let b = &mut b;
    let model = named.marian.on(b);
    let Golden { source, target, .. } = golden;
    let batch =
        batch_of(b, &model.config.special, &source.sentences, &target.sentences, Layout::Packed);
    let mut maps = Trace::maps();
    let hidden = kd::forward(&model, b, &batch, &mut maps);
    let logits = model.logits(b, &hidden);
    let memory = model.encode(b, &batch.source, &batch.encoder_grid, &mut ());
    for (name, side, value) in [("encoder_out", source, &memory), ("decoder_out", target, &hidden)]
    {
        let found = read(b, value);
        golden.close(findings, "output", name, |expected| {
            side.rows(Layout::Packed, &found, expected)
        });
    }
    let found = read(b, &logits);
    golden.close(findings, "logits", "logits", |expected| golden.logits(&found, expected));
    if golden.arrays.keys().any(|name| name.starts_with("map.")) {
        golden.maps(b, findings, "enc", [source, source], &maps.encoder);
        golden.maps(b, findings, "dec_self", [target, target], &maps.decoder);
        golden.maps(b, findings, "cross", [target, source], &maps.cross);
    }
    golden.close(findings, "positions", "positions", |expected| {
        let mut row = vec![0.0; expected.shape[1]];
        let mut position = |at: usize| {
            rows::position(Positions::Marian, at as u32, &mut row);
            doubles(&row)
        };
        (0..expected.shape[0]).flat_map(&mut position).collect()
    });
}
