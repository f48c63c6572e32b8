//! Golden values on disk (`fixtures/golden/README.md` has the format).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use a2d_core::config::{Activation, Config, Stack};
use a2d_core::kd::{KdLoss, LossNorm, MapTerms, Objective};
use a2d_core::optim::{Adam, InverseSqrt};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::helpers::arrays::arrays;
use crate::helpers::compare::Array;
use crate::helpers::model::plain;

/// The suffix of golden files.
const SUFFIX: &str = ".f32.safetensors";

/// One case: `NAME.f32.safetensors` and, if there is one, `NAME.json`.
pub struct Case {
    /// NAME
    pub name: String,
    /// The settings of the case.
    pub settings: Value,
    /// All of `NAME.json`.
    pub json: Value,
    arrays: BTreeMap<String, Array>,
}

impl Case {
    /// Every case of a folder, sorted by name. Panics if there is none, as a missing suite must not pass.
    pub fn all(folder: &Path) -> Vec<Self> {
        let list = fs::read_dir(folder)
            .unwrap_or_else(|e| panic!("golden cases in {}: {e}", folder.display()));
        let mut names: Vec<_> = list
            .filter_map(|entry| {
                let name = entry.expect("a folder can be listed").file_name();
                Some(name.to_str()?.strip_suffix(SUFFIX)?.to_owned())
            })
            .collect();
        names.sort();
        assert!(!names.is_empty(), "no *{SUFFIX} in {}", folder.display());
        names.into_iter().map(|name| Self::read(folder, name)).collect()
    }

    fn read(folder: &Path, name: String) -> Self {
        let file = folder.join(format!("{name}{SUFFIX}"));
        let bytes = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let json = match fs::read_to_string(folder.join(format!("{name}.json"))) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}.json: {e}")),
            Err(_) => Value::Null,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let settings = match header.metadata().as_ref().and_then(|m| m.get("case")) {
            Some(text) => serde_json::from_str(text).expect("the header's `case` is JSON"),
            None => json["config"].clone(),
        };
        assert!(settings.is_object(), "{name}: no settings, neither in the header nor in the JSON");
        Self { arrays: arrays(&bytes), name, settings, json }
    }

    /// The array `name`, if the file has it.
    pub fn find(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// The array `name`.
    pub fn array(&self, name: &str) -> &Array {
        self.find(name).unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }

    /// What follows `prefix` in the names that begin with it, sorted.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.arrays.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// `PREFIXn` for each number n for which the file has `PREFIXn` or `PREFIXn.<name>`.
    pub fn numbered(&self, prefix: &str) -> Vec<u64> {
        let number = |rest: &str| rest.split('.').next()?.parse().ok();
        let numbers: BTreeSet<u64> = self.under(prefix).filter_map(number).collect();
        numbers.into_iter().collect()
    }

    /// A setting at `path`, if it is a number.
    fn number(&self, path: &str) -> Option<f64> {
        self.settings.pointer(path)?.as_f64()
    }

    /// A required setting.
    fn needed(&self, path: &str) -> f64 {
        self.number(path).unwrap_or_else(|| panic!("{}: no setting {path}", self.name))
    }

    /// A switch, written as a boolean or as 0 and 1.
    fn switch(&self, path: &str) -> Option<bool> {
        let value = self.settings.pointer(path)?;
        value.as_bool().or_else(|| value.as_f64().map(|x| x != 0.0))
    }

    /// The configuration of `student` or `teacher`. Heads and layers come from the settings, everything else from the
    /// arrays, which the settings must not contradict.
    pub fn config(&self, model: &str) -> Config {
        let dims = |name: &str| &self.array(&format!("{model}.{name}")).shape;
        let has = |name: &str| self.find(&format!("{model}.{name}")).is_some();
        let stack = |side: &str, layers: &str, heads: &str| Stack {
            d_model: dims(&format!("{side}.layers.0.fc1.weight"))[1],
            ffn_dim: dims(&format!("{side}.layers.0.fc1.weight"))[0],
            attention_heads: self.needed(&format!("/{model}/{heads}")) as usize,
            layers: self.needed(&format!("/{model}/{layers}")) as usize,
        };
        let share_embeddings = !has("decoder.embed_tokens.weight");
        let normalize_before = has("encoder.layer_norm.weight");
        for (path, found) in [("/share_all", share_embeddings), ("/prenorm", normalize_before)] {
            assert!(
                self.switch(path).is_none_or(|said| said == found),
                "{} {model}: the arrays contradict the setting {path}",
                self.name
            );
        }
        let table = if share_embeddings { "encoder" } else { "decoder" };
        let source_vocabulary = dims("encoder.embed_tokens.weight")[0];
        let (encoder, decoder) = (stack("encoder", "el", "eh"), stack("decoder", "dl", "dh"));
        Config {
            target_vocabulary: dims(&format!("{table}.embed_tokens.weight"))[0],
            share_embeddings,
            normalize_before,
            activation: self.activation(),
            ..plain(source_vocabulary, encoder, decoder)
        }
    }

    fn activation(&self) -> Activation {
        match self.settings.pointer("/activation").and_then(Value::as_str) {
            None | Some("relu") => Activation::Relu,
            Some("gelu") => Activation::Gelu,
            Some(other) => panic!("{}: activation {other}", self.name),
        }
    }

    /// The loss of the case's criterion.
    pub fn objective(&self) -> Objective {
        let crit = |name: &str| self.needed(&format!("/crit/{name}")) as f32;
        let on = |name: &str| self.switch(&format!("/crit/{name}")).unwrap_or(true);
        let both = on("decoder_kd");
        Objective {
            label_smoothing: crit("label_smoothing"),
            alpha: crit("alpha"),
            student_temperature: crit("student_temp"),
            teacher_temperature: crit("teacher_temp"),
            kd_loss: KdLoss::CrossEntropy,
            norm: LossNorm::Official,
            terms: Some(MapTerms {
                beta: crit("beta"),
                decay: crit("decay"),
                decoder: both && on("self_kd"),
                cross: both && on("cross_kd"),
                ..MapTerms::OFFICIAL
            })
            .into(),
        }
    }

    /// The optimiser and its schedule.
    pub fn optimiser(&self) -> (Adam, InverseSqrt) {
        let adam = Adam { weight_decay: self.needed("/opt/wd") as f32, ..Adam::default() };
        let schedule = InverseSqrt {
            lr: self.needed("/opt/lr"),
            warmup_updates: self.needed("/opt/warmup") as u64,
            warmup_init_lr: self.number("/opt/warmup_init").unwrap_or(-1.0).max(0.0),
        };
        (adam, schedule)
    }

    /// The epoch of each update.
    pub fn epochs(&self) -> Vec<u64> {
        let list = self.settings["epochs"].as_array().expect("epochs of the updates");
        list.iter().map(|epoch| epoch.as_u64().expect("an epoch is a number")).collect()
    }

    /// Whether the teacher's maps pass through an alignment of its own.
    pub fn teacher_is_aligned(&self) -> bool {
        let found = self.find("teacher.encoder.alignment_module.weight").is_some();
        let said = self.switch("/teacher_aam");
        assert!(said.is_none_or(|said| said == found), "{}: teacher_aam", self.name);
        found
    }
}
