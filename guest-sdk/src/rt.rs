//! What the generated bindings need at run time in a component: an allocator for the host, and constructors run once.
//!
//! Our own few lines instead of a crate, so that a mapper's project builds from its own folder, without a registry.

#![expect(unsafe_code, reason = "the canonical ABI hands out raw memory; the invariants stand at each block")]

#[cfg(target_arch = "wasm32")]
use std::alloc::GlobalAlloc as _;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

#[cfg(target_arch = "wasm32")]
use crate::arena::ARENA;

/// Memory that an argument is written into for the time of a call.
pub struct Cleanup {
    pointer: *mut u8,
    layout: Layout,
}

impl Cleanup {
    /// Memory of this layout, and what gives it back; for a size of zero there is neither.
    pub fn new(layout: Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (std::ptr::null_mut(), None);
        }
        // SAFETY: the size is not zero.
        let pointer = unsafe { alloc(layout) };
        if pointer.is_null() {
            handle_alloc_error(layout);
        }
        (pointer, Some(Self { pointer, layout }))
    }

    /// Leaves the memory to whoever was handed it.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: it was allocated under this layout, and is given back once.
        unsafe { dealloc(self.pointer, self.layout) }
    }
}

/// Gives the host memory to write arguments into, as the canonical ABI asks for it. The host calls it for every string, so it
/// goes to the allocator itself, past two functions that the compiler puts before it and does not join.
///
/// # Safety
/// As the canonical ABI says: `old` is either null with `old_size` 0, or was handed out here with this size and
/// alignment; `align` is a power of two.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    if old_size == 0 && new_size == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    let of = |size| Layout::from_size_align(size, align).unwrap_or_else(|_| std::process::abort());
    let layout = of(new_size);
    let given = if old_size == 0 {
        // SAFETY: the size is not zero.
        unsafe { ARENA.alloc(layout) }
    } else {
        // SAFETY: the caller hands back what it was given, under the layout it was given with; the host never
        // shrinks to nothing.
        unsafe { ARENA.realloc(old, of(old_size), new_size) }
    };
    if given.is_null() {
        handle_alloc_error(layout);
    }
    given
}

/// Keeps the linker from dropping `cabi_realloc`, which nothing in the guest calls.
pub fn maybe_link_cabi_realloc() {
    #[cfg(target_arch = "wasm32")]
    #[used]
    static KEPT: unsafe extern "C" fn(*mut u8, usize, usize, usize) -> *mut u8 = cabi_realloc;
}

/// Runs static constructors, once: a linker that finds no caller wraps every export in a call instead.
#[cfg(target_arch = "wasm32")]
pub fn run_ctors_once() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static RUN: AtomicBool = AtomicBool::new(false);
    if !RUN.swap(true, Ordering::Relaxed) {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: the linker makes this function; it is run once, before anything else of this instance.
        unsafe { __wasm_call_ctors() }
    }
}
