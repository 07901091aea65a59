//! Buffers that nobody owns for long.
//!
//! A session that waits holds no buffer. One that speaks or hears borrows one from its thread for as long as bytes are
//! in it, so that a busy session allocates nothing and an idle one costs nothing.

use std::cell::RefCell;

/// How much is read at once, in bytes: enough that a flood costs few system calls, and little enough that one turn of
/// it is short.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// How much room a thread keeps in spare buffers, in bytes: enough for all sessions that one pass of its scheduler makes
/// speak, unless they flood.
const SPARE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The largest buffer worth keeping, in bytes: what a burst needed beyond this goes back to the allocator.
const BUFFER_MAX_BYTES: usize = 256 * 1024;

/// How large a new buffer is, in bytes: some lines.
const BUFFER_MIN_BYTES: usize = 512;

/// Buffers that nobody has borrowed.
struct Spare {
    buffers: Vec<Vec<u8>>,
    /// Their room together.
    bytes: usize,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: Vec::new(), bytes: 0 }) };
}

/// Lends this thread's read buffer for the length of one turn.
pub(crate) fn with_read_buffer<R>(turn: impl FnOnce(&mut [u8]) -> R) -> R {
    READ.with_borrow_mut(|buffer| turn(buffer))
}

/// An empty buffer with room, warm where the thread has one.
pub(crate) fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(|spare| match spare.buffers.pop() {
        Some(buffer) => {
            spare.bytes -= buffer.capacity();
            buffer
        }
        None => Vec::with_capacity(BUFFER_MIN_BYTES),
    })
}

/// Gives a buffer back.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if (1..=BUFFER_MAX_BYTES).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.bytes + buffer.capacity() <= SPARE_MAX_BYTES {
                spare.bytes += buffer.capacity();
                spare.buffers.push(buffer);
            }
        });
    }
}
