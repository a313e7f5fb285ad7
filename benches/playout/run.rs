//! One cell of the grid: a minute of speech from one seed, over one network, through one kind of playout.

use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use voicetui::call::CallState;
use voicetui::playout::{Config, Delay};
use voicetui::units::Format;

use crate::ear::{self, Heard};
use crate::net::{Link, Net};
use crate::paths::{Path, fate};
use crate::sound::Coder;
use crate::speech::{speech, write};
use crate::world::{A, B, World, at};

/// Who listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// As a user has it.
    Ours,
    /// With this fixed delay, ms.
    Set(u16),
    /// What most others have: 60 ms, whatever comes, and no redundancy.
    Fixed60,
}

/// What happens in a cell.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub path: Path,
    /// Of the listener's card against the talker's.
    pub ppm: f64,
    /// The listener's card stands still between these seconds.
    pub stall: Option<(f64, f64)>,
    /// When what disturbs is over, s.
    pub ends: &'static [f64],
}

/// A talk spurt, and the silence after it, s.
const TALK: usize = 10;
const PAUSE: usize = 1;
const SPURTS: usize = 6;
/// Before the first one.
const LEAD_IN: usize = 2;
/// What a packet weighs beside its UDP payload: IPv4 and UDP.
const HEADERS: u64 = 28;
/// From a frame's end to its sound, without network and playout: frame, look-ahead, one card block.
const FIXED_MS: f64 = 10.0 + 6.5 + 5.0;

/// What came out; times in ms, shares in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Median mouth to ear in the first half second of a spurt; then median and 95th percentile of the rest.
    pub first: f64,
    pub median: f64,
    pub p95: f64,
    pub concealed: f64,
    pub late: f64,
    /// By which copies, of all packets.
    pub repaired: f64,
    /// Time added or taken away, ms a minute.
    pub stretched: f64,
    /// With all headers, while talking.
    pub kbits: f64,
    /// How much longer this side waits than the best fixed delay with as many late or concealed packets would (Moon,
    /// Kurose, Towsley 1998).
    pub beyond_best: f64,
    /// The sharpest click at the ear, and at the mouth, dB.
    pub click: f64,
    pub click_said: f64,
    /// Until the delay is near where it belongs again after a disturbance, s: the worst.
    pub recovered: f64,
}

pub fn run(scene: &Scene, listener: Listener, seed: u64, keep: Option<&FilePath>) -> Measured {
    let mut world = prepare(scene, listener, seed);
    let mut firsts = Vec::new();
    for _ in 0..SPURTS {
        firsts.push(world.nodes[0].said.len());
        world.nodes[0].key(true);
        world.run(Duration::from_secs(TALK as u64));
        world.nodes[0].key(false);
        world.run(Duration::from_secs(PAUSE as u64));
    }
    let talked = (SPURTS * TALK) as f64;
    let on_air = |at: usize| firsts.iter().any(|first| (*first..first + (TALK - 1) * 48_000).contains(&at));
    let mut pieces = ear::follow(&world.nodes[0].said, &world.nodes[1].heard);
    pieces.retain(|heard| on_air(heard.at));
    // The ear's samples are those of its own card: its clock runs away from the mouth's.
    let fast = 1.0 + scene.ppm * 1e-6;
    for Heard { at, lag } in &mut pieces {
        *lag = lag.map(|lag| ((*at + lag) as f64 / fast - *at as f64).max(0.0) as usize);
    }
    let meters = world.nodes[1].meters.peer(world.nodes[1].only());
    let voice = meters.voice_samples.get().max(1) as f64;
    let (packets, bytes) = world.net.sent[&(at(A), at(B))];
    let lag_ms = |heard: &&Heard| heard.lag.map(|lag| lag as f64 / 48.0 + 5.0);
    let in_first = |heard: &&Heard| firsts.iter().any(|first| (*first..first + 24_000).contains(&heard.at));
    let first: Vec<f64> = pieces.iter().filter(in_first).filter_map(|heard| lag_ms(&heard)).collect();
    let rest: Vec<f64> = pieces.iter().filter(|heard| !in_first(heard)).filter_map(|heard| lag_ms(&heard)).collect();
    // A spurt that begins meanwhile is behind by its pre-roll, as every one is.
    let settled: Vec<Heard> = pieces.iter().filter(|heard| !in_first(heard)).copied().collect();
    let edges: Vec<usize> = scene.stall.iter().flat_map(|(from, to)| [from, to]).map(|at| (at * 48_000.0) as usize).collect();
    let mut measured = Measured {
        first: quantile(first, 0.5),
        median: quantile(rest.clone(), 0.5),
        p95: quantile(rest, 0.95),
        concealed: 100.0 * meters.concealed_samples.get() as f64 / voice,
        late: 100.0 * meters.late_packets.get() as f64 * 480.0 / voice,
        repaired: 100.0 * meters.repaired_packets.get() as f64 * 480.0 / voice,
        stretched: meters.stretched_samples.get() as f64 / 48.0 / talked * 60.0,
        kbits: (bytes + HEADERS * packets) as f64 * 8.0 / 1_000.0 / talked,
        beyond_best: 0.0,
        click: ear::click(&world.nodes[1].heard, &edges),
        click_said: ear::click(&world.nodes[0].said, &[]),
        recovered: scene.ends.iter().map(|end| recovered(&settled, *end)).fold(0.0, f64::max),
    };
    let missed = measured.late + measured.concealed;
    measured.beyond_best = measured.median - FIXED_MS - best_fixed(&world.net, missed / 100.0);
    if let Some(folder) = keep {
        keep_sound(&world, &measured, &firsts, &folder.join(format!("{}-{listener:?}-{seed}", scene.name)));
    }
    measured
}

fn prepare(scene: &Scene, listener: Listener, seed: u64) -> World {
    let mut world = World::new(seed, Link::IDEAL);
    world.add_with(A, Coder::opus(), |config| config.format = Format::Sealed);
    world.add_with(B, Coder::opus(), |config| (config.format, config.answer_all) = (Format::Sealed, true));
    for node in &mut world.nodes {
        node.keeps = true;
        node.source = speech;
    }
    world.nodes[0].bare = listener == Listener::Fixed60;
    world.nodes[1].card.ppm = scene.ppm;
    world.nodes[1].card.stall = scene.stall.map(|(from, to)| (Duration::from_secs_f64(from), Duration::from_secs_f64(to)));
    world.nodes[1].playout = match listener {
        Listener::Ours => Config::default(),
        Listener::Set(ms) => Config { delay: Delay::Fixed(ms) },
        Listener::Fixed60 => Config { delay: Delay::Fixed(60) },
    };
    world.dial(0, B, None);
    // The network begins to do what it does once the call stands.
    let lead_in = Duration::from_secs(LEAD_IN as u64);
    assert!(world.run_until(lead_in, |world| world.nodes.iter().all(|node| node.state() == CallState::Live)), "a call");
    let start: Instant = world.start;
    world.net.fates.insert((at(A), at(B)), fate(scene.path, seed, start));
    world.net.fates.insert((at(B), at(A)), fate(scene.path, seed ^ 0xbac4, start));
    let passed = world.now - start;
    world.run(lead_in - passed);
    world
}

/// The value below which `share` of `values` lie.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The least delay between sending and playing that makes no more than `missed` of the packets that arrive come too late.
fn best_fixed(net: &Net, missed: f64) -> f64 {
    let travelled = net
        .journeys
        .iter()
        .filter(|(from, ..)| *from == at(A))
        .filter_map(|(_, _, sent, arrived)| arrived.map(|arrived| (arrived - *sent).as_secs_f64() * 1_000.0));
    quantile(travelled.collect(), 1.0 - missed.min(1.0))
}

/// How long after `end` the delay is within 5 ms of what it is four to six seconds later.
fn recovered(pieces: &[Heard], end: f64) -> f64 {
    let since = |heard: &Heard| heard.at as f64 / 48_000.0 - end;
    let settled: Vec<f64> = pieces.iter().filter(|h| (4.0..7.0).contains(&since(h))).filter_map(|h| h.lag).map(|lag| lag as f64).collect();
    let settled = quantile(settled, 0.5);
    let off =
        pieces.iter().filter(|h| (0.0..3.9).contains(&since(h))).filter(|h| h.lag.is_none_or(|lag| (lag as f64 - settled).abs() > 240.0));
    off.map(|heard| since(heard) + 0.2).fold(0.0, f64::max)
}

/// Mouth and ear as WAV files, aligned: nine seconds of each spurt, from half a second after its first sample on, end to end.
fn keep_sound(world: &World, measured: &Measured, firsts: &[usize], stem: &FilePath) {
    const PART: usize = 9 * 48_000;
    let shift = ((measured.median - 5.0).max(0.0) * 48.0) as usize;
    let parts = |samples: &[f32], shift: usize| -> Vec<f32> {
        firsts.iter().flat_map(|first| samples[first + 24_000 + shift..].iter().take(PART)).copied().collect()
    };
    write(&stem.with_extension("said.wav"), &parts(&world.nodes[0].said, 0));
    write(&stem.with_extension("heard.wav"), &parts(&world.nodes[1].heard, shift));
}
