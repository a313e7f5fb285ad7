//! Asks the system for a hearing: real-time scheduling for the threads between microphone and speaker. The thread itself calls it.

use std::fmt;

/// Samples in 10 ms: what the thread works on at a time, as some systems want to know.
const PERIOD: u32 = crate::units::FRAME_SAMPLES as u32;
/// Nice level asked for where real-time scheduling is refused.
#[cfg(target_os = "linux")]
const NICE: i32 = -11;

/// What a thread got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Granted {
    RealTime,
    /// A better nice level, since real-time scheduling was refused: why.
    Nice(i32, String),
    /// Nothing: why.
    Ordinary(String),
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealTime => f.write_str("real-time"),
            Self::Nice(level, why) => write!(f, "nice {level} (real-time: {why})"),
            Self::Ordinary(why) => write!(f, "ordinary priority (real-time: {why})"),
        }
    }
}

/// Raises the calling thread as far as this user may; the log says how far. Linux: `SCHED_RR`, else nice -11. cpal does the
/// same for the threads of cards that it owns, not for those of sound servers.
pub fn raise(thread: &str) -> Granted {
    let granted = match audio_thread_priority::promote_current_thread_to_real_time(PERIOD, crate::units::SAMPLE_RATE) {
        Ok(_) => Granted::RealTime,
        Err(error) => raise_less(error.to_string()),
    };
    tracing::info!("{thread}: {granted}");
    granted
}

/// On Linux the nice level belongs to the thread, whatever POSIX says.
#[cfg(target_os = "linux")]
fn raise_less(refusal: String) -> Granted {
    match rustix::process::setpriority_process(None, NICE) {
        Ok(()) => Granted::Nice(NICE, refusal),
        Err(error) => Granted::Ordinary(format!("{refusal}; nice: {error}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn raise_less(refusal: String) -> Granted {
    Granted::Ordinary(refusal)
}

/// The highest real-time priority that this user may ask for by himself; `None`: the system has no such limit, or does not tell.
#[must_use]
pub fn realtime_limit() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return rustix::process::getrlimit(rustix::process::Resource::Rtprio).current;
    #[cfg(not(target_os = "linux"))]
    None
}
