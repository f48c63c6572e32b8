//! BERT models: `expected.safetensors` with the values of transformers, beside the folders `model` and `classifier`; and
//! `minilm_expected.safetensors` with the vectors of the folder of sentence-transformers, wherever that is.

use crate::folders::{self, label};
use crate::on::on;
use crate::values::{ids, json, rows, text};
use a2d_core::backend::Device;
use a2d_core::batch::{Batch, Layout};
use a2d_core::config::token::PAD;
use a2d_core::kd;
use a2d_core::needs::Needs;
use a2d_core::nn::Trace;
use a2d_host::backend::cpu::Cpu;
use a2d_host::data::vocab::Vocab;
use a2d_host::run::model::Model;
use a2d_interop::bert::{self, Text};
use a2d_interop::{Foreign, import};
use a2d_tests::helpers::arrays::arrays;
use a2d_tests::helpers::compare::{Array, Findings, Limit, doubles};
use a2d_tests::helpers::model::{read, slices};
use a2d_tests::helpers::padded::{self, Side};
use a2d_tests::helpers::skip::skipped;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

type Tensor = <Cpu as Device>::Tensor;
type Arrays = BTreeMap<String, Array>;

/// The tolerance, relative to the largest value.
const FORWARD: Limit = Limit::relative(1e-5);

/// A folder, imported.
struct Bert {
    name: String,
    imported: Text,
    vocab: Vocab,
    /// The token of each id of the folder.
    tokens: Vec<u32>,
    /// The names of the labels in the order of the folder.
    labels: Vec<String>,
}

impl Bert {
    fn read(folder: &Path) -> Self {
        let name = label(folder);
        let imported = bert::import(folder).unwrap_or_else(|e| panic!("{name}: {e}"));
        let vocab = imported.vocab().unwrap();
        let list = fs::read_to_string(folder.join("vocab.txt")).unwrap();
        let pieces = (0..vocab.sizes().source as u32).map(|id| (vocab.source().piece(id), id));
        let known: HashMap<_, _> = pieces.collect();
        let labels = json(&folder.join("config.json"))["id2label"].clone();
        let labels = (0..imported.labels.len()).map(|id| text(&labels, &id.to_string()).to_owned());
        Self {
            tokens: list.lines().map(|line| known[&Some(line)]).collect(),
            labels: labels.collect(),
            name,
            imported,
            vocab,
        }
    }

    fn on(&self, b: &mut Cpu) -> Model<Tensor> {
        on(b, &self.imported.config().unwrap(), &self.imported.parameters)
    }

    /// The texts of a batch of the folder's ids.
    fn side(&self, ids: &Array, mask: &Array) -> Side {
        let token = |(id, real): (&f64, &f64)| match *real == 1.0 {
            true => f64::from(self.tokens[*id as usize]),
            false => f64::from(PAD),
        };
        let data = ids.data.iter().zip(&mask.data).map(token).collect();
        Side::new(&Array { shape: ids.shape.clone(), data })
    }

    /// Columns of labels in the order of the folder.
    fn columns(&self, logits: &[f32]) -> Vec<f64> {
        let names = &self.imported.labels;
        let column = |name| names.iter().position(|other| other == name).unwrap();
        let columns: Vec<usize> = self.labels.iter().map(column).collect();
        let row = |row: &[f32]| columns.iter().map(|at| f64::from(row[*at])).collect::<Vec<_>>();
        logits.chunks(names.len()).flat_map(row).collect()
    }
}

/// The texts, ready for `model`.
fn batch(
    b: &mut Cpu,
    model: &Model<Tensor>,
    texts: &[Vec<u32>],
    layout: Layout,
) -> Batch<<Cpu as Device>::Index> {
    let labels = vec![0; texts.len()];
    let sources = slices(texts);
    let pairs = (&sources[..], &labels[..]);
    Batch::texts(b, &model.config.special, pairs, 0..texts.len(), layout)
}

/// The folders of BERT beside the values of `folder`.
fn beside(folder: &Path) -> Vec<Bert> {
    let models = folders::all().iter().filter(|model| model.parent() == Some(folder));
    let is_bert = |model: &&PathBuf| folders::kind(model).as_deref() == Some("bert");
    models.filter(is_bert).map(|model| Bert::read(model)).collect()
}

#[test]
fn states_maps_and_outputs_are_those_of_transformers() {
    let mut findings = Findings::default();
    let mut checked = 0;
    for (folder, name) in folders::files(".safetensors").filter(|(_, name)| name == "expected") {
        let arrays = arrays(&fs::read(folder.join(name + ".safetensors")).unwrap());
        for bert in beside(folder) {
            for part in ["batch", "pair"] {
                check(&bert, &arrays, part, &mut findings);
                checked += 1;
            }
        }
    }
    assert!(checked >= 4, "{checked} batches");
    findings.finish();
}

fn check(bert: &Bert, arrays: &Arrays, part: &str, findings: &mut Findings) {
    let b = &mut Cpu::new(2);
    let model = bert.on(b);
    let array = |name: &str| &arrays[&format!("{part}.{name}")];
    let side = bert.side(array("input_ids"), array("attention_mask"));
    let types = array("token_type_ids");
    for layout in [Layout::Packed, Layout::Padded] {
        let mut batch = batch(b, &model, &side.sentences, layout);
        if types.largest() > 0.0 {
            assert_eq!(side.sentences.len(), 1, "types of one text");
            let types: Vec<u32> = types.data.iter().map(|x| *x as u32).collect();
            batch.source.types = Some(b.index(&types));
        }
        let mut trace = Trace::of(Needs { hidden: true, maps: true, ..Needs::NONE });
        let pooled = kd::forward(&model, b, &batch, &mut trace);
        let mut close = |kind, name: &str, found: Vec<f64>| {
            let place = format!("{} {part}.{name} {layout:?}", bert.name);
            findings.close(kind, &place, &found, array(name), FORWARD);
        };
        close("pooled", "pooled", doubles(&read(b, &pooled)));
        if !bert.labels.is_empty() {
            let logits = model.logits(b, &pooled);
            close("logits", "logits", bert.columns(&read(b, &logits)));
        }
        // Rows of padding, which nothing reads, are zeros here.
        if layout == Layout::Padded {
            continue;
        }
        for (layer, x) in trace.encoder_hidden.iter().enumerate() {
            let name = format!("hidden.{layer}");
            close("states", &name, side.rows(layout, &read(b, x), array(&name)));
        }
        for (layer, map) in trace.encoder.iter().enumerate() {
            let name = format!("attention.{layer}");
            let maps = [(b.shape(map).rows(), read(b, map))];
            close("map", &name, padded::maps(layout, &side, &side, &maps, array(&name)));
        }
        let layers = bert.imported.model.encoder_layers;
        assert_eq!([trace.encoder_hidden.len(), trace.encoder.len()], [layers + 1, layers]);
    }
}

/// The folder of sentence-transformers whose vectors are known.
fn sentence_transformers() -> Option<Bert> {
    let folder = folders::all().iter().find(|folder| folder.join("modules.json").is_file());
    if folder.is_none() {
        skipped("A2D_INTEROP names no folder with a model of sentence-transformers");
    }
    folder.map(|folder| Bert::read(folder))
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let mut findings = Findings::default();
    for (folder, name) in folders::files("_expected.safetensors") {
        let Some(bert) = sentence_transformers() else { return };
        let arrays =
            arrays(&fs::read(folder.join(format!("{name}_expected.safetensors"))).unwrap());
        let values = json(&folder.join(format!("{name}_expected.json")));
        let mut texts = Vec::new();
        for case in rows(&values, "sentences") {
            let expected: Vec<u32> = ids(&case["ids"]).iter().map(|id| bert.tokens[*id]).collect();
            let found = bert
                .vocab
                .text(text(case, "text"), bert.imported.run_config().data.max_length)
                .unwrap();
            assert_eq!(found, expected, "{}", case["text"]);
            texts.push(expected);
        }
        let b = &mut Cpu::new(2);
        let model = bert.on(b);
        let batch = batch(b, &model, &texts, Layout::Packed);
        let pooled = kd::forward(&model, b, &batch, &mut ());
        let vectors = model.vectors(b, pooled);
        let mut vectors = doubles(&read(b, &vectors));
        findings.close("mean", "mean", &vectors, &arrays["mean"], FORWARD);
        for vector in vectors.chunks_mut(bert.imported.model.vectors()) {
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|x| *x /= length);
        }
        let limit = Limit::absolute(1e-5);
        findings.close("vectors", "embedding", &vectors, &arrays["embedding"], limit);
        findings.close("vectors", "alone", &vectors, &arrays["embedding_alone"], limit);
    }
    findings.finish();
}

#[test]
fn the_run_of_a_model_has_its_tokens_labels_and_weights() {
    for folder in folders::all().iter().filter(|f| folders::kind(f).as_deref() == Some("bert")) {
        let (bert, to) = (Bert::read(folder), TempDir::new().unwrap());
        import(folder).unwrap().save(&to.path().join("run")).unwrap();
        let run = a2d_host::run::opened::Opened::new(&to.path().join("run")).unwrap();
        assert_eq!(run.vocab.fingerprint(), bert.vocab.fingerprint(), "{}", bert.name);
        assert_eq!(run.vocab.labels().unwrap().names(), bert.imported.labels);
        assert_eq!(run.run.task, bert.imported.task);
        assert!(run.saved.tensors == bert.imported.parameters, "{}", bert.name);
    }
}
