//! The weights of an image, packed once.

use crate::isa::Isa;
use crate::matrix::{Matrix, Memory, filled};
use a2d_core::image::{self, Weight};
use a2d_core::micro::{Model, Parameter};
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use alloc::vec::Vec;

/// The weights of an image for an instruction set. The image stays in use: embeddings are read from it.
pub struct Weights<'a> {
    pub(crate) isa: Isa,
    image: image::Weights<'a>,
    /// By number.
    packed: Vec<Packed>,
}

/// A parameter.
enum Packed {
    Vector(Vec<f32>),
    Matrix(Matrix),
    /// Read in the image.
    Unused,
}

impl<'a> Weights<'a> {
    /// Packs the weights of a model.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn new<const N: usize>(model: &Model<'a, N>, isa: Isa) -> Result<Self, Memory> {
        let image = model.image().weights();
        let embeddings = embeddings(model.transformer());
        let mut packed = Vec::new();
        let specs = Transformer::<Spec, N>::new(model.config()).expect("the model of an image");
        specs.try_map(&mut |_, spec| {
            let number = Parameter::new(packed.len() as u16);
            packed.push(match spec.shape.dims() {
                _ if embeddings.contains(&Some(number)) => Packed::Unused,
                [_] => Packed::Vector(vector(&image, number)?),
                _ => Packed::Matrix(Matrix::new(&get(&image, number), isa)?),
            });
            Ok(())
        })?;
        Ok(Self { isa, image, packed })
    }

    /// Packs parameters that are in no model. A parameter of one row is a vector.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn of(image: image::Weights<'a>, isa: Isa) -> Result<Self, Memory> {
        let numbers = (0..image.count()).map(|number| Parameter::new(number as u16));
        let pack = |number| {
            let weight = get(&image, number);
            Ok(match weight.shape().rows() {
                1 => Packed::Vector(vector(&image, number)?),
                _ => Packed::Matrix(Matrix::new(&weight, isa)?),
            })
        };
        Ok(Self { isa, image, packed: numbers.map(pack).collect::<Result<_, _>>()? })
    }

    pub(crate) fn weight(&self, of: &Parameter) -> Weight<'a> {
        get(&self.image, *of)
    }

    pub(crate) fn vector(&self, of: &Parameter) -> &[f32] {
        match &self.packed[usize::from(of.number())] {
            Packed::Vector(vector) => vector,
            _ => panic!("{of:?} is no vector"),
        }
    }

    pub(crate) fn matrix(&self, of: &Parameter) -> &Matrix {
        match &self.packed[usize::from(of.number())] {
            Packed::Matrix(matrix) => matrix,
            _ => panic!("{of:?} is no matrix"),
        }
    }
}

/// The tables that are in no product. The target's table is the output projection, of a model with a decoder.
fn embeddings<const N: usize>(model: &Transformer<Parameter, N>) -> [Option<Parameter>; 3] {
    let encoder = &model.encoder;
    let multiplied = model.head.is_none() && encoder.embed_tokens == *model.target_table();
    let tokens = (!multiplied).then_some(encoder.embed_tokens);
    [tokens, encoder.embed_positions, encoder.embed_types]
}

fn get<'a>(image: &image::Weights<'a>, of: Parameter) -> Weight<'a> {
    image.get(usize::from(of.number())).expect("a parameter of the image")
}

fn vector(image: &image::Weights<'_>, of: Parameter) -> Result<Vec<f32>, Memory> {
    let weight = get(image, of);
    let mut out = filled(0.0, weight.shape().cols())?;
    weight.read(0, &mut out).expect("one row");
    Ok(out)
}
