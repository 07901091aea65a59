//! What the server's process has used: processor time and memory, as Linux tells them in `/proc`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::error::Error;

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    /// The process `pid`, if it can be looked at.
    pub(crate) fn new(pid: u32) -> Result<Self, Error> {
        let process = Self { pid };
        process.cpu().and_then(|_| process.resident_bytes()).map(|_| process)
    }

    /// The processor time of all its threads, in user mode and in the kernel.
    ///
    /// `schedstat` counts in nanoseconds, and knows only the threads that there are; a server ends none in the middle
    /// of a run. Of a thread that runs at this moment it may miss a tick of the scheduler, 4 ms at most.
    pub(crate) fn cpu(self) -> Result<Cpu, Error> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).map_err(|source| self.failed(source))?;
        let mut cpu = Cpu::default();
        for task in tasks {
            let path = task.map_err(|source| self.failed(source))?.path().join("schedstat");
            // A thread may end between being listed and being read.
            let of_thread = Cpu::of_schedstat(&path).unwrap_or_default();
            cpu.used += of_thread.used;
            cpu.waited += of_thread.waited;
        }
        Ok(cpu)
    }

    /// The memory that it has to itself, in bytes: without the pages of files, which the kernel shares and takes back.
    pub(crate) fn resident_bytes(self) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(|source| self.failed(source))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(1024 * kib.ok_or_else(|| self.failed(io::Error::other("its status has no RssAnon")))?)
    }

    fn failed(self, source: io::Error) -> Error {
        Error::Process { pid: self.pid, source }
    }
}

/// Processor time, of one thread or of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// For how long they ran.
    pub(crate) used: Duration,
    /// For how long they were ready to run, and something else ran.
    pub(crate) waited: Duration,
}

impl Cpu {
    /// That of the thread that asks; nothing where there is no `/proc`.
    pub(crate) fn of_this_thread() -> Self {
        let waited = Self::of_schedstat(Path::new("/proc/thread-self/schedstat")).unwrap_or_default().waited;
        Self { used: clock::of_thread(), waited }
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let since = |of: fn(&Self) -> Duration| of(&self).saturating_sub(of(&earlier));
        Self { used: since(|cpu| cpu.used), waited: since(|cpu| cpu.waited) }
    }

    /// The first two numbers of a `schedstat`, in nanoseconds (Documentation/scheduler/sched-stats.rst of Linux).
    fn of_schedstat(path: &Path) -> Option<Self> {
        let schedstat = fs::read_to_string(path).ok()?;
        let mut times = schedstat.split_ascii_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        Some(Self { used: times.next()?.ok()?, waited: times.next()?.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let this = Process::new(std::process::id()).expect("we are here");
        let before = this.cpu().expect("it is told");
        let held = vec![1_u8; 32 << 20];
        std::hint::black_box(&held);
        assert!(this.cpu().expect("it is told").used > before.used);
        assert!(this.resident_bytes().expect("it is told") > 32 << 20);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_that_says_so() {
        // No process has this number: it is beyond the most that Linux gives (proc_sys_kernel(5)).
        let error = Process::new(1 << 30).expect_err("nobody is there").to_string();
        assert!(error.starts_with("cannot look at process 1073741824: No such file"), "{error}");
    }
}
