//! Linux: asks the kernel itself, reads back what it gave, and sees to it that a raised thread that runs wild is put back.
//!
//! A real-time thread that never waits would keep others off its processor; the kernel's own brake (`sched_rt_runtime_us`) leaves
//! them a twentieth of it. Here it is let go at all after a fifth of a second (`RLIMIT_RTTIME`): the kernel sends SIGXCPU to the
//! thread that ran so long, and its handler makes that thread an ordinary one. No program ends of it, and no call.

use std::io;
use std::sync::Once;

use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};

use super::Granted;

/// Before all ordinary threads, behind those of sound servers and of the kernel.
const PRIORITY: libc::c_int = 10;
/// Nice level asked for where real-time scheduling is refused.
const NICE: i32 = -11;
/// A raised thread that runs so long, µs, without once waiting for anything, is put back. A frame takes a thousandth of it.
const RUNAWAY: u64 = 200_000;
/// Threads that a raised one begins are ordinary ones.
const RESET_ON_FORK: libc::c_int = 0x4000_0000;

/// Raises the calling thread, and says what it has then.
pub(super) fn raise() -> Granted {
    guard();
    let why = match ask() {
        Ok(()) => "not granted, though nothing was refused".to_owned(),
        Err(refusal) => refusal,
    };
    if !is_real_time() {
        be_nice();
    }
    read(why)
}

/// The user's own right first, then rtkit.
fn ask() -> Result<(), String> {
    let refusal = match be_real_time() {
        Ok(()) => return Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => "this user may not".to_owned(),
        Err(error) => error.to_string(),
    };
    #[cfg(feature = "realtime-dbus")]
    let refusal = match audio_thread_priority::promote_current_thread_to_real_time(super::PERIOD, crate::units::SAMPLE_RATE) {
        Ok(_) => {
            // rtkit wants a limit, and its client sets it to one period: a packet's burst would pass that.
            limit_runaway();
            return Ok(());
        }
        Err(error) => format!("{refusal}; rtkit: {error}"),
    };
    Err(refusal)
}

/// The same without a word, in an audio callback: true, if it is real-time now.
pub(super) fn raise_quietly(to_real_time: bool) -> bool {
    if is_real_time() || to_real_time && be_real_time().is_ok() {
        return true;
    }
    be_nice();
    false
}

/// What the kernel says that the calling thread has; `why` it is no more.
fn read(why: String) -> Granted {
    match getpriority_process(None) {
        _ if is_real_time() => Granted::RealTime,
        Ok(level) if level < 0 => Granted::Nice(level, why),
        _ => Granted::Ordinary(why),
    }
}

pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Rtprio).current
}

fn is_real_time() -> bool {
    // SAFETY: has no pointers; 0 is the calling thread.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    policy >= 0 && matches!(policy as libc::c_int & !RESET_ON_FORK, libc::SCHED_RR | libc::SCHED_FIFO)
}

/// As high as wanted, or as this user's limit lets him.
fn be_real_time() -> io::Result<()> {
    let refusal = match schedule(libc::SCHED_RR, PRIORITY) {
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    match limit().map(|limit| limit as libc::c_int) {
        Some(limit) if (1..PRIORITY).contains(&limit) => schedule(libc::SCHED_RR, limit),
        _ => Err(refusal),
    }
}

/// The calling thread alone. The system call itself: musl's function of that name always fails.
fn schedule(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    // SAFETY: 0 is the calling thread; the kernel reads one int, which lives as long as the call.
    let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy | RESET_ON_FORK, &raw const priority) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// As nice as wanted, or as this user's limit lets him. On Linux the nice level belongs to the thread, whatever POSIX says.
fn be_nice() {
    let now = getpriority_process(None).unwrap_or(0);
    let limit = getrlimit(Resource::Nice).current.map_or(NICE, |limit| 20 - limit.min(40) as i32);
    for level in [NICE, limit.max(NICE)] {
        if level >= now || setpriority_process(None, level).is_ok() {
            return;
        }
    }
}

/// Once a process: the limit, and what is done when a thread passes it. A limit on the whole program's processor time sends the
/// same signal: that one ends the program at its hard limit then.
pub(super) fn guard() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the action makes bare system calls on the thread it runs on and touches no memory: a signal handler may.
        match unsafe { signal_hook::low_level::register(libc::SIGXCPU, stand_back) } {
            Ok(_) => limit_runaway(),
            Err(error) => tracing::warn!("no watch over real-time threads: {error}"),
        }
    });
}

/// In the signal's handler, on the thread that ran so long.
fn stand_back() {
    let _ = schedule(libc::SCHED_OTHER, 0);
    // The kernel has lengthened the limit by a second.
    limit_runaway();
}

/// The hard limit, at which the kernel would end the program, stays where it is.
fn limit_runaway() {
    let maximum = getrlimit(Resource::Rttime).maximum;
    let current = Some(maximum.map_or(RUNAWAY, |maximum| RUNAWAY.min(maximum / 2)));
    let _ = setrlimit(Resource::Rttime, Rlimit { current, maximum });
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    use super::*;

    /// Policy and nice level of the calling thread by another way than the code's: the kernel's file about it.
    fn kernel() -> (i64, i64) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("proc");
        let fields: Vec<i64> =
            stat.rsplit_once(')').expect("a name").1.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        // Of those after the name, which is the second of all: the 41st and the 19th.
        (fields[38], fields[16])
    }

    fn is_what_the_kernel_says(granted: &Granted) {
        let (policy, nice) = kernel();
        let real_time = policy == i64::from(libc::SCHED_RR) || policy == i64::from(libc::SCHED_FIFO);
        match granted {
            Granted::RealTime => assert!(real_time, "policy {policy}"),
            Granted::Nice(level, _) => {
                assert!(!real_time && i64::from(*level) == nice && nice < 0, "{granted}: policy {policy}, nice {nice}")
            }
            Granted::Ordinary(_) => assert!(!real_time && nice >= 0, "{granted}: policy {policy}, nice {nice}"),
        }
    }

    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        thread::spawn(work).join().expect("it holds")
    }

    #[test]
    fn what_is_said_to_be_granted_is_what_the_kernel_gave() {
        on_a_thread(|| {
            let granted = raise();
            is_what_the_kernel_says(&granted);
            if granted == Granted::RealTime {
                assert_eq!(on_a_thread(|| kernel().0), 0, "what it begins is ordinary");
                assert!(raise_quietly(true) && raise_quietly(false), "it stays");
            }
        });
        on_a_thread(|| assert_eq!(raise_quietly(true), is_real_time()));
        on_a_thread(|| assert!(!raise_quietly(false) && kernel().0 == 0, "nothing but its nice level"));
    }

    #[test]
    fn a_user_without_rights_is_told_the_truth() {
        on_a_thread(|| {
            let none = CapabilitySet::empty();
            set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).expect("fewer rights");
            let granted = raise();
            is_what_the_kernel_says(&granted);
            if limit() == Some(0) {
                assert_ne!(granted, Granted::RealTime);
                assert!(granted.to_string().contains("this user may not"), "{granted}");
            }
        });
    }

    #[test]
    fn a_raised_thread_that_runs_wild_becomes_an_ordinary_one() {
        on_a_thread(|| {
            if raise() != Granted::RealTime {
                return;
            }
            let begun = Instant::now();
            while is_real_time() {
                assert!(begun.elapsed() < Duration::from_secs(20), "it keeps a processor for itself");
            }
        });
    }
}
