//! How an open device fares: what it granted, and whether sound flows without holes. Pure.

use std::time::Duration;

use super::report::SEE_PRIORITY;
use super::{Finding, Section, Verdict};

/// A block longer than this is a delay that is heard.
const BLOCK_MS: f64 = 25.0;
/// So much of the time may lack its frames: what was in flight at both ends, and a busy machine.
const MISSING: Duration = Duration::from_millis(150);
/// A device silent for longer than this tears a hole into a voice.
const GAP: Duration = Duration::from_millis(100);

/// What was seen of a stream while it ran.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamFacts {
    /// "microphone" or "loudspeaker".
    pub noun: &'static str,
    /// The option that chooses another one.
    pub option: &'static str,
    pub name: String,
    pub rate: u32,
    pub channels: u16,
    /// Frames a block, as granted; `None`: the device decides each time.
    pub granted: Option<u32>,
    /// The shortest and the longest block that came.
    pub came: Option<(u32, u32)>,
    /// Frames that came within this time.
    pub frames: u64,
    pub over: Duration,
    /// The longest time between two blocks.
    pub gap: Duration,
    /// Overruns or underruns that the device told of.
    pub xruns: u32,
    /// What the device said of itself, a sentence.
    pub remark: Option<String>,
    /// Its thread asked for real-time priority, and was refused.
    pub denied: bool,
    /// It broke meanwhile: why.
    pub failure: Option<String>,
}

impl StreamFacts {
    fn ms(&self, frames: u32) -> f64 {
        f64::from(frames) * 1e3 / f64::from(self.rate.max(1))
    }

    fn block(&self) -> String {
        let granted = match self.granted {
            Some(frames) => format!("granted {frames} frames ({:.1} ms)", self.ms(frames)),
            None => "no fixed block granted".into(),
        };
        match self.came {
            Some((low, high)) if low == high => format!("{granted}, came {low}"),
            Some((low, high)) => format!("{granted}, came {low} to {high}"),
            None => granted,
        }
    }

    /// Frames that should have come and did not, as time.
    fn missing(&self) -> Duration {
        let came = Duration::from_secs_f64(self.frames as f64 / f64::from(self.rate.max(1)));
        self.over.saturating_sub(came)
    }
}

/// Three findings: the device, its buffer, its flow.
#[must_use]
pub fn judge(facts: &StreamFacts) -> Vec<Finding> {
    let section = Section::Sound;
    let StreamFacts { noun, option, .. } = *facts;
    let plural = if facts.channels == 1 { "" } else { "s" };
    let device = Finding::ok(section, noun, format!("{}: {} Hz, {} channel{plural}", facts.name, facts.rate, facts.channels));
    let block = facts.block();
    let long = facts.granted.or(facts.came.map(|(_, high)| high)).is_some_and(|frames| facts.ms(frames) > BLOCK_MS);
    let buffer = if long || facts.granted.is_none() && facts.remark.is_some() {
        let remark = facts.remark.as_deref().unwrap_or("its blocks are long: expect a longer delay");
        let advice = format!("The {noun} takes no small blocks: try another device with {option}, or another --host.");
        Finding::warn(section, "its buffer", format!("{block}; {remark}"), advice)
    } else {
        Finding::ok(section, "its buffer", block)
    };
    let mut findings = vec![device, buffer, flow(facts)];
    if facts.denied {
        findings.push(Finding::skipped(section, "its thread", "asked for real-time priority and was refused"));
    }
    findings
}

fn flow(facts: &StreamFacts) -> Finding {
    let (section, noun) = (Section::Sound, facts.noun);
    let seconds = facts.over.as_secs_f64();
    if let Some(failure) = &facts.failure {
        let advice = format!("The {noun} broke while it was tried: see whether the sound server runs, and plug the device in anew.");
        return Finding::bad(section, "its flow", failure, advice);
    }
    if facts.frames == 0 {
        let advice =
            format!("The {noun} opens and then stands still: choose another one with {}, or restart the sound server.", facts.option);
        return Finding::bad(section, "its flow", format!("no block within {seconds:.1} s"), advice);
    }
    let (gap, missing) = (facts.gap.as_secs_f64() * 1e3, facts.missing());
    let says = format!("{} frames in {seconds:.1} s, longest gap {gap:.0} ms, {} told", facts.frames, plural_of(facts.xruns));
    let verdict = if facts.xruns > 0 || facts.gap > GAP || missing > MISSING { Verdict::Warn } else { Verdict::Ok };
    if verdict == Verdict::Ok {
        return Finding::ok(section, "its flow", says);
    }
    let says = if missing > MISSING { format!("{says}; {:.0} ms of sound are missing", missing.as_secs_f64() * 1e3) } else { says };
    let advice = format!("The {noun} drops out: close what keeps this machine busy{SEE_PRIORITY}.");
    Finding::warn(section, "its flow", says, advice)
}

fn plural_of(xruns: u32) -> String {
    if xruns == 1 { "1 drop-out".into() } else { format!("{xruns} drop-outs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> StreamFacts {
        StreamFacts {
            noun: "microphone",
            option: "--input",
            name: "Webcam".into(),
            rate: 48_000,
            channels: 1,
            granted: Some(240),
            came: Some((120, 480)),
            frames: 96_000,
            over: Duration::from_secs(2),
            gap: Duration::from_millis(11),
            xruns: 0,
            remark: None,
            denied: false,
            failure: None,
        }
    }

    fn verdicts(facts: &StreamFacts) -> Vec<Verdict> {
        judge(facts).iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_good_device_is_told_with_its_figures() {
        let says: Vec<String> = judge(&facts()).into_iter().map(|finding| finding.says).collect();
        let flow = "96000 frames in 2.0 s, longest gap 11 ms, 0 drop-outs told";
        assert_eq!(says, ["Webcam: 48000 Hz, 1 channel", "granted 240 frames (5.0 ms), came 120 to 480", flow]);
        assert_eq!(verdicts(&facts()), [Verdict::Ok; 3]);
    }

    #[test]
    fn long_blocks_holes_and_a_standstill_are_told() {
        use Verdict::{Bad, Ok, Skipped, Warn};
        let with = |change: &dyn Fn(&mut StreamFacts)| {
            let mut facts = facts();
            change(&mut facts);
            verdicts(&facts)
        };
        assert_eq!(with(&|facts| facts.granted = Some(2_048)), [Ok, Warn, Ok]);
        assert_eq!(with(&|facts| (facts.granted, facts.remark) = (None, Some("No small blocks.".into()))), [Ok, Warn, Ok]);
        assert_eq!(with(&|facts| facts.xruns = 1), [Ok, Ok, Warn]);
        assert_eq!(with(&|facts| facts.gap = Duration::from_millis(101)), [Ok, Ok, Warn]);
        assert_eq!(with(&|facts| facts.frames = 88_000), [Ok, Ok, Warn]);
        assert_eq!(with(&|facts| facts.frames = 90_000), [Ok, Ok, Ok], "125 ms were in flight");
        assert_eq!(with(&|facts| facts.frames = 0), [Ok, Ok, Bad]);
        assert_eq!(with(&|facts| facts.failure = Some("gone".into())), [Ok, Ok, Bad]);
        assert_eq!(with(&|facts| facts.denied = true), [Ok, Ok, Ok, Skipped]);
    }
}
