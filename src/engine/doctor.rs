//! The doctor's checks: each measures one thing, within a time limit, and tells the pure room `doctor` what it saw.
//!
//! Threads of its own, none of the engine's: no ring of a call leads from here to the sender, so nothing that the checks hear or play
//! is ever a part of what leaves. While somebody is in a call the devices stay shut; a call that begins meanwhile ends their check at once.

mod network;
mod sound;
mod system;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Meters, Settings};
use crate::doctor::{Finding, Report, Section};
use crate::units::DEFAULT_PORT;

/// No check takes longer; the whole takes this and a moment.
const LIMIT: Duration = Duration::from_secs(11);
/// The findings of the checks at most, with room.
const CHECKS: usize = 8;

/// What is examined.
#[derive(Clone)]
pub struct Patient {
    pub host: Option<String>,
    pub input: Vec<String>,
    pub output: Vec<String>,
    pub bind: IpAddr,
    pub port: u16,
    /// Real-time priority is asked for.
    pub realtime: bool,
    /// At whose port to knock.
    pub peer: Option<String>,
    /// Why the config file is not used, and where in it: "line 3: ...".
    pub config_problem: Option<String>,
    /// Our own engine runs, and has the port.
    pub runs: bool,
    /// Whether somebody is in a call on this machine, as far as is known: then no device is touched.
    pub in_call: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patient")
            .field("input", &self.input)
            .field("output", &self.output)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Default for Patient {
    fn default() -> Self {
        Self {
            host: None,
            input: vec!["default".into()],
            output: vec!["default".into()],
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: DEFAULT_PORT,
            realtime: true,
            peer: None,
            config_problem: None,
            runs: false,
            in_call: Arc::new(|| false),
        }
    }
}

impl Patient {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            host: settings.host.clone(),
            input: settings.input.clone(),
            output: settings.output.clone(),
            bind: settings.bind,
            port: settings.port,
            realtime: settings.realtime,
            ..Self::default()
        }
    }

    /// The program that asks, whose engine is bound to `port` and has these meters.
    #[must_use]
    pub fn running(settings: &Settings, port: u16, meters: Arc<Meters>) -> Self {
        let in_call = Arc::new(move || meters.is_anybody_engaged());
        Self { port, runs: true, in_call, ..Self::of(settings) }
    }
}

/// Begins the checks, on threads of their own. The report as it grows; the channel ends when it is whole.
#[must_use]
pub fn begin(patient: Patient) -> Receiver<Report> {
    let (tell, told) = bounded(CHECKS + 2);
    let failed = tell.clone();
    let doctor = Builder::new().name("doctor".into()).spawn(move || examine(patient, &tell));
    if doctor.is_err() {
        let mut report = Report::default();
        let advice = "The system has no thread left for the checks: end something, and try again.";
        report.extend([Finding::bad(Section::Program, "checks", "none was made", advice)]);
        let _ = failed.try_send(report);
    }
    told
}

type Check = fn(&Patient) -> Vec<Finding>;

/// Name, of what to speak where it takes too long, what it does.
const TABLE: [(Section, &str, Check); 7] = [
    (Section::Program, "system", system::program),
    (Section::Sound, "devices", sound::devices),
    (Section::Sound, "streams", sound::streams),
    (Section::Network, "port", network::port),
    (Section::Network, "peer", network::peer),
    (Section::Clock, "clock", system::clock),
    (Section::Files, "files", system::files),
];
const _: () = assert!(TABLE.len() <= CHECKS);

fn examine(patient: Patient, tell: &Sender<Report>) {
    let mut report = Report::default();
    let end = Instant::now() + LIMIT;
    // A device that opens after all, when nobody waits any more, is closed again at once.
    let in_call = Arc::clone(&patient.in_call);
    let patient = &Arc::new(Patient { in_call: Arc::new(move || in_call() || Instant::now() >= end), ..patient });
    // A receiver each, in the report's order: within a section findings stand as the table has them.
    let begun: Vec<Receiver<Vec<Finding>>> = TABLE.iter().map(|(_, name, check)| on_its_own(name, *check, patient)).collect();
    for ((section, what, _), found) in TABLE.into_iter().zip(begun) {
        match found.recv_deadline(end) {
            Ok(findings) => report.extend(findings),
            Err(_) => report.extend([overdue(section, what)]),
        }
        let _ = tell.try_send(report.clone());
    }
}

/// The check may hang in a sick sound server or name server: then its thread is left to itself.
fn on_its_own(name: &str, check: Check, patient: &Arc<Patient>) -> Receiver<Vec<Finding>> {
    let (tell, told) = bounded(1);
    let patient = Arc::clone(patient);
    let begun = Builder::new().name(format!("doctor-{name}")).spawn(move || {
        let _ = tell.send(check(&patient));
    });
    if let Err(error) = begun {
        tracing::warn!(%error, "no thread for the check of {name}");
    }
    told
}

fn overdue(section: Section, what: &'static str) -> Finding {
    let says = format!("no answer within {} s", LIMIT.as_secs());
    let advice = match section {
        Section::Sound => {
            "The sound system does not answer: restart it (systemctl --user restart pipewire-pulse, or pulseaudio -k), or choose another --host."
        }
        Section::Network => "The network's name service does not answer: see whether this machine is on a network, or use IP addresses.",
        _ => "A check did not end: this machine is very busy, or a disk does not answer.",
    };
    Finding::bad(section, what, says, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    /// What can be examined anywhere: no card, any free port.
    fn nowhere() -> Patient {
        Patient {
            input: vec!["voice".into()],
            output: vec!["null".into()],
            bind: IpAddr::V4([127, 0, 0, 1].into()),
            port: 0,
            ..Patient::default()
        }
    }

    fn whole(patient: Patient) -> Report {
        begin(patient).into_iter().last().expect("a report")
    }

    #[test]
    fn a_report_is_whole_and_every_section_has_its_say() {
        let report = whole(nowhere());
        for section in Section::ALL.into_iter().filter(|section| *section != Section::Terminal) {
            assert!(report.of(section).count() > 0, "{section:?}: {}", report.text());
        }
        let says =
            |what: &str| report.findings().find(|finding| finding.what == what).map(|finding| finding.says.clone()).unwrap_or_default();
        assert!(says("microphone").starts_with("voice: 48000 Hz") && says("microphone level").contains("virtual"), "{}", report.text());
        assert!(says("round trip").contains("virtual") && says("own addresses").contains("127.0.0.1"), "{}", report.text());
    }

    #[test]
    fn during_a_call_no_device_is_touched_and_that_is_said() {
        let report = whole(Patient { in_call: Arc::new(|| true), ..nowhere() });
        let sound: Vec<_> = report.of(Section::Sound).filter(|finding| finding.what != "devices").collect();
        assert!(!sound.is_empty());
        for finding in sound {
            assert!(finding.verdict == Verdict::Skipped && finding.says.contains("call"), "{finding:?}");
        }
    }

    #[test]
    fn a_call_that_begins_ends_the_check_of_the_devices() {
        let begun = Instant::now();
        let in_call = Arc::new(move || begun.elapsed() > Duration::from_millis(500));
        let report = whole(Patient { in_call, ..nowhere() });
        let text = report.text();
        assert!(text.contains("broken off: a call began") && !text.contains("microphone level"), "{text}");
    }
}
