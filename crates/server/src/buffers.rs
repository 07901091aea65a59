//! Byte buffers that threads lend to sessions.
//!
//! A session has a buffer only while the session has bytes to store. So an idle session holds no buffer, and a busy
//! session reuses buffers instead of allocating them.

use std::cell::RefCell;

/// Size of the read buffer, in bytes. It is large enough that a flood costs few system calls, and small enough that the
/// lines of a full buffer take little time.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Maximum total capacity of a thread's spare buffers, in bytes: enough for all sessions that are ready in one pass of
/// the scheduler, except under a flood.
const SPARE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Maximum capacity of a spare buffer, in bytes. A buffer that grew larger in a burst is freed.
const BUFFER_MAX_BYTES: usize = 256 * 1024;

/// Capacity of a new buffer, in bytes: a few lines.
const BUFFER_MIN_BYTES: usize = 512;

/// The spare buffers of one thread.
struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// Total capacity of `buffers`.
    capacity_bytes: usize,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static SPARE: RefCell<SpareBuffers> =
        const { RefCell::new(SpareBuffers { buffers: Vec::new(), capacity_bytes: 0 }) };
}

/// Lends this thread's read buffer to one turn.
pub(crate) fn with_read_buffer<R>(turn: impl FnOnce(&mut [u8]) -> R) -> R {
    READ.with_borrow_mut(|buffer| turn(buffer))
}

/// Takes an empty buffer: a spare one of this thread, or a new one.
pub(crate) fn take() -> Vec<u8> {
    // `try_with` fails if the thread is ending and has destroyed its spare buffers.
    let spare = SPARE.try_with(|spare| {
        let spare = &mut *spare.borrow_mut();
        let buffer = spare.buffers.pop()?;
        spare.capacity_bytes -= buffer.capacity();
        Some(buffer)
    });
    spare.ok().flatten().unwrap_or_else(|| Vec::with_capacity(BUFFER_MIN_BYTES))
}

/// Keeps a buffer as a spare one of this thread, or frees it if it is too large or the thread has enough.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if (1..=BUFFER_MAX_BYTES).contains(&buffer.capacity()) {
        buffer.clear();
        let _ = SPARE.try_with(|spare| {
            let spare = &mut *spare.borrow_mut();
            if spare.capacity_bytes + buffer.capacity() <= SPARE_MAX_BYTES {
                spare.capacity_bytes += buffer.capacity();
                spare.buffers.push(buffer);
            }
        });
    }
}
