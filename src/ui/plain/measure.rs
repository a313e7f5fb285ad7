//! `voicetui measure`: calls, measures the delay of the call, prints what came of it, and is done. Main thread.

use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam_channel::RecvTimeoutError;
use serde_json::{Value, json};

use super::words;
use crate::engine::{CallState, Command, Notice, PeerSnapshot, Snapshot, Summary, Target, Trials};
use crate::ui::Link;
use crate::ui::text;
use crate::units::PeerId;

/// How often the program's own figures are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A call that could not even be placed says so within this.
const PLACED: Duration = Duration::from_secs(5);
/// What a measurement takes besides its trials, and a lost trial of both phases.
const AROUND: Duration = Duration::from_secs(60);
const LOST: Duration = Duration::from_secs(8);
/// A trial of both phases, usually.
const TRIAL: Duration = Duration::from_millis(2_300);

/// What the command line asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measurement {
    pub peer: String,
    /// In each phase.
    pub trials: u16,
    /// One object in place of the table.
    pub json: bool,
}

/// Calls `peer`, measures, and prints to `out`; what happens meanwhile is told to `aside`. The call ends with the engine.
///
/// # Errors
/// One sentence: nobody answered, the peer refuses or is no voicetui, no chirp came back, or the output cannot be written.
pub fn measure(link: &Link, asked: &Measurement, out: &mut impl Write, aside: &mut impl Write) -> anyhow::Result<()> {
    (link.commands)(Command::Call { address: asked.peer.clone(), format: None });
    let mut watch = Watch { link, asked, problem: None, placed: None, ends: Instant::now() + PLACED, own: Own::default() };
    let trials = watch.wait(aside)?;
    let (steady, keyed) = (Summary::of(&trials.steady), Summary::of(&trials.keyed));
    let Some(steady) = steady else { bail!("No chirp came back from {}: is it deafened, or muted there?", asked.peer) };
    let printed = if asked.json {
        format!("{}\n", object(asked, &steady, keyed.as_ref(), &watch.own))
    } else {
        table(asked, &steady, keyed.as_ref(), &watch.own)
    };
    out.write_all(printed.as_bytes()).and_then(|()| out.flush()).context("the output cannot be written")
}

struct Watch<'a> {
    link: &'a Link,
    asked: &'a Measurement,
    /// The last one told of.
    problem: Option<String>,
    /// Our call, once it has a place.
    placed: Option<PeerId>,
    ends: Instant,
    own: Own,
}

impl Watch<'_> {
    fn wait(&mut self, aside: &mut impl Write) -> anyhow::Result<Trials> {
        loop {
            match self.link.notices.recv_timeout(LOOK) {
                Ok(notice) => {
                    if let Some(trials) = self.handle(notice, aside)? {
                        return Ok(trials);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => bail!("voicetui ended before the delay was measured."),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            self.own.look(&Snapshot::take(&self.link.meters, &self.link.controls, now), now);
            if now >= self.ends {
                bail!(self.problem.take().unwrap_or_else(|| format!("{} cannot be measured: nothing comes of it.", self.asked.peer)));
            }
        }
    }

    fn handle(&mut self, notice: Notice, aside: &mut impl Write) -> anyhow::Result<Option<Trials>> {
        let peer = &self.asked.peer;
        match notice {
            Notice::Measured(result) => return result.map(Some).map_err(anyhow::Error::msg),
            Notice::Peer { id, incoming: false, .. } => {
                self.placed = Some(id);
                // The ring ends by itself.
                self.ends = Instant::now() + Duration::from_secs(3_600);
            }
            // Somebody else may ring here meanwhile; nobody answers.
            Notice::State { id, .. } if self.placed != Some(id) => {}
            Notice::State { state: CallState::RingingThere, .. } => {
                let _ = writeln!(aside, "It rings at {peer}: somebody has to answer there.");
            }
            Notice::State { state: CallState::Live, .. } => {
                self.ends = Instant::now() + AROUND + LOST * u32::from(self.asked.trials);
                let seconds = (TRIAL * u32::from(self.asked.trials)).as_secs();
                let _ = writeln!(aside, "{peer} is there: measured in some {seconds} seconds.");
                (self.link.commands)(Command::Measure { target: Target::All, trials: self.asked.trials });
            }
            Notice::State { state: state @ CallState::Ended(_), .. } => {
                let sentence = self.problem.take().unwrap_or_else(|| words::state_words(state, peer));
                bail!(sentence);
            }
            Notice::Unsealed { .. } => bail!("No sealed answer from {peer}: no voicetui runs there, or nothing gets through."),
            Notice::KeyChanged { address, verified, .. } => {
                let [sentence, line] = text::key_changed(&address, verified);
                bail!("{sentence} If you know why it is new, say: {line}");
            }
            Notice::Problem(sentence) => self.problem = Some(sentence),
            Notice::Quit => bail!("Ended before the delay was measured."),
            _ => {}
        }
        Ok(None)
    }
}

/// The program's own figures while it measured: what its screen calls mouth to ear, and its parts.
#[derive(Debug, Default)]
struct Own {
    here: Vec<Option<f64>>,
    there: Vec<Option<f64>>,
    parts: Vec<(&'static str, Vec<Option<f64>>)>,
    at: Option<Instant>,
}

impl Own {
    fn look(&mut self, snapshot: &Snapshot, now: Instant) {
        if !snapshot.measuring || self.at.is_some_and(|at| now < at + LOOK) {
            return;
        }
        let Some(peer) = snapshot.peers.iter().find(|peer| peer.state == CallState::Live) else { return };
        self.at = Some(now);
        self.add(peer);
    }

    fn add(&mut self, peer: &PeerSnapshot) {
        self.here.push(peer.stack.total().map(f64::from));
        self.there.push(peer.heard_delay_ms.map(f64::from));
        for (name, part) in peer.stack.parts() {
            let part = part.map(f64::from);
            match self.parts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(part),
                None => self.parts.push((name, vec![part])),
            }
        }
    }

    /// Medians: of the peer's voice here, of ours there, and their mean where both are known.
    fn medians(&self) -> [Option<f64>; 3] {
        let [here, there] = [&self.here, &self.there].map(|values| median(values));
        [here, there, here.zip(there).map(|(here, there)| f64::midpoint(here, there))]
    }
}

fn median(values: &[Option<f64>]) -> Option<f64> {
    Summary::of(values).map(|summary| summary.median_ms)
}

fn table(asked: &Measurement, steady: &Summary, keyed: Option<&Summary>, own: &Own) -> String {
    let mut out = format!("{}, measured by chirps, there and back, halved:\n\n", asked.peer);
    let _ = writeln!(out, "{:14}{:>7}{:>6}{:>12}{:>12}   95 % confidence of the median", "", "trials", "lost", "median", "95 %");
    for (name, summary) in [("mouth to ear", Some(steady)), ("access time", keyed)] {
        let Some(summary) = summary else {
            let _ = writeln!(out, "{name:14}{:>7}{:>6}   no chirp came through whole", asked.trials, asked.trials);
            continue;
        };
        let confidence = summary.confidence_ms.map_or_else(|| "too few trials".into(), |(low, high)| format!("{low:.1} to {high:.1} ms"));
        let (median, p95) = (format!("{:.1} ms", summary.median_ms), format!("{:.1} ms", summary.p95_ms));
        let _ = writeln!(out, "{name:14}{:>7}{:>6}{median:>12}{p95:>12}   {confidence}", summary.trials, summary.lost);
    }
    let ms = |value: Option<f64>| value.map_or_else(|| "unknown".into(), |value| format!("{value:.1} ms"));
    let [here, there, mean] = own.medians();
    let _ = writeln!(out, "\nvoicetui's own sum: {} (its voice here {}, ours there {})", ms(mean), ms(here), ms(there));
    let parts: Vec<String> = own.parts.iter().map(|(name, values)| format!("{name} {}", ms(median(values)))).collect();
    let _ = writeln!(out, "its parts here: {}", parts.join(", "));
    out.push_str("Each side's sound cards count as far as they tell; what lies between them and the air does not.\n");
    out
}

/// A phase in `--json`; null where nothing came through.
pub(super) fn figures(summary: Option<&Summary>) -> Value {
    let Some(summary) = summary else { return Value::Null };
    let [median, p95, min, max] = [summary.median_ms, summary.p95_ms, summary.min_ms, summary.max_ms].map(hundredths);
    let confidence = summary.confidence_ms.map(|(low, high)| [hundredths(low), hundredths(high)]);
    json!({ "trials": summary.trials, "lost": summary.lost, "median_ms": median, "p95_ms": p95, "min_ms": min, "max_ms": max,
        "confidence_ms": confidence })
}

fn hundredths(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

fn object(asked: &Measurement, steady: &Summary, keyed: Option<&Summary>, own: &Own) -> Value {
    let [here, there, mean] = own.medians().map(|value| value.map(hundredths));
    let parts: serde_json::Map<_, _> =
        own.parts.iter().map(|(name, values)| (format!("{name}_ms"), json!(median(values).map(hundredths)))).collect();
    json!({ "peer": asked.peer, "mouth_to_ear": figures(Some(steady)), "access_time": figures(keyed),
        "own_sum": { "mean_ms": mean, "here_ms": here, "there_ms": there, "stack": parts } })
}
