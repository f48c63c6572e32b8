//! A model that was imported, on the CPU backend.

use a2d_core::backend::{Device, Train};
use a2d_core::config::Config;
use a2d_core::kd::Learner;
use a2d_core::params::Spec;
use a2d_host::backend::cpu::Cpu;
use a2d_host::run::model::{MOST_LAYERS, Model, plan};
use a2d_interop::model::Parameters;

/// The model of a configuration with its parameters.
pub fn on(b: &mut Cpu, config: &Config, parameters: &Parameters) -> Model<<Cpu as Device>::Tensor> {
    let plan = plan(config, None).unwrap();
    let tensor = |(name, spec): &(String, Spec)| b.tensor(&parameters[name].1, spec.shape);
    let params = plan.params().iter().map(tensor).collect();
    Learner::<_, MOST_LAYERS>::new(b, plan, params).student().model
}
