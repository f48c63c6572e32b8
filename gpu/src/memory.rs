//! Device memory in pieces as large as they are asked for.
//!
//! CubeCL's pools round up: a buffer of 64 MiB opens a page of gigabytes on a large device. Here slabs are taken from it
//! and cut. A piece that is dropped may be given out at once, though kernels that use it still wait: those that will use
//! it next wait behind them.

use crate::tensor::ALIGNMENT;
use cubecl::prelude::*;
use cubecl::server::Handle;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;

/// Bytes that pieces begin at multiples of.
const GRAIN: usize = 4 * ALIGNMENT;

/// A slab has at least so many bytes, or an eighth of all that there are, up to [`MOST_SPARE`].
const LEAST: usize = 2 << 20;
const MOST_SPARE: usize = 64 << 20;

/// CubeCL's client of a device, and the memory that was taken from it.
pub(crate) struct Client<R: Runtime> {
    client: ComputeClient<R>,
    slabs: Rc<RefCell<Slabs>>,
    /// Whether kernels write what products take, rounded, beside their results: see [`crate::short`].
    pub rounds: bool,
}

impl<R: Runtime> Deref for Client<R> {
    type Target = ComputeClient<R>;

    fn deref(&self) -> &ComputeClient<R> {
        &self.client
    }
}

impl<R: Runtime> Client<R> {
    pub fn new(client: ComputeClient<R>, rounds: bool) -> Self {
        Self { client, slabs: Rc::default(), rounds }
    }

    /// Memory for `bytes`, and for an element to bind where that is none, holding anything.
    pub fn piece(&self, bytes: usize) -> Rc<Piece> {
        let bytes = bytes.max(size_of::<f32>());
        let size = bytes.next_multiple_of(GRAIN);
        let mut slabs = self.slabs.borrow_mut();
        let at = slabs.free.take(size).unwrap_or_else(|| {
            let room = size.max(slabs.spare());
            slabs.add(self.slab(room), room);
            slabs.free.take(size).expect("a new slab has room")
        });
        let handle = within(&slabs.handles[at.slab], at.first, bytes);
        Rc::new(Piece { handle, at, size, slabs: self.slabs.clone() })
    }

    /// Memory of exactly `bytes`.
    fn slab(&self, bytes: usize) -> Handle {
        let client = &self.client;
        let exact = client.memory_persistent_allocation((), |()| client.empty(bytes));
        exact.unwrap_or_else(|why| panic!("{bytes} bytes of device memory: {why:?}"))
    }
}

/// Memory of its owner's own; it goes back when the last owner does.
#[derive(Debug)]
pub(crate) struct Piece {
    pub handle: Handle,
    at: Place,
    size: usize,
    slabs: Rc<RefCell<Slabs>>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.slabs.borrow_mut().free.give(self.at, self.size);
    }
}

/// `bytes` of a handle from `first` on.
pub(crate) fn within(handle: &Handle, first: usize, bytes: usize) -> Handle {
    let (start, bytes) = (first as u64, bytes as u64);
    let end = handle.size_in_used() - start - bytes;
    let offset = |handle: Handle, by: u64, f: fn(Handle, u64) -> Handle| {
        if by == 0 { handle } else { f(handle, by) }
    };
    offset(offset(handle.clone(), start, Handle::offset_start), end, Handle::offset_end)
}

/// What was taken from the device.
#[derive(Debug, Default)]
struct Slabs {
    handles: Vec<Handle>,
    bytes: usize,
    free: Free,
}

impl Slabs {
    /// Bytes of a new slab, where no piece needs more.
    fn spare(&self) -> usize {
        (self.bytes / 8).clamp(LEAST, MOST_SPARE).next_multiple_of(GRAIN)
    }

    fn add(&mut self, handle: Handle, bytes: usize) {
        let slab = self.handles.len();
        self.handles.push(handle);
        self.bytes += bytes;
        self.free.give(Place { slab, first: 0 }, bytes);
    }
}

/// Where a piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    slab: usize,
    first: usize,
}

/// What nobody uses, by place and by size; neighbours are one.
#[derive(Debug, Default)]
struct Free {
    sizes: BTreeMap<Place, usize>,
    places: BTreeSet<(usize, Place)>,
}

impl Free {
    /// The smallest room for `size`, cut to it.
    fn take(&mut self, size: usize) -> Option<Place> {
        let lowest = Place { slab: 0, first: 0 };
        let &(room, place) = self.places.range((size, lowest)..).next()?;
        self.remove(place, room);
        if room > size {
            self.insert(Place { first: place.first + size, ..place }, room - size);
        }
        Some(place)
    }

    fn give(&mut self, mut place: Place, mut size: usize) {
        let after = Place { first: place.first + size, ..place };
        if let Some(&more) = self.sizes.get(&after) {
            self.remove(after, more);
            size += more;
        }
        let before = self.sizes.range(..place).next_back().map(|(&place, &size)| (place, size));
        if let Some((before, more)) = before
            && before.slab == place.slab
            && before.first + more == place.first
        {
            self.remove(before, more);
            (place, size) = (before, size + more);
        }
        self.insert(place, size);
    }

    fn insert(&mut self, place: Place, size: usize) {
        self.sizes.insert(place, size);
        self.places.insert((size, place));
    }

    fn remove(&mut self, place: Place, size: usize) {
        self.sizes.remove(&place);
        self.places.remove(&(size, place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(slab: usize, first: usize) -> Place {
        Place { slab, first }
    }

    #[test]
    fn the_smallest_room_is_cut() {
        let mut free = Free::default();
        free.give(place(0, 0), 1000);
        free.give(place(1, 0), 300);
        assert_eq!(free.take(200), Some(place(1, 0)));
        assert_eq!(free.take(200), Some(place(0, 0)));
        assert_eq!(free.take(100), Some(place(1, 200)));
        assert_eq!(free.take(801), None);
        assert_eq!(free.take(800), Some(place(0, 200)));
        assert_eq!(free.take(1), None);
    }

    #[test]
    fn neighbours_become_one_within_their_slab() {
        let mut free = Free::default();
        free.give(place(0, 0), 100);
        free.give(place(0, 200), 100);
        free.give(place(1, 0), 100);
        free.give(place(0, 100), 100);
        assert_eq!(
            free.sizes.into_iter().collect::<Vec<_>>(),
            [(place(0, 0), 300), (place(1, 0), 100)]
        );
        assert_eq!(free.places.len(), 2);
    }
}
