//! What a frame of 10 ms costs, in time of the thread that does it.

use std::time::Duration;

use super::speech::speech;
use voicetui::audio::Frame;
use voicetui::audio::process::{Chain, Wanted, When};
use voicetui::audio::vad::{Tuning, Vad};
use voicetui::units::FRAME_SAMPLES;

const FRAMES: usize = 3_000;

pub fn print() {
    println!("a frame of 10 ms, microseconds of the thread's time\n\n| work | median | 99 of 100 below |\n|---|---|---|");
    let wanted = |echo, noise| Wanted { echo, noise, gain: true };
    let mut vad = Vad::new().expect("a detector");
    row("voice detector", |frame| _ = vad.push(frame, Tuning::default()));
    for (name, wanted) in [
        ("high-pass, gain, limiter (a clean voice)", wanted(false, When::Off)),
        ("the same and noise suppression", wanted(false, When::On)),
        ("the same and echo cancellation", wanted(true, When::Off)),
        ("all", wanted(true, When::On)),
    ] {
        let (mut chain, mut n) = (Chain::default(), 0);
        chain.set(wanted);
        row(name, |frame| {
            n += FRAME_SAMPLES as u64;
            let far = *frame;
            chain.clean(frame, Some(&far));
            chain.finish(frame, n % (100 * FRAME_SAMPLES as u64) > 0);
        });
    }
    println!();
}

fn row<T>(name: &str, mut work: impl FnMut(&mut Frame) -> T) {
    let mut times: Vec<Duration> = Vec::with_capacity(FRAMES);
    for n in 0..FRAMES {
        let mut frame: Frame = std::array::from_fn(|k| speech((n * FRAME_SAMPLES + k) as u64) + 0.001);
        let start = thread_time();
        work(&mut frame);
        times.push(thread_time() - start);
    }
    times.drain(..200);
    times.sort();
    let us = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("| {name} | {:.0} | {:.0} |", us(0.5), us(0.99));
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
