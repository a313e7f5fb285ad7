//! Voice activation in a whole call: first syllables are whole, the delay comes back, and it ends when it should.

use std::sync::OnceLock;
use std::time::Duration;

use voicetui::audio::voice::Voice;
use voicetui::call::CallState;
use voicetui::engine::{Holder, VoiceTuning};

use crate::net::Link;
use crate::sound::{lag, rms};
use crate::world::{A, B, World};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The built-in talker, 20 s of it over and over.
pub fn talker(n: u64) -> f32 {
    const SAMPLES: usize = 20 * 48_000;
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut said = vec![0.0; SAMPLES];
        Voice::new(0).fill(&mut said);
        said
    });
    table[(n % SAMPLES as u64) as usize]
}

/// From here on in each cycle of [`utterances`] there is sound, samples; the cycle's length.
const BEGINS: u64 = 96_000;
const CYCLE: u64 = 4 * 48_000;

/// Two seconds of silence, then two of the talker from its first sound on (a phrase of 3.4 s); over a quiet hiss.
fn utterances(n: u64) -> f32 {
    static FIRST: OnceLock<u64> = OnceLock::new();
    let first = *FIRST.get_or_init(|| (0..480_000).find(|n| talker(*n).abs() > 0.01).expect("it speaks"));
    let hiss = ((n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * 0.0005;
    match n % CYCLE {
        ..BEGINS => hiss,
        // The same first sound each time: what is compared is known to be there.
        at => hiss + talker(first + at - BEGINS),
    }
}

/// A talks to B by voice activation; what is said and heard is kept from the world's start.
fn call(seed: u64, link: Link) -> World {
    let mut world = World::pair(seed, link);
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.nodes[0].source = utterances;
    world.dial(0, B, None);
    assert!(world.run_until(5 * SECOND, |world| world.nodes[1].states.values().any(|state| *state == CallState::Live)));
    world.run(300 * MS);
    world.nodes[0].controls.arm_voice();
    world
}

fn on_air(world: &World) -> Option<Holder> {
    world.nodes[0].controls.on_air(world.now)
}

#[test]
fn the_first_syllable_is_whole_and_the_delay_is_back_within_a_second() {
    for (seed, link) in [(1, Link::LAN), (2, Link::IDEAL)] {
        let mut world = call(seed, link);
        world.run(21 * SECOND);
        let (said, heard) = (&world.nodes[0].said, &world.nodes[1].heard);
        let card_ms = world.nodes[1].card.block as f64 / 48.0;
        for cycle in 1..5 {
            let at = (cycle * CYCLE + BEGINS) as usize;
            // From the very first sound on, 80 ms: played while its pre-roll is yet to be caught up with.
            let (_, first) = lag(&said[at..at + 3_840], &heard[at..at + 24_000], 19_000);
            assert!(first > 0.8, "seed {seed}, cycle {cycle}: the first 80 ms correlate by {first}");
            let loud = rms(&heard[at - 48_000..at]);
            assert!(loud < 0.002, "seed {seed}, cycle {cycle}: {loud} before anybody spoke");
            // A second and a quarter in, for half a second.
            let later = at + 60_000;
            let (delay, score) = lag(&said[later..later + 24_000], &heard[later..later + 40_000], 12_000);
            let delay_ms = delay as f64 / 48.0 + card_ms;
            println!("seed {seed}, cycle {cycle}: first 80 ms {first:.2}; after 1.25 s {delay_ms:.1} ms mouth to ear ({score:.2})");
            assert!(score > 0.7 && delay_ms < 45.0, "seed {seed}, cycle {cycle}: {delay_ms} ms ({score})");
        }
        let id = world.nodes[1].only();
        let target = world.nodes[1].meters.peer(id).playout_target_ms.get().expect("it was heard");
        assert!(target < 25.0, "seed {seed}: the pre-roll got into the target: {target} ms");
    }
}

#[test]
fn it_is_off_air_in_the_pauses_and_the_hang_can_be_set() {
    let pause = |hang_ms| {
        let mut world = call(3, Link::LAN);
        world.nodes[0].controls.set_voice(VoiceTuning { hang_ms, ..VoiceTuning::default() });
        world.run(5 * SECOND);
        let mut off = 0;
        for _ in 0..1_600 {
            world.run(10 * MS);
            off += u32::from(on_air(&world).is_none());
        }
        f64::from(off) / 1_600.0
    };
    let (short, long) = (pause(100), pause(1_200));
    println!("off air for {:.0} % with a hang of 100 ms, {:.0} % with 1.2 s", short * 100.0, long * 100.0);
    assert!(short > 0.4 && long < short - 0.2 && long > 0.1, "{short} {long}");
}

#[test]
fn muted_it_sends_nothing_and_nothing_said_muted_leaves_afterwards() {
    let mut world = call(4, Link::LAN);
    world.nodes[0].source = talker;
    world.run(2 * SECOND);
    assert_eq!(on_air(&world), Some(Holder::Voice));
    world.nodes[0].controls.mute();
    world.run(SECOND);
    let from = world.nodes[1].heard.len();
    world.run(4 * SECOND);
    assert_eq!((on_air(&world), rms(&world.nodes[1].heard[from..])), (None, 0.0));
    let reminders = world.nodes[0].voice_news.iter().filter(|(_, news)| news.muted_talk).count();
    assert_eq!(reminders, 1);
    // Unmuted in mid-word, into silence: what was said up to then is not sent after all.
    world.nodes[0].source = crate::sound::silence;
    world.nodes[0].controls.unmute(world.now);
    world.run(2 * SECOND);
    assert_eq!(rms(&world.nodes[1].heard[from..]), 0.0);
}

#[test]
fn a_hang_up_ends_it_and_the_next_call_begins_without() {
    let mut world = call(5, Link::LAN);
    world.nodes[0].source = talker;
    world.run(2 * SECOND);
    assert_eq!(on_air(&world), Some(Holder::Voice));
    world.hang_up(0);
    world.run(10 * SECOND);
    assert_eq!((on_air(&world), world.nodes[0].controls.voice_armed()), (None, None));
    // B calls back, is answered, and hears nothing.
    world.dial(1, A, None);
    world.run(SECOND);
    world.answer(0);
    let from = world.nodes[1].heard.len();
    world.run(5 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    assert_eq!((world.nodes[0].controls.voice_armed(), rms(&world.nodes[1].heard[from..])), (None, 0.0));
}
