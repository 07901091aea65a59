//! Processor time and memory of the server's process, from Linux's `/proc`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::error::Error;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    /// Fails if `/proc` does not give the times and memory of process `pid`.
    pub(crate) fn new(pid: u32) -> Result<Self, Error> {
        let process = Self { pid };
        process.threads().and_then(|_| process.resident_bytes()).map(|_| process)
    }

    /// Processor time of each thread, in user mode and in the kernel.
    pub(crate) fn threads(self) -> Result<ThreadCpuTimes, Error> {
        ThreadCpuTimes::of(Path::new(&format!("/proc/{}", self.pid))).map_err(|source| self.error(source))
    }

    /// Anonymous resident memory, in bytes. It excludes file pages, which the kernel shares and reclaims.
    pub(crate) fn resident_bytes(self) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(|source| self.error(source))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(1024 * kib.ok_or_else(|| self.error(io::Error::other("its status has no RssAnon")))?)
    }

    fn error(self, source: io::Error) -> Error {
        Error::Process { pid: self.pid, source }
    }
}

/// Processor time of all threads of a process, at one moment.
///
/// `schedstat` counts in nanoseconds, but only for live threads, and may miss up to one scheduler tick (at most 4 ms)
/// of a running thread. The time of the process also counts threads that have ended.
#[derive(Clone, Debug)]
pub(crate) struct ThreadCpuTimes {
    each: BTreeMap<OsString, CpuTime>,
    process: Duration,
}

impl ThreadCpuTimes {
    /// Reads the process with the directory `proc`, such as `/proc/42`.
    fn of(proc: &Path) -> io::Result<Self> {
        let mut each = BTreeMap::new();
        for task in fs::read_dir(proc.join("task"))? {
            let task = task?;
            // A thread may end between the listing and the read.
            if let Some(cpu) = CpuTime::from_schedstat(&task.path().join("schedstat")) {
                each.insert(task.file_name(), cpu);
            }
        }
        if each.is_empty() {
            return Err(io::Error::other("none of its threads has a readable schedstat"));
        }
        let process = parse_stat(&fs::read_to_string(proc.join("stat"))?);
        Ok(Self { each, process: process.ok_or_else(|| io::Error::other("its stat has no times"))? })
    }

    /// Processor time since `earlier`, including that of threads that have ended.
    pub(crate) fn since(&self, earlier: &Self) -> CpuTime {
        let mut sum = CpuTime::default();
        for (thread, cpu) in &self.each {
            let cpu = cpu.since(earlier.each.get(thread).copied().unwrap_or_default());
            sum.used += cpu.used;
            sum.waited += cpu.waited;
        }
        let process = self.process.saturating_sub(earlier.process);
        // If the process used more than its threads, beyond the error of its ticks, some threads have ended.
        if process > sum.used + 4 * TICK { CpuTime { used: process, ..sum } } else { sum }
    }
}

/// Unit of the times in `stat`: `sysconf(_SC_CLK_TCK)` is 100 per second on Linux, for any scheduler tick.
const TICK: Duration = Duration::from_millis(10);

/// The sum of `utime` and `stime` in a `stat` line (`proc_pid_stat(5)`). The process name before them may hold spaces
/// and brackets.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    TICK.checked_mul(ticks)
}

/// Processor time of one or more threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// Time on a core.
    pub(crate) used: Duration,
    /// Time ready to run while another thread had the core.
    pub(crate) waited: Duration,
}

impl CpuTime {
    /// Processor time of the calling thread. Zero where there is no `/proc`.
    pub(crate) fn of_this_thread() -> Self {
        let waited = Self::from_schedstat(Path::new("/proc/thread-self/schedstat")).unwrap_or_default().waited;
        Self { used: clock::thread_cpu_time(), waited }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        let since = |of: fn(&Self) -> Duration| of(&self).saturating_sub(of(&earlier));
        Self { used: since(|cpu| cpu.used), waited: since(|cpu| cpu.waited) }
    }

    /// Parses the first two numbers of a `schedstat` file, in nanoseconds (Documentation/scheduler/sched-stats.rst of
    /// Linux).
    fn from_schedstat(path: &Path) -> Option<Self> {
        let schedstat = fs::read_to_string(path).ok()?;
        let mut times = schedstat.split_ascii_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        Some(Self { used: times.next()?.ok()?, waited: times.next()?.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_reports_time_and_memory() {
        let this = Process::new(std::process::id()).expect("this process exists");
        let before = this.threads().expect("/proc can be read");
        let held = vec![1_u8; 32 << 20];
        std::hint::black_box(&held);
        assert!(this.threads().expect("/proc can be read").since(&before).used > Duration::ZERO);
        assert!(this.resident_bytes().expect("/proc can be read") > 32 << 20);
    }

    #[test]
    fn a_missing_process_is_an_error() {
        // Above the largest process id of Linux (proc_sys_kernel(5)).
        let error = Process::new(1 << 30).expect_err("no such process").to_string();
        assert!(error.starts_with("cannot look at process 1073741824: No such file"), "{error}");
    }

    #[test]
    fn cpu_time_of_ended_threads_is_counted() {
        let this = Process::new(std::process::id()).expect("this process exists");
        let before = this.threads().expect("/proc can be read");
        let busy = std::thread::spawn(|| while clock::thread_cpu_time() < Duration::from_millis(200) {});
        busy.join().expect("the thread does not panic");
        let used = this.threads().expect("/proc can be read").since(&before).used;
        assert!(used >= Duration::from_millis(180), "{used:?}");
    }

    #[test]
    fn an_ended_thread_subtracts_nothing() {
        let ms = Duration::from_millis;
        let threads = |each: &[(&str, u64)], process| ThreadCpuTimes {
            each: each.iter().map(|&(id, used)| (id.into(), CpuTime { used: ms(used), waited: ms(1) })).collect(),
            process: ms(process),
        };
        let before = threads(&[("1", 1003), ("2", 500)], 1500);
        let cases = [
            ("none ended", threads(&[("1", 2004), ("2", 507)], 2510), 1008),
            ("one started", threads(&[("1", 2004), ("2", 500), ("3", 9)], 2510), 1010),
            ("one ended that did nothing", threads(&[("1", 2004)], 2500), 1001),
            ("one ended that did something", threads(&[("1", 2004)], 2800), 1300),
        ];
        for (case, after, expected) in cases {
            assert_eq!(after.since(&before).used, ms(expected), "{case}");
        }
    }

    #[test]
    fn unreadable_threads_are_an_error() {
        let proc = std::env::temp_dir().join(format!("switchboard-bench-{}", std::process::id()));
        fs::create_dir_all(proc.join("task").join("7")).expect("a folder can be made");
        let read = ThreadCpuTimes::of(&proc).map_err(|error| error.to_string());
        fs::remove_dir_all(&proc).expect("a folder can be removed");
        assert_eq!(read.expect_err("the thread has no schedstat"), "none of its threads has a readable schedstat");
    }

    #[test]
    fn stat_times_follow_the_process_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 12 30 7 7 20 0 3 0";
        assert_eq!(parse_stat(stat), Some(Duration::from_millis(420)));
        assert_eq!(parse_stat("42 (a) S 1 42"), None);
    }
}
