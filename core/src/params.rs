//! A model is a functor over its parameters: `Transformer<Spec>` holds shapes, `Transformer<Tensor>` holds weights.
//!
//! Initialising, loading, saving, making tape leaves and counting share one traversal, so their names always agree.

use crate::shape::Shape;
use core::fmt;

/// A parameter's name, as a list linked on the stack. Displays joined by dots: `encoder.layers.3.fc1.weight`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: Name<'a>,
}

#[derive(Clone, Copy)]
enum Name<'a> {
    Text(&'a str),
    Number(usize),
}

impl<'a> Path<'a> {
    /// The root of a model: the empty name.
    pub const ROOT: Path<'static> = Path { parent: None, name: Name::Text("") };

    /// A named child.
    pub const fn then(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), name: Name::Text(name) }
    }

    /// A numbered child.
    pub const fn at(&'a self, number: usize) -> Path<'a> {
        Path { parent: Some(self), name: Name::Number(number) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent.filter(|p| p.parent.is_some()) {
            write!(f, "{parent}.")?;
        }
        match self.name {
            Name::Text(text) => f.write_str(text),
            Name::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform in `(-bound, bound)`.
    Uniform {
        /// The bound.
        bound: f32,
    },
    /// Normal around 0, with a standard deviation of 1 over the root of a row's length; the rows of two tokens are 0.
    Embedding {
        /// Padding, and a start token of its own; else padding twice.
        zeros: [u32; 2],
    },
}

impl Init {
    /// PyTorch's `xavier_uniform_` for a weight `[out, input]`.
    pub fn xavier(out: usize, input: usize, gain: f32) -> Self {
        Self::Uniform { bound: gain * libm::sqrtf(6.0 / (out + input) as f32) }
    }

    /// PyTorch's default for linear and convolution layers, weight and bias: `1 / sqrt(fan_in)`.
    pub fn fan_in(input: usize) -> Self {
        Self::Uniform { bound: 1.0 / libm::sqrtf(input as f32) }
    }

    /// The initial value of element `index` of a parameter with `cols` columns; `key` is its random stream.
    pub fn value(&self, key: u64, index: usize, cols: usize) -> f32 {
        match *self {
            Self::Zeros => 0.0,
            Self::Ones => 1.0,
            Self::Uniform { bound } => bound * (2.0 * crate::rng::uniform(key, index as u32) - 1.0),
            Self::Embedding { zeros, .. } if zeros.contains(&((index / cols) as u32)) => 0.0,
            Self::Embedding { .. } => {
                let deviation = 1.0 / libm::sqrtf(cols as f32);
                deviation * crate::rng::normal(key, index as u32)
            }
        }
    }
}

/// Shape and initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// The shape.
    pub shape: Shape,
    /// The initial values.
    pub init: Init,
}

/// A traversal's function: maps the name and value of a parameter to a new value.
pub type Visit<'f, P, Q, E> = dyn FnMut(Path<'_>, &P) -> Result<Q, E> + 'f;

/// Up to N layers, without an allocator.
#[derive(Clone, Debug)]
pub struct Layers<T, const N: usize>(heapless::Vec<T, N>);

impl<T, const N: usize> Layers<T, N> {
    /// `count` layers. Layers beyond N are dropped; [`crate::config::Config::check`] rejects such a configuration.
    pub fn new(count: usize, layer: impl FnMut(usize) -> T) -> Self {
        Self::of((0..count).map(layer))
    }

    /// The first N of `layers`.
    fn of(layers: impl Iterator<Item = T>) -> Self {
        let mut out = heapless::Vec::new();
        for layer in layers.take(N) {
            // At most N are taken, so the vector cannot be full.
            let _ = out.push(layer);
        }
        Self(out)
    }

    /// Maps each layer.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Layers<U, N> {
        Layers::of(self.0.iter().map(f))
    }

    /// `count` layers, each made from its number's path. Layers beyond N are dropped.
    ///
    /// # Errors
    ///
    /// The first error of `layer`.
    pub fn try_new<E>(
        count: usize,
        at: Path<'_>,
        mut layer: impl FnMut(Path<'_>) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut out = heapless::Vec::new();
        for i in 0..count.min(N) {
            // At most N, so the vector cannot be full.
            let _ = out.push(layer(at.at(i))?);
        }
        Ok(Self(out))
    }

    /// Maps each layer, with its number's path.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<U, E>(
        &self,
        at: Path<'_>,
        mut f: impl FnMut(Path<'_>, &T) -> Result<U, E>,
    ) -> Result<Layers<U, N>, E> {
        let mut out = heapless::Vec::new();
        for (i, layer) in self.0.iter().enumerate() {
            // Both vectors hold up to N, so this one cannot be full.
            let _ = out.push(f(at.at(i), layer)?);
        }
        Ok(Layers(out))
    }
}

impl<T, const N: usize> core::ops::Deref for Layers<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> core::ops::DerefMut for Layers<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
