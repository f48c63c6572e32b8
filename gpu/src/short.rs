//! What products take, written by the kernel that makes it: none has to round it then.

use crate::memory::Client;
use crate::tensor::{Rounded, Tensor, View};
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use half::bf16;

/// Where a kernel puts what it writes a second time, in the numbers of products.
pub(crate) struct Short {
    pub view: View,
    /// What they are.
    pub of: StorageType,
    /// Whether they are wanted at all; the view is of one number nobody reads otherwise.
    pub wanted: bool,
}

impl Short {
    /// For a tensor of which all is about to be `written`; where that is not so, none. Of a piece of a row: all other
    /// pieces must be written so as well, for the row is rounded as one.
    pub fn of<R: Runtime>(client: &Client<R>, x: &Tensor, written: bool) -> Self {
        if client.rounds && written && x.len() > 0 {
            let (of, wanted) = (bf16::as_type_native_unchecked().storage_type(), true);
            return Self { view: Self::view(client, x), of, wanted };
        }
        let (of, wanted) = (f32::as_type_native_unchecked().storage_type(), false);
        // A vector of them, where a kernel takes vectors.
        Self { view: View::of(client.piece(4 * size_of::<f32>()), 4), of, wanted }
    }

    fn view<R: Runtime>(client: &Client<R>, x: &Tensor) -> View {
        if let Some((row, number)) = &x.buffer.place {
            let all = Self::view(client, row.memory());
            return all.part_of::<bf16>(row.offset(*number), x.len());
        }
        let mut rounded = x.buffer.rounded.borrow_mut();
        let new = || {
            let view = View::of(client.piece(x.len() * size_of::<bf16>()), x.len());
            Rounded { view, factor: None }
        };
        rounded.get_or_insert_with(new).view.clone()
    }
}

/// Writes what products take.
#[cube]
pub(crate) fn write_short<F: Float>(
    short: &mut Array<F>,
    at: usize,
    value: f32,
    #[comptime] wanted: bool,
) {
    if wanted {
        short[at] = F::cast_from(value);
    }
}
