//! Pins the server to one core and the load generator to another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two cores of this process: the server's, and the load generator's.
fn cores() -> Result<[usize; 2], String> {
    let allowed = allowed()?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(server), Some(generator)) => Ok([server, generator]),
        _ => Err("two cores are needed, one for the server and one for the load generator".to_owned()),
    }
}

/// The cores of the main thread, which is never pinned.
fn allowed() -> Result<CpuSet, String> {
    let first = rustix::process::getpid();
    sched_getaffinity(Some(first)).map_err(|error| format!("the available cores are unknown: {error}"))
}

fn to(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("cannot move to core {core}: {error}"))
}

/// Pins this thread, and the processes it starts, to the server's core.
pub(super) fn to_server_core() -> Result<(), String> {
    to(cores()?[0])
}

/// Pins this thread to the load generator's core.
pub(super) fn to_generator_core() -> Result<(), String> {
    to(cores()?[1])
}
