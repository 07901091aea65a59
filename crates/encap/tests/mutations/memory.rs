//! An allocator that counts the bytes allocated by each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes allocated now, and their peak. Each thread frees its own allocations.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system allocator with counters. A growing allocation counts twice while it moves.
struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

// SAFETY: both methods forward to `System`, which upholds the contract, and count without allocating.
#[expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait; the calls are forwarded unchanged")]
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().saturating_add_unsigned(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: the caller upholds the contract of `alloc`, which `System` shares.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub_unsigned(layout.size()));
        // SAFETY: the caller upholds the contract of `dealloc`, and `pointer` comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The peak of bytes that this thread allocates during `work`.
pub(crate) fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    PEAK.get().abs_diff(before)
}

#[test]
fn peak_counts_live_allocations() {
    assert_eq!(peak_of(|| drop((vec![0_u8; 1000], vec![0_u8; 500]))), 1500);
    assert_eq!(peak_of(|| [300, 700].into_iter().for_each(|len| drop(vec![0_u8; len]))), 700);
}
