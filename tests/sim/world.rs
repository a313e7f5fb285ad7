//! Everybody and the network between them, from event to event.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use voicetui::call::{CallState, DownlinkConfig, Event};
use voicetui::units::{Format, PeerId};

use crate::net::{Link, Net};
use crate::node::Node;
use crate::sound::{Coder, voice};

pub struct World {
    pub seed: u64,
    pub start: Instant,
    pub now: Instant,
    pub net: Net,
    pub nodes: Vec<Node>,
    /// What came to scripted parties, by address; only for those listed.
    pub inboxes: HashMap<SocketAddr, Vec<Vec<u8>>>,
    /// What names resolve to; others do not.
    pub names: HashMap<String, Vec<SocketAddr>>,
    /// Addresses that refuse, as a closed port on a machine that is there does.
    pub refuses: Vec<SocketAddr>,
}

/// Prints the seed of a world that fails.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} at {:?}", self.seed, self.now - self.start);
            for node in &self.nodes {
                eprintln!("{}: {:#?}", node.address, node.events);
            }
        }
    }
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

pub const A: &str = "10.0.0.1:5005";
pub const B: &str = "10.0.0.2:5005";
pub const C: &str = "10.0.0.3:5005";

impl World {
    pub fn new(seed: u64, link: Link) -> Self {
        let start = Instant::now();
        Self {
            seed,
            start,
            now: start,
            net: Net::new(seed, link),
            nodes: Vec::new(),
            inboxes: HashMap::new(),
            names: HashMap::new(),
            refuses: Vec::new(),
        }
    }

    /// A and B, with voices; B answers everybody.
    pub fn pair(seed: u64, link: Link) -> Self {
        let mut world = Self::new(seed, link);
        world.add(A, |_| ());
        world.add(B, |config| config.answer_all = true);
        world
    }

    /// As [`World::pair`], called and answered, half a second on.
    pub fn call(seed: u64, link: Link) -> Self {
        let mut world = Self::pair(seed, link);
        world.dial(0, B, None);
        world.run_until(Duration::from_secs(5), |world| world.nodes[1].states.values().any(|state| *state == CallState::Live));
        world.run(Duration::from_millis(1_000));
        assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
        world
    }

    pub fn add(&mut self, address: &str, set: impl FnOnce(&mut DownlinkConfig)) -> usize {
        self.add_with(address, Coder::opus(), set)
    }

    pub fn add_with(&mut self, address: &str, coder: Coder, set: impl FnOnce(&mut DownlinkConfig)) -> usize {
        let seed = self.seed.wrapping_mul(31).wrapping_add(self.nodes.len() as u64);
        let mut node = Node::new(self.start, seed, at(address), coder, set);
        node.source = voice;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A scripted party: what comes to it is kept.
    pub fn listen(&mut self, address: &str) {
        self.inboxes.insert(at(address), Vec::new());
    }

    pub fn inbox(&self, address: &str) -> &[Vec<u8>] {
        &self.inboxes[&at(address)]
    }

    /// A scripted party sends.
    pub fn send(&mut self, from: &str, to: &str, bytes: &[u8]) {
        self.net.send(self.now, at(from), at(to), bytes);
    }

    pub fn dial(&mut self, node: usize, address: &str, format: Option<Format>) -> PeerId {
        let id = self.nodes[node].downlink.call(self.now, address, format).unwrap_or_else(|error| panic!("{address}: {error}"));
        self.drain(node);
        id
    }

    pub fn answer(&mut self, node: usize) {
        let id = self.ringing(node);
        assert!(self.nodes[node].downlink.answer(self.now, id));
        self.drain(node);
    }

    pub fn decline(&mut self, node: usize) {
        let id = self.ringing(node);
        assert!(self.nodes[node].downlink.decline(self.now, id));
        self.drain(node);
    }

    pub fn hang_up(&mut self, node: usize) {
        self.nodes[node].downlink.hangup_all(self.now);
        self.drain(node);
    }

    fn ringing(&self, node: usize) -> PeerId {
        let ringing = self.nodes[node].states.iter().find(|(_, state)| **state == CallState::Ringing);
        *ringing.unwrap_or_else(|| panic!("nobody rings: {:?}", self.nodes[node].states)).0
    }

    pub fn drain(&mut self, node: usize) {
        let before = self.nodes[node].events.len();
        self.nodes[node].drain(self.now, &mut self.net);
        let asked: Vec<(u32, String, u16)> = self.nodes[node].events[before..]
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Resolve { ticket, host, port } => Some((*ticket, host.clone(), *port)),
                _ => None,
            })
            .collect();
        for (ticket, host, _) in asked {
            let answer = self.names.get(&host).cloned().ok_or_else(|| format!("{host} does not resolve: check the name."));
            self.nodes[node].downlink.handle_resolved(self.now, ticket, answer);
            self.nodes[node].drain(self.now, &mut self.net);
        }
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Until `done`, at most for `time`; says whether it is.
    pub fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        loop {
            if done(self) {
                return true;
            }
            let next = self.nodes.iter().map(Node::next_at).chain(self.net.next_at()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return done(self);
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn step(&mut self) {
        let Self { now, net, nodes, inboxes, refuses, .. } = self;
        while let Some((from, to, bytes)) = net.arrive(*now) {
            if let Some(node) = nodes.iter_mut().find(|node| node.address == to) {
                node.receive(*now, from, &bytes, net);
            } else if refuses.contains(&to) {
                if let Some(node) = nodes.iter_mut().find(|node| node.address == from) {
                    node.downlink.handle_send_error(*now, to, voicetui::call::SendFailure::Refused);
                    node.drain(*now, net);
                }
            } else if let Some(inbox) = inboxes.get_mut(&to) {
                inbox.push(bytes);
            }
        }
        for node in nodes.iter_mut().filter(|node| node.next_at() <= *now) {
            node.wake(*now, net);
        }
    }
}
