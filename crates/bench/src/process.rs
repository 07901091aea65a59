//! What the server's process has used: processor time and memory, as Linux tells them in `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

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
    pub(crate) fn cpu(self) -> Result<Duration, Error> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).map_err(|source| self.failed(source))?;
        let mut nanoseconds = 0_u64;
        for task in tasks {
            let path = task.map_err(|source| self.failed(source))?.path().join("schedstat");
            // A thread may end between being listed and being read.
            let Ok(schedstat) = fs::read_to_string(path) else { continue };
            nanoseconds += schedstat.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let this = Process::new(std::process::id()).expect("we are here");
        let before = this.cpu().expect("it is told");
        let held = vec![1_u8; 32 << 20];
        std::hint::black_box(&held);
        assert!(this.cpu().expect("it is told") > before);
        assert!(this.resident_bytes().expect("it is told") > 32 << 20);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_that_says_so() {
        // No process has this number: it is beyond the most that Linux gives (proc_sys_kernel(5)).
        let error = Process::new(1 << 30).expect_err("nobody is there").to_string();
        assert!(error.starts_with("cannot look at process 1073741824: No such file"), "{error}");
    }
}
