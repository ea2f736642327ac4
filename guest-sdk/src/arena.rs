//! The allocator of a mapper's component.
//!
//! A host gives every batch a fresh instance and throws it away, so freeing is wasted work, and growing memory is
//! the dearest thing a guest can do (page faults, and system calls that stop the host's other threads). A batch
//! therefore lives in a fixed arena; what does not fit goes to the ordinary allocator.

#![expect(unsafe_code, reason = "an allocator hands out raw memory; the invariants stand at each block")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// Bytes of the arena: a batch of a hundred orders with its invoices.
const ARENA_BYTES: usize = 768 * 1024;

struct Arena {
    memory: UnsafeCell<[u8; ARENA_BYTES]>,
    used: Cell<usize>,
}

// SAFETY: the component model gives a mapper one thread; nothing here is ever reached by two.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena { memory: UnsafeCell::new([0; ARENA_BYTES]), used: Cell::new(0) };

impl Arena {
    fn holds(&self, pointer: *mut u8) -> bool {
        let start = self.memory.get() as usize;
        (start..start + ARENA_BYTES).contains(&(pointer as usize))
    }
}

// SAFETY: `alloc` returns either a piece of the arena that was never handed out before (the mark only rises), aligned
// as asked, or what the system allocator returns; `dealloc` gives only the latter back.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.memory.get() as usize;
        let aligned = (start + self.used.get()).next_multiple_of(layout.align());
        let end = aligned - start + layout.size();
        if end <= ARENA_BYTES {
            self.used.set(end);
            return aligned as *mut u8;
        }
        // SAFETY: the caller's layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !self.holds(pointer) {
            // SAFETY: it came from the system allocator, under this layout.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
}
