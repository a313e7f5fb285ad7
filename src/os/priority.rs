//! Asks the system for a hearing: real-time scheduling for the threads between microphone and speaker. The thread itself calls it.

#[cfg(target_os = "linux")]
mod linux;

use std::fmt;

/// Samples in 10 ms: what the thread works on at a time, as some systems want to know.
#[cfg(any(not(target_os = "linux"), feature = "realtime-dbus"))]
const PERIOD: u32 = crate::units::FRAME_SAMPLES as u32;

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

/// Raises the calling thread as far as this user may; the log says how far. Linux: `SCHED_RR` by the user's own right, else (with
/// the feature `realtime-dbus`) by rtkit, else nice -11; what is said is what the kernel says then.
pub fn raise(thread: &str) -> Granted {
    #[cfg(target_os = "linux")]
    let granted = linux::raise();
    #[cfg(not(target_os = "linux"))]
    let granted = match audio_thread_priority::promote_current_thread_to_real_time(PERIOD, crate::units::SAMPLE_RATE) {
        Ok(_) => Granted::RealTime,
        Err(error) => Granted::Ordinary(error.to_string()),
    };
    tracing::info!("{thread}: {granted}");
    granted
}

/// To be called before a stream is opened whose thread calls [`raise_at_first_block`]: makes ready what that may not allocate.
pub fn prepare() {
    #[cfg(target_os = "linux")]
    linux::guard();
}

/// Raises a thread of cpal's or of a sound system's, from its first block of sound; whether it has real-time priority then, `None`:
/// that is for cpal to tell. Neither allocates nor locks nor waits nor logs: on Linux a few short system calls, once. There cpal raises a
/// thread only with its own `realtime-dbus`, and then only that of a card without plugins; one that is real-time already stays as it
/// is (JACK's). Elsewhere cpal does it, or the system. `to_real_time`: else only its nice level is raised.
#[must_use]
pub fn raise_at_first_block(to_real_time: bool) -> Option<bool> {
    #[cfg(target_os = "linux")]
    return Some(linux::raise_quietly(to_real_time));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = to_real_time;
        None
    }
}

/// Whether a library whose file's name begins so is a part of this process; where the system does not tell, no.
#[must_use]
pub fn has_loaded(library: &str) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.contains(&format!("/{library}"))
}

/// The highest real-time priority that this user may ask for by himself; `None`: the system has no such limit, or does not tell.
#[must_use]
pub fn realtime_limit() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return linux::limit();
    #[cfg(not(target_os = "linux"))]
    None
}
