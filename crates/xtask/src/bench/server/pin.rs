//! One core for the server, another for the load generator.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two cores that this process may use: the server's, and the load generator's.
fn cores() -> Result<[usize; 2], String> {
    let allowed = allowed()?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(server), Some(generator)) => Ok([server, generator]),
        _ => Err("this needs two cores, one for the server and one for the load generator".to_owned()),
    }
}

/// The cores that the process was started on: of its first thread, which is never moved.
fn allowed() -> Result<CpuSet, String> {
    let first = rustix::process::getpid();
    sched_getaffinity(Some(first)).map_err(|error| format!("cannot tell which cores there are: {error}"))
}

fn to(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("cannot move to core {core}: {error}"))
}

/// Moves this thread, and what it starts from now on, to the server's core.
pub(super) fn to_server_core() -> Result<(), String> {
    to(cores()?[0])
}

/// Moves this thread to the load generator's core.
pub(super) fn to_generator_core() -> Result<(), String> {
    to(cores()?[1])
}
