//! Processor time and memory of the server's process and its descendants, from Linux's `/proc`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
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
        process.thread_cpu_times().and_then(|_| process.resident_bytes()).map(|_| process)
    }

    /// Processor time of each thread, in user mode and in the kernel. Includes the descendants of the process.
    pub(crate) fn thread_cpu_times(self) -> Result<ThreadCpuTimes, Error> {
        let mut times = self.own_thread_cpu_times()?;
        for descendant in self.descendants() {
            // A process may end between the listing and the read. Its parent then counts its time.
            if let Ok(more) = descendant.own_thread_cpu_times() {
                times.add(more);
            }
        }
        Ok(times)
    }

    fn own_thread_cpu_times(self) -> Result<ThreadCpuTimes, Error> {
        ThreadCpuTimes::read(&self.proc()).map_err(|source| self.error(source))
    }

    /// Anonymous resident memory, in bytes. It excludes file pages, which the kernel shares and reclaims. Includes the
    /// descendants of the process.
    pub(crate) fn resident_bytes(self) -> Result<u64, Error> {
        let descendants = self.descendants().into_iter().filter_map(|process| process.own_resident_bytes().ok());
        Ok(self.own_resident_bytes()? + descendants.sum::<u64>())
    }

    fn own_resident_bytes(self) -> Result<u64, Error> {
        let status = fs::read_to_string(self.proc().join("status")).map_err(|source| self.error(source))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(1024 * kib.ok_or_else(|| self.error(io::Error::other("its status has no RssAnon")))?)
    }

    /// The children of this process, their children, and so on: some servers have a process for each session. Empty if
    /// the kernel does not list children.
    fn descendants(self) -> Vec<Self> {
        let mut found = self.children();
        let mut next = 0;
        while next < found.len() {
            let children = found[next].children();
            found.extend(children);
            next += 1;
        }
        found
    }

    fn children(self) -> Vec<Self> {
        let tasks = fs::read_dir(self.proc().join("task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .map(|pid| Self { pid })
            .collect()
    }

    fn proc(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    fn error(self, source: io::Error) -> Error {
        Error::Process { pid: self.pid, source }
    }
}

/// Processor time of all threads of some processes, at one moment.
///
/// The `schedstat` file of a thread counts in nanoseconds, but it may lack the last scheduler tick (at most 4 ms) of a
/// running thread, and it exists only while the thread lives. The `stat` file of the process counts only in ticks of
/// 10 ms, but it includes threads and child processes that have ended.
#[derive(Clone, Debug)]
pub(crate) struct ThreadCpuTimes {
    /// From `schedstat`, by thread id.
    threads: BTreeMap<OsString, CpuTime>,
    /// From `stat`.
    whole_process: Duration,
    /// Number of processes.
    processes: u32,
}

impl ThreadCpuTimes {
    /// Reads the times of the process whose directory is `proc`, such as `/proc/42`.
    fn read(proc: &Path) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(proc.join("task"))? {
            let task = task?;
            // A thread may end between the listing and the read.
            if let Some(cpu) = CpuTime::from_schedstat(&task.path().join("schedstat")) {
                threads.insert(task.file_name(), cpu);
            }
        }
        if threads.is_empty() {
            return Err(io::Error::other("none of its threads has a readable schedstat"));
        }
        let whole_process = parse_stat(&fs::read_to_string(proc.join("stat"))?);
        let whole_process = whole_process.ok_or_else(|| io::Error::other("its stat has no times"))?;
        Ok(Self { threads, whole_process, processes: 1 })
    }

    /// Adds the times of another process.
    fn add(&mut self, other: Self) {
        self.threads.extend(other.threads);
        self.whole_process += other.whole_process;
        self.processes += other.processes;
    }

    /// Processor time since `earlier`, including that of threads that have ended.
    pub(crate) fn since(&self, earlier: &Self) -> CpuTime {
        let mut sum = CpuTime::default();
        for (thread, cpu) in &self.threads {
            let cpu = cpu.since(earlier.threads.get(thread).copied().unwrap_or_default());
            sum.used += cpu.used;
            sum.waited += cpu.waited;
        }
        let process_used = self.whole_process.saturating_sub(earlier.whole_process);
        // If the process used much more time than its live threads, some threads have ended. A small difference may
        // come from rounding to ticks, for each process.
        if process_used > sum.used + 4 * TICK * self.processes { CpuTime { used: process_used, ..sum } } else { sum }
    }
}

/// Unit of the times in `stat`. Linux counts 100 of them per second (`sysconf(_SC_CLK_TCK)`), whatever the length of a
/// scheduler tick.
const TICK: Duration = Duration::from_millis(10);

/// The sum of `utime`, `stime`, `cutime` and `cstime` in a `stat` line (`proc_pid_stat(5)`): the time of the process and
/// of its children that have ended. The process name before them may hold spaces and brackets.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The four fields begin with the 12th after the name.
    let times = after_name.split_ascii_whitespace().skip(11).take(4).map(|field| field.parse::<u32>().ok());
    let ticks: Vec<_> = times.collect::<Option<_>>()?;
    if ticks.len() < 4 {
        return None;
    }
    TICK.checked_mul(ticks.into_iter().try_fold(0, u32::checked_add)?)
}

/// Processor time of one or more threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// Time on a core.
    pub(crate) used: Duration,
    /// Time spent ready to run, but waiting for a core.
    pub(crate) waited: Duration,
}

impl CpuTime {
    /// Processor time of the calling thread. `waited` is zero if there is no `/proc`.
    pub(crate) fn of_this_thread() -> Self {
        let waited = Self::from_schedstat(Path::new("/proc/thread-self/schedstat")).unwrap_or_default().waited;
        Self { used: clock::thread_cpu_time(), waited }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { used: self.used.saturating_sub(earlier.used), waited: self.waited.saturating_sub(earlier.waited) }
    }

    /// Parses the first two numbers of a `schedstat` file, in nanoseconds (Documentation/scheduler/sched-stats.rst of
    /// Linux). `None` if the file is missing or has another format.
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
        let process = Process::new(std::process::id()).expect("the test process exists");
        let before = process.thread_cpu_times().expect("/proc can be read");
        let memory = vec![1_u8; 32 << 20];
        std::hint::black_box(&memory);
        assert!(process.thread_cpu_times().expect("/proc can be read").since(&before).used > Duration::ZERO);
        assert!(process.resident_bytes().expect("/proc can be read") > 32 << 20);
    }

    #[test]
    fn a_missing_process_is_an_error() {
        // Above the largest process id of Linux (proc_sys_kernel(5)).
        let error = Process::new(1 << 30).expect_err("no such process").to_string();
        assert!(error.starts_with("cannot look at process 1073741824: No such file"), "{error}");
    }

    #[test]
    fn cpu_time_of_ended_threads_is_counted() {
        let process = Process::new(std::process::id()).expect("the test process exists");
        let before = process.thread_cpu_times().expect("/proc can be read");
        let busy = std::thread::spawn(|| while clock::thread_cpu_time() < Duration::from_millis(200) {});
        busy.join().expect("the thread does not panic");
        let used = process.thread_cpu_times().expect("/proc can be read").since(&before).used;
        assert!(used >= Duration::from_millis(180), "{used:?}");
    }

    #[test]
    fn cpu_time_of_descendants_is_counted() {
        // A shell whose child is a busy shell.
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sh -c 'while :; do :; done' & child=$!; trap 'kill $child' TERM; wait"])
            .spawn()
            .expect("sh can be started");
        let process = Process::new(shell.id()).expect("the shell exists");
        let before = process.thread_cpu_times().expect("/proc can be read");
        let deadline = clock::now() + Duration::from_secs(20);
        let mut used = Duration::ZERO;
        while used < Duration::from_millis(50) && clock::now() < deadline {
            used = process.thread_cpu_times().expect("/proc can be read").since(&before).used;
        }
        let shell_pid = rustix::process::Pid::from_child(&shell);
        rustix::process::kill_process(shell_pid, rustix::process::Signal::TERM).expect("the shell exists");
        shell.wait().expect("the shell ends");
        assert!(used >= Duration::from_millis(50), "{used:?}");
    }

    #[test]
    fn time_of_an_ended_thread_is_never_subtracted() {
        let ms = Duration::from_millis;
        // Each thread has an id and its processor time in milliseconds.
        let cpu_times = |threads: &[(&str, u64)], whole_process| ThreadCpuTimes {
            threads: threads.iter().map(|&(id, used)| (id.into(), CpuTime { used: ms(used), waited: ms(1) })).collect(),
            whole_process: ms(whole_process),
            processes: 1,
        };
        let before = cpu_times(&[("1", 1003), ("2", 500)], 1500);
        let cases = [
            ("no thread ended", cpu_times(&[("1", 2004), ("2", 507)], 2510), 1008),
            ("a thread started", cpu_times(&[("1", 2004), ("2", 500), ("3", 9)], 2510), 1010),
            ("a thread ended that used no more time", cpu_times(&[("1", 2004)], 2500), 1001),
            ("a thread ended that used more time", cpu_times(&[("1", 2004)], 2800), 1300),
        ];
        for (case, after, expected) in cases {
            assert_eq!(after.since(&before).used, ms(expected), "{case}");
        }
    }

    #[test]
    fn unreadable_threads_are_an_error() {
        let proc = std::env::temp_dir().join(format!("switchboard-bench-{}", std::process::id()));
        fs::create_dir_all(proc.join("task").join("7")).expect("a folder can be made");
        let outcome = ThreadCpuTimes::read(&proc).map_err(|error| error.to_string());
        fs::remove_dir_all(&proc).expect("a folder can be removed");
        assert_eq!(outcome.expect_err("the thread has no schedstat"), "none of its threads has a readable schedstat");
    }

    #[test]
    fn stat_times_follow_the_process_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 12 30 7 7 20 0 3 0";
        assert_eq!(parse_stat(stat), Some(Duration::from_millis(560)));
        assert_eq!(parse_stat("42 (a) S 1 42"), None);
    }
}
