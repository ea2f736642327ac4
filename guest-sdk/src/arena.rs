//! The allocator of a mapper's component.
//!
//! A host gives every batch a fresh instance and throws it away, so freeing is wasted work, and growing memory is
//! the dearest thing a guest can do: page faults, and system calls that stop the host's other threads. So:
//!
//! * A few orders live in a fixed arena that is part of the initial memory: no growth at all, and little for the host to
//!   wipe afterwards. One that a hundred fit in makes their batch a tenth faster and each single order a third slower, since
//!   what a large batch has touched once is wiped after every call.
//! * A batch of hundreds grows by large steps, once or twice.
//! * What frees and takes again and again until it has had [`ARENA_BYTES_MAX`] goes on with the ordinary allocator,
//!   which takes back.
//!
//! The last block can grow and shrink where it is, which is what a vector or a string does while it is filled.

#![expect(unsafe_code, reason = "an allocator hands out raw memory; the invariants stand at each block")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// Bytes of the fixed arena: about twenty orders with their invoices.
const FIRST_BYTES: usize = 160 * 1024;
/// Bytes by which it grows at least: about a hundred orders more.
const STEP_BYTES: usize = 640 * 1024;
/// Bytes after which the ordinary allocator takes over.
const ARENA_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a page of Wasm's memory.
const PAGE_BYTES: usize = 64 * 1024;

pub(crate) struct Arena {
    first: UnsafeCell<[u8; FIRST_BYTES]>,
    /// What was grown, as one range of addresses: nobody else grows before the arena has had all that it may have.
    grown: Cell<(usize, usize)>,
    /// The next free address, and the end of the range it lies in. Zero before the first allocation.
    free: Cell<(usize, usize)>,
}

// SAFETY: the component model gives a mapper one thread; nothing here is ever reached by two.
unsafe impl Sync for Arena {}

#[global_allocator]
pub(crate) static ARENA: Arena =
    Arena { first: UnsafeCell::new([0; FIRST_BYTES]), grown: Cell::new((0, 0)), free: Cell::new((0, 0)) };

impl Arena {
    fn first(&self) -> (usize, usize) {
        let start = self.first.get() as usize;
        (start, start + FIRST_BYTES)
    }

    fn holds(&self, pointer: *mut u8) -> bool {
        let within = |(start, end): (usize, usize)| (start..end).contains(&(pointer as usize));
        within(self.first()) || within(self.grown.get())
    }

    /// A piece of the range that is in use, if it has one left.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let (mut next, mut end) = self.free.get();
        if next == 0 {
            (next, end) = self.first();
        }
        // An alignment is a power of two: a division would cost more than all the rest.
        let start = next.checked_add(layout.align() - 1)? & !(layout.align() - 1);
        let stop = start.checked_add(layout.size()).filter(|stop| *stop <= end)?;
        self.free.set((stop, end));
        Some(start as *mut u8)
    }

    /// Makes room for at least `bytes`; `false` if the arena has had all that it may have, or there is no more memory.
    fn grow(&self, bytes: usize) -> bool {
        let (start, end) = self.grown.get();
        let step = bytes.saturating_add(PAGE_BYTES).max(STEP_BYTES);
        if end - start + step > ARENA_BYTES_MAX {
            return false;
        }
        let pages = step.div_ceil(PAGE_BYTES);
        let before = core::arch::wasm32::memory_grow(0, pages);
        if before == usize::MAX {
            return false;
        }
        let (from, to) = (before * PAGE_BYTES, (before + pages) * PAGE_BYTES);
        if end == from {
            // Joined to what was grown before, so that the rest of that is not lost.
            let (next, _) = self.free.get();
            self.grown.set((start, to));
            self.free.set((next, to));
        } else {
            self.grown.set((from, to));
            self.free.set((from, to));
        }
        true
    }

    /// Whether a block is the last one that was handed out, so that it can change its size where it is.
    fn is_last(&self, pointer: *mut u8, bytes: usize) -> bool {
        pointer as usize + bytes == self.free.get().0
    }
}

// SAFETY: `alloc` returns either a piece of the arena that nobody has (the mark falls only over the last piece, when
// that is given back or shrinks), aligned as asked, or what the system allocator returns; `dealloc` and `realloc` give
// only the latter back to it.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(piece) = self.take(layout) {
            return piece;
        }
        if self.grow(layout.size() + layout.align())
            && let Some(piece) = self.take(layout)
        {
            return piece;
        }
        // SAFETY: the caller's layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !self.holds(pointer) {
            // SAFETY: it came from the system allocator, under this layout.
            unsafe { System.dealloc(pointer, layout) }
        } else if self.is_last(pointer, layout.size()) {
            self.free.set((pointer as usize, self.free.get().1));
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !self.holds(pointer) {
            // SAFETY: it came from the system allocator, under this layout.
            return unsafe { System.realloc(pointer, layout, bytes) };
        }
        if self.is_last(pointer, layout.size()) {
            let (_, end) = self.free.get();
            if let Some(stop) = (pointer as usize).checked_add(bytes).filter(|stop| *stop <= end) {
                self.free.set((stop, end));
                return pointer;
            }
        } else if bytes <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller's size is positive and fits with the alignment, as `realloc` demands.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(bytes, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks have as many bytes, and they are two.
            unsafe { std::ptr::copy_nonoverlapping(pointer, moved, layout.size().min(bytes)) };
        }
        moved
    }
}
