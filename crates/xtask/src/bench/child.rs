//! Runs a program until it exits, and measures its resource usage.

use std::process::{Command, Stdio};
use std::time::Duration;

/// Resource usage of one program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildUsage {
    /// Processor time, in user mode and in the kernel.
    pub(crate) cpu: Duration,
    /// Largest resident memory, in bytes.
    pub(crate) peak_bytes: u64,
}

/// Runs a program on one core and discards its output. Fails if the program fails.
pub(crate) fn run(command: &[&str]) -> Result<ChildUsage, String> {
    // `taskset` replaces itself with the program, so the usage of the child is that of the program.
    let child = Command::new("taskset")
        .args(["--cpu-list", CORE])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("taskset cannot be started: {error}"))?;
    let (status, usage) = wait(child.id()).map_err(|error| format!("{} cannot be waited for: {error}", command[0]))?;
    if status != 0 {
        return Err(format!("the program failed; to see why, run: {}", command.join(" ")));
    }
    Ok(usage)
}

/// Every machine has core 0. Always using the same core makes the times comparable.
const CORE: &str = "0";

/// Waits for a child, and returns its exit status and usage. The standard library cannot return the usage.
#[expect(unsafe_code, reason = "wait4 is the only call that returns the usage of one child")]
fn wait(pid: u32) -> Result<(i32, ChildUsage), std::io::Error> {
    let pid = libc::pid_t::try_from(pid).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: `rusage` is a struct of integers, so all zeros are a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers come from live, exclusive local variables, and `wait4` writes no further than their
    // types.
    if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        return Err(std::io::Error::last_os_error());
    }
    // Linux gives `ru_maxrss` in KiB.
    let peak_bytes = 1024 * u64::try_from(usage.ru_maxrss).unwrap_or_default();
    Ok((status, ChildUsage { cpu: duration(usage.ru_utime) + duration(usage.ru_stime), peak_bytes }))
}

fn duration(time: libc::timeval) -> Duration {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(unsigned(time.tv_sec)) + Duration::from_micros(unsigned(time.tv_usec))
}
