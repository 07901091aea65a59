//! An allocator that counts the bytes allocated by each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that are allocated now. The number is correct because each thread frees its own allocations.
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    /// Highest number of live bytes since the last reset.
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// The system allocator with counters. While an allocation grows, its old and its new size both count: the default
/// `realloc` allocates, copies and frees.
struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

// SAFETY: both methods forward to `System`, which upholds the contract, and count without allocating.
#[expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait; the calls are forwarded unchanged")]
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.set(LIVE_BYTES.get().saturating_add_unsigned(layout.size()));
        PEAK_BYTES.set(PEAK_BYTES.get().max(LIVE_BYTES.get()));
        // SAFETY: the caller upholds the contract of `alloc`, which `System` shares.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.set(LIVE_BYTES.get().saturating_sub_unsigned(layout.size()));
        // SAFETY: the caller upholds the contract of `dealloc`, and `pointer` comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work`. Returns the highest number of bytes that `work` had allocated at one time in this thread.
pub(crate) fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    work();
    PEAK_BYTES.get().abs_diff(before)
}

#[test]
fn peak_counts_live_allocations() {
    assert_eq!(peak_of(|| drop((vec![0_u8; 1000], vec![0_u8; 500]))), 1500);
    assert_eq!(peak_of(|| [300, 700].into_iter().for_each(|len| drop(vec![0_u8; len]))), 700);
}
