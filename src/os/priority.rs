//! Asks the system for a hearing: real-time scheduling for the threads between microphone and speaker. The thread itself calls it.

/// Samples in 10 ms: what the thread works on at a time, as some systems want to know.
const PERIOD: u32 = crate::units::FRAME_SAMPLES as u32;
/// Nice level asked for where real-time scheduling is refused.
#[cfg(target_os = "linux")]
const NICE: i32 = -11;

/// Raises the calling thread as far as this user may; the log says how far. Linux: `SCHED_RR`, else nice -11. cpal does the
/// same for the threads of cards that it owns, not for those of sound servers.
pub fn raise(thread: &str) {
    match audio_thread_priority::promote_current_thread_to_real_time(PERIOD, crate::units::SAMPLE_RATE) {
        Ok(_) => tracing::info!("{thread}: real-time"),
        Err(error) => raise_less(thread, &error.to_string()),
    }
}

/// On Linux the nice level belongs to the thread, whatever POSIX says.
#[cfg(target_os = "linux")]
fn raise_less(thread: &str, refusal: &str) {
    match rustix::process::setpriority_process(None, NICE) {
        Ok(()) => tracing::info!("{thread}: nice {NICE} (real-time: {refusal})"),
        Err(error) => tracing::info!("{thread}: ordinary priority (real-time: {refusal}; nice: {error})"),
    }
}

#[cfg(not(target_os = "linux"))]
fn raise_less(thread: &str, refusal: &str) {
    tracing::info!("{thread}: ordinary priority ({refusal})");
}
