//! Integers on the device, uploaded a batch at a time.

use crate::context::Context;
use crate::pool::ALIGNMENT;
use crate::view::View;
use cubecl::bytes::Bytes;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Integers on the device, with a copy on the host. All integers of a batch are uploaded together when the first of them
/// is used.
#[derive(Clone, Debug)]
pub struct Index {
    block: Rc<Block>,
    offset: usize,
    pub(crate) values: Rc<[u32]>,
    /// For token ids: their rows by token, which the gradient of the embedding takes.
    pub(crate) groups: Option<Rc<[Index; 3]>>,
}

/// Integers that are uploaded together.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pending: RefCell<Vec<u32>>,
    uploaded: OnceCell<View>,
}

impl Index {
    /// Puts `values` into `block`, or into a new block where that one is uploaded already.
    pub(crate) fn new(block: &mut Rc<Block>, values: &[u32]) -> Self {
        if block.uploaded.get().is_some() {
            *block = Rc::default();
        }
        let mut pending = block.pending.borrow_mut();
        let offset = pending.len();
        pending.extend_from_slice(values);
        // At least one element to bind, and alignment for the next values.
        let end = (offset + values.len().max(1)).next_multiple_of(ALIGNMENT);
        pending.resize(end, 0);
        drop(pending);
        Self { block: block.clone(), offset, values: values.into(), groups: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn view(&self, context: &Context) -> View {
        let uploaded = self.block.uploaded.get_or_init(|| {
            let pending = std::mem::take(&mut *self.block.pending.borrow_mut());
            let len = pending.len();
            View::uploaded(context.upload(Bytes::from_elems(pending)), len)
        });
        uploaded.part(self.offset, self.values.len())
    }
}
