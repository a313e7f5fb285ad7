//! An hour of call, in seconds.

use std::time::{Duration, Instant};

use voicetui::call::CallState;

use crate::net::{Link, Loss};
use crate::sound::{Coder, silence};
use crate::world::{A, B, World};

#[test]
fn an_hour_of_call_stays_as_it_began() {
    let started = Instant::now();
    let link = Link { loss: Loss::Random(0.005), jitter: Duration::from_millis(5), ..Link::LAN };
    let mut world = World::new(7, link);
    for address in [A, B] {
        let node = world.add_with(address, Coder::cached(), |config| config.answer_all = true);
        world.nodes[node].source = silence;
        world.nodes[node].mic.block = 480;
        world.nodes[node].card.block = 480;
    }
    world.nodes[0].mic.ppm = 60.0;
    world.nodes[1].card.ppm = -40.0;
    world.dial(0, B, None);
    world.run(Duration::from_secs(2));
    // They take turns: five seconds one, five the other, five nobody.
    for turn in 0..240 {
        for speaker in 0..3 {
            for (node, side) in world.nodes.iter().enumerate() {
                side.key(node == speaker);
            }
            world.run(Duration::from_secs(5));
        }
        assert!(world.nodes.iter().all(|node| node.state() == CallState::Live), "turn {turn}");
    }
    for node in &world.nodes {
        let id = node.only();
        let (report, meters) = (node.downlink.report(id), node.meters.peer(id));
        assert!(report.received_packets > 118_000, "{report:?}");
        let lost = report.lost_packets as f64 / report.received_packets as f64;
        assert!((0.003..0.008).contains(&lost), "{lost} lost");
        let concealed = meters.concealed_samples.get() as f64 / meters.voice_samples.get() as f64;
        assert!(concealed < 0.02, "{concealed} concealed");
        let delay = meters.playout_delay_ms.get().expect("a voice was heard");
        assert!(delay < 60.0, "{delay} ms at the end");
        assert!(node.events.len() < 60, "{} events in an hour", node.events.len());
    }
    println!("an hour in {:.1} s", started.elapsed().as_secs_f32());
}
