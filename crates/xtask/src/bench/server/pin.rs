//! Pins the server to one core and the load generator to another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two cores that this process may use: the core of the server, and the core of the load generator.
fn cores() -> Result<[usize; 2], String> {
    let allowed = allowed_cores()?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(server), Some(generator)) => Ok([server, generator]),
        _ => Err("two cores are needed, one for the server and one for the load generator".to_owned()),
    }
}

/// The cores that the main thread may use. The main thread is never pinned, so these are all cores of the process.
fn allowed_cores() -> Result<CpuSet, String> {
    let main_thread = rustix::process::getpid();
    sched_getaffinity(Some(main_thread)).map_err(|error| format!("the available cores are unknown: {error}"))
}

/// Pins this thread to `core`.
fn pin_to(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("cannot move to core {core}: {error}"))
}

/// Pins this thread to the server's core. Processes that it starts inherit the core.
pub(super) fn to_server_core() -> Result<(), String> {
    pin_to(cores()?[0])
}

/// Pins this thread to the load generator's core.
pub(super) fn to_generator_core() -> Result<(), String> {
    pin_to(cores()?[1])
}
