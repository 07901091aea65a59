//! What a thread has allocated, counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that are allocated now, and the most that were at once. What is allocated in one thread is freed there.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with a count. What grows counts twice while it moves.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is asked by unsafe calls, and passes them on as they are")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().saturating_add_unsigned(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: whoever calls this keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub_unsigned(layout.size()));
        // SAFETY: whoever calls this keeps the contract of `dealloc`, and `pointer` is from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that this thread has allocated at once for `work`.
pub(crate) fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    PEAK.get().abs_diff(before)
}

#[test]
fn what_is_allocated_is_counted() {
    assert_eq!(peak_of(|| drop((vec![0_u8; 1000], vec![0_u8; 500]))), 1500);
    assert_eq!(peak_of(|| [300, 700].into_iter().for_each(|len| drop(vec![0_u8; len]))), 700);
}
