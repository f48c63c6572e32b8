//! A model whose weights lie in an image.

use crate::config::Config;
use crate::image::{Error, Format, Image, Weight};
use crate::nn::Transformer;
use crate::params::Spec;

/// A model with up to N layers on each side, run in place.
pub struct Model<'a, const N: usize = 6> {
    image: Image<'a>,
    pub(super) transformer: Transformer<Weight<'a>, N>,
    quantised: bool,
}

impl<'a, const N: usize> Model<'a, N> {
    /// Checks an image, once and whole; afterwards nothing about it can fail.
    ///
    /// Errors: it is no image, damaged, of another version, or has more than N layers.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let image = Image::new(bytes)?;
        let shapes = Transformer::<Spec, N>::new(image.config())?;
        let (mut count, mut formats) = (0, [false; 2]);
        let transformer = shapes.try_map(&mut |_, spec| {
            let weight = image.weight(count)?;
            count += 1;
            let (vector, floats) = (spec.shape.dims().len() == 1, weight.format() == Format::F32);
            let fits = weight.shape().rows() == spec.shape.rows()
                && weight.shape().cols() == spec.shape.cols();
            if !fits || (vector && !floats) {
                return Err(Error::Directory);
            }
            if let Some(seen) = formats.get_mut(usize::from(floats)).filter(|_| !vector) {
                *seen = true;
            }
            Ok(weight)
        })?;
        // The arena of the one is not that of the other.
        if count != image.parameters() || formats == [true; 2] {
            return Err(Error::Directory);
        }
        Ok(Self { image, transformer, quantised: formats == [true, false] })
    }

    /// What it is made of; the dropouts are 0.
    pub fn config(&self) -> &Config {
        self.image.config()
    }

    /// Whether its matrices are int8 or int4.
    pub fn quantised(&self) -> bool {
        self.quantised
    }

    /// The file.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// The weights.
    pub fn transformer(&self) -> &Transformer<Weight<'a>, N> {
        &self.transformer
    }
}
