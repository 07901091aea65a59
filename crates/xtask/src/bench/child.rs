//! A program that is run to its end, and what it took.

use std::process::{Command, Stdio};
use std::time::Duration;

/// What a program took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildUsage {
    /// Of the processor, in the program and in the system for it.
    pub(crate) cpu: Duration,
    /// The most memory that it held, in bytes.
    pub(crate) peak_bytes: u64,
}

/// Runs a program on one core, without its output. A program that fails is an error.
pub(crate) fn run(command: &[&str]) -> Result<ChildUsage, String> {
    // `taskset` becomes the program, so it is one process.
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
        return Err(format!("failed; to see why: {}", command.join(" ")));
    }
    Ok(usage)
}

/// Any will do, as long as it is one and the same; this one every machine has.
const CORE: &str = "0";

/// Waits for a child, and says how it ended and what it took: the standard library asks for the first alone.
#[expect(unsafe_code, reason = "wait4 is the call that tells what one child took")]
fn wait(pid: u32) -> Result<(i32, ChildUsage), std::io::Error> {
    let pid = libc::pid_t::try_from(pid).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: all zeros are a value of this struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live as long as the call, which writes them.
    if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        return Err(std::io::Error::last_os_error());
    }
    let peak_bytes = 1024 * u64::try_from(usage.ru_maxrss).unwrap_or_default();
    Ok((status, ChildUsage { cpu: duration(usage.ru_utime) + duration(usage.ru_stime), peak_bytes }))
}

fn duration(time: libc::timeval) -> Duration {
    let part = |n: i64| u64::try_from(n).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec)) + Duration::from_micros(part(time.tv_usec))
}
