//! Rounded copies of results: a kernel writes what it computes a second time in the format of products, so that no product
//! has to round its operands.

use crate::context::Context;
use crate::tensor::{Rounded, Tensor};
use crate::view::View;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use half::bf16;

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
            let (format, wanted) = (bf16::as_type_native_unchecked().storage_type(), true);
            return Self { view: Self::view(context, x), format, wanted };
        }
        let (format, wanted) = (f32::as_type_native_unchecked().storage_type(), false);
        // As long as a vector, for kernels that take vectors.
        let view = View::of(context.allocate(4 * size_of::<f32>()), 4);
        Self { view, format, wanted }
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
