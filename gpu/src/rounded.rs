//! Tensors in the format of products. What others read too, a kernel writes a second time, rounded. What products and
//! attention alone read is written rounded only.

use crate::context::Context;
use crate::kernels::addends::{Addends, add_up};
use crate::kernels::cast::{cast, factor, widen};
use crate::kernels::copy::{self, copy_columns};
use crate::tensor::{Held, Rounded, Row, Tensor, Terms};
use crate::view::View;
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use half::bf16;
use std::sync::Arc;

fn format<F: CubePrimitive>() -> StorageType {
    F::as_type_native_unchecked().storage_type()
}

/// An uninitialised tensor that is held rounded.
pub(crate) fn empty(context: &Context, shape: Shape) -> Tensor {
    let piece = context.allocate(shape.len() * size_of::<bf16>());
    Tensor::held_rounded(View::of(piece, shape.len()), shape)
}

/// An uninitialised tensor that is held rounded if it `rounds`, or else in single precision.
pub(crate) fn empty_in(context: &Context, shape: Shape, rounds: bool) -> Tensor {
    if rounds { empty(context, shape) } else { copy::empty(context, shape) }
}

/// Uninitialised tensors that are the pieces of a new row, held rounded.
pub(crate) fn tensors(context: &Context, shapes: &[Shape]) -> Vec<Tensor> {
    let row = Arc::new(Row::new(shapes, |len, _| empty(context, Shape::vector(len))));
    shapes.iter().enumerate().map(|(number, &shape)| row.tensor(number, shape)).collect()
}

/// `x` itself, held rounded and to be overwritten, or a rounded copy.
pub(crate) fn unshared(context: &Context, x: Tensor) -> Tensor {
    if x.is_unshared() && x.is_held_rounded() && x.buffer.held.is_none() {
        return x;
    }
    Tensor::held_rounded(cast::<bf16>(context, &context.full(&x), None), x.shape)
}

/// `len` elements from the start of `x` (those behind it in its row too) in the format `F`, rounded once in its lifetime;
/// `scaled` by a factor that brings them into its range. All pieces of a row are rounded together.
pub(crate) fn rounded<F: Float + CubeElement>(
    context: &Context,
    x: &Tensor,
    len: usize,
    scaled: bool,
) -> Rounded {
    if let Some((row, number)) = &x.buffer.place {
        let all = rounded::<F>(context, row.memory(), row.memory().len(), scaled);
        let view = all.view.part_of::<F>(row.offsets()[*number], len);
        return Rounded { view, ..all };
    }
    assert_eq!(len, x.len(), "elements of one tensor");
    let mut held = x.buffer.rounded();
    match &*held {
        Some(rounded) if rounded.factor.is_some() == scaled => rounded.clone(),
        _ => held.insert(round::<F>(context, x, scaled)).clone(),
    }
}

fn round<F: Float + CubeElement>(context: &Context, x: &Tensor, scaled: bool) -> Rounded {
    if let Some(Held::Columns(of, first)) = &x.buffer.held {
        let view = copy_columns(context, &context.short(of), [of.cols(), *first, x.cols()]);
        return Rounded { view, factor: None };
    }
    let x = context.full(x);
    let factor = (scaled && x.len > 0).then(|| factor(context, &x));
    Rounded { view: cast::<F>(context, &x, factor.as_ref()), factor }
}

impl Context {
    /// The elements of `x` in bf16.
    pub fn short(&self, x: &Tensor) -> View {
        rounded::<bf16>(self, x, x.len(), false).view
    }

    /// The elements of `x` as they are held, and their format.
    pub fn held(&self, x: &Tensor) -> (View, StorageType) {
        if x.is_held_rounded() {
            return (self.short(x), format::<bf16>());
        }
        (x.view(), format::<f32>())
    }

    /// The elements of `x` in single precision, widened or added once in its lifetime if it is held otherwise.
    pub fn full(&self, x: &Tensor) -> View {
        let make = || match x.terms() {
            Some(_) => add_up(self, &self.addends(x), x.len()),
            None => widen(self, &self.short(x)),
        };
        x.buffer.full.get_or_init(make).clone()
    }

    /// `x` as what is added in a kernel.
    pub fn addends(&self, x: &Tensor) -> Addends {
        let short = |x: &Tensor| self.short(x);
        let (full, rounded) = match x.terms() {
            _ if x.is_held_full() => (Some(x.view()), Vec::new()),
            Some(Terms { full, rounded }) => {
                (full.as_ref().map(Tensor::view), rounded.iter().map(short).collect())
            }
            None => (None, vec![short(x)]),
        };
        let has_full = full.is_some();
        let full = full.unwrap_or_else(|| View::of(self.allocate(size_of::<f32>()), 1));
        let format = if self.rounds { format::<bf16>() } else { format::<f32>() };
        Addends { full, has_full, rounded, format }
    }
}

/// Where a kernel writes the rounded copy of a result.
pub(crate) struct RoundedCopy {
    pub view: View,
    /// The format of its elements.
    pub format: StorageType,
    /// Whether a copy is written at all. Otherwise the view only fills the kernel's argument.
    pub wanted: bool,
}

impl RoundedCopy {
    /// The copy of a tensor; wanted only where products round and `complete` says that the kernel writes the whole tensor.
    /// A row is rounded as one, so a kernel that writes a piece's copy must write those of all other pieces too.
    pub fn of(context: &Context, x: &Tensor, complete: bool) -> Self {
        if context.rounds && complete && x.len() > 0 {
            return Self { view: Self::view(context, x), format: format::<bf16>(), wanted: true };
        }
        // As long as a vector, for kernels that take vectors.
        let view = View::of(context.allocate(4 * size_of::<f32>()), 4);
        Self { view, format: format::<f32>(), wanted: false }
    }

    fn view(context: &Context, x: &Tensor) -> View {
        if let Some((row, number)) = &x.buffer.place {
            let all = Self::view(context, row.memory());
            return all.part_of::<bf16>(row.offsets()[*number], x.len());
        }
        let mut rounded = x.buffer.rounded();
        let new = || {
            let view = View::of(context.allocate(x.len() * size_of::<bf16>()), x.len());
            Rounded { view, factor: None }
        };
        rounded.get_or_insert_with(new).view.clone()
    }
}

/// Writes an element of a rounded copy, if one is wanted.
#[cube]
pub(crate) fn write_rounded<F: Float>(
    copy: &mut Array<F>,
    index: usize,
    value: f32,
    #[comptime] wanted: bool,
) {
    if wanted {
        copy[index] = F::cast_from(value);
    }
}
