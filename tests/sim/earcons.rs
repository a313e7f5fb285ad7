//! Earcons in a whole call: heard on their own side, and nowhere else.

use std::time::Duration;

use voicetui::audio::earcon::Earcon;
use voicetui::call::DownlinkConfig;
use voicetui::engine::EarconChoice;
use voicetui::units::Format;

use crate::net::Link;
use crate::sound::silence;
use crate::world::{A, B, World};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// Softer than this is no earcon: the loudspeaker of a silent call.
const SILENT: f32 = 0.001;

fn sealed(config: &mut DownlinkConfig) {
    config.format = Format::Sealed;
}

/// A, who hears no earcons, and B, who hears those of `choice`; both have something to say only by them.
fn world(choice: EarconChoice) -> World {
    let mut world = World::new(5, Link::LAN);
    world.add(A, sealed);
    world.add(B, sealed);
    for node in &mut world.nodes {
        (node.source, node.keeps) = (silence, true);
    }
    world.nodes[1].controls.set_earcons(choice);
    world
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// What `node` hears from here on, while `time` passes.
fn hears(world: &mut World, node: usize, time: Duration) -> Vec<f32> {
    let from = world.nodes[node].heard.len();
    world.run(time);
    world.nodes[node].heard.split_off(from)
}

/// Whether just this one is heard, as it is.
fn is(heard: &[f32], earcon: Earcon) -> bool {
    let samples = earcon.samples();
    let Some(first) = heard.iter().position(|sample| sample.abs() > SILENT) else { return false };
    let Some(own) = samples.iter().position(|sample| sample.abs() > SILENT) else { return false };
    let (start, rest) = (first - own.min(first), &heard[first..]);
    let same = rest.iter().zip(&samples[own..]).all(|(heard, sample)| (heard - sample).abs() < SILENT);
    same && heard.len() >= start + samples.len() && peak(&heard[start + samples.len()..]) < SILENT
}

#[test]
fn a_call_is_heard_to_ring_to_begin_and_to_end_by_its_own_side_alone() {
    let mut world = world(EarconChoice::All);
    world.dial(0, B, None);
    let rings = hears(&mut world, 1, 2_900 * MS);
    assert!(is(&rings, Earcon::Ring), "{}", peak(&rings));
    assert!(is(&hears(&mut world, 1, 2 * SECOND), Earcon::Ring), "and again");
    world.answer(1);
    assert!(is(&hears(&mut world, 1, SECOND), Earcon::Live));
    assert_eq!(peak(&hears(&mut world, 1, 5 * SECOND)), 0.0, "it rings no more");
    // On air, over a microphone that hears nothing: whatever the peer got would be ours.
    world.nodes[0].key(true);
    world.run(SECOND);
    world.nodes[1].wiretap();
    world.nodes[1].key(true);
    assert!(is(&hears(&mut world, 1, SECOND), Earcon::KeyUp));
    assert!(world.nodes[0].meters.peer(world.nodes[0].only()).played_packets.get() > 50, "A hears B's silence");
    world.nodes[1].key(false);
    assert!(is(&hears(&mut world, 1, SECOND), Earcon::KeyDown));
    assert!(peak(&world.nodes[1].uttered) < SILENT && world.nodes[1].uttered.len() > 48_000, "nothing in what is sent");
    let caught = &world.nodes[1].caught;
    assert!(peak(caught) < SILENT && caught.len() > 48_000, "nothing in what is recorded: {}, {}", peak(caught), caught.len());
    world.hang_up(0);
    assert!(is(&hears(&mut world, 1, SECOND), Earcon::HangUp));
    assert!(peak(&world.nodes[0].heard) < SILENT, "nothing over there: {}", peak(&world.nodes[0].heard));
}

#[test]
fn a_call_that_comes_to_nothing_is_heard_to() {
    let mut world = world(EarconChoice::Calls);
    world.dial(1, A, None);
    assert_eq!(peak(&hears(&mut world, 1, SECOND)), 0.0, "calling is silent");
    world.decline(0);
    assert!(is(&hears(&mut world, 1, SECOND), Earcon::Refused));
}

/// B's whole call: rung, answered, keyed, ended; `set` before it.
fn whole_call(choice: EarconChoice, set: impl FnOnce(&World)) -> f32 {
    let mut world = world(choice);
    set(&world);
    world.dial(0, B, None);
    world.run(4 * SECOND);
    world.answer(1);
    world.run(SECOND);
    world.nodes[1].key(true);
    world.run(SECOND);
    world.nodes[1].key(false);
    world.run(SECOND);
    world.hang_up(0);
    world.run(SECOND);
    peak(&world.nodes[1].heard)
}

#[test]
fn off_is_off_deafened_is_silent_and_the_volume_counts() {
    assert_eq!(whole_call(EarconChoice::Off, |_| ()), 0.0);
    assert_eq!(whole_call(EarconChoice::All, |world| world.nodes[1].controls.set_deafened(true)), 0.0);
    let loud = whole_call(EarconChoice::All, |_| ());
    let soft = whole_call(EarconChoice::All, |world| world.nodes[1].controls.set_volume(50));
    assert!((loud - 0.1).abs() < 0.02 && (soft / loud - 0.25).abs() < 0.01, "{loud} {soft}");
}
