//! One side of the call: the very structs that its threads own, a microphone and a loudspeaker with clocks of their own.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::audio::earcon::Earcon;
use voicetui::audio::resample::{Puller, Resampler};
use voicetui::call::{CallState, Consent, Downlink, DownlinkConfig, Event, Identity, PlayoutView, Reason, Uplink, UplinkConfig};
use voicetui::engine::playback::{Playback, PlaybackHandle};
use voicetui::engine::tap::{Span, TAP_SAMPLES, TapReader, tap};
use voicetui::engine::{Air, Bells, Controls, EarconChoice, Holder, Measuring, Meters, OpenRules, Trials, VoiceKey, VoiceNews};
use voicetui::playout::{Config, Origin};
use voicetui::units::{FRAME_DURATION, FRAME_SAMPLES, Format, PeerId, SAMPLE_RATE};
use zeroize::Zeroizing;

use crate::net::Net;
use crate::sound::{Coder, silence};

/// A clock of blocks: a sound card's, off by some ppm, that may stand still for a while.
pub struct Card {
    /// Samples at once, of the card's own rate.
    pub block: usize,
    rate: u32,
    pub ppm: f64,
    /// It stands still between these (since the world's start).
    pub stall: Option<(Duration, Duration)>,
    next: f64,
    start: Instant,
}

impl Card {
    fn new(start: Instant, block: usize) -> Self {
        Self { block, rate: SAMPLE_RATE, ppm: 0.0, stall: None, next: block as f64 / 48_000.0, start }
    }

    pub fn next_at(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.next)
    }

    fn advance(&mut self) {
        self.next += self.block as f64 / (f64::from(self.rate) * (1.0 + self.ppm / 1e6));
        if let Some((from, to)) = self.stall
            && self.next > from.as_secs_f64()
            && self.next < to.as_secs_f64()
        {
            self.next = to.as_secs_f64();
        }
    }
}

/// One side.
pub struct Node {
    pub address: SocketAddr,
    pub uplink: Uplink<Coder>,
    pub downlink: Downlink,
    config: DownlinkConfig,
    pub playback: Playback,
    pub handle: PlaybackHandle,
    pub controls: Arc<Controls>,
    pub meters: Arc<Meters>,
    pub measuring: Measuring,
    /// What was measured, or why not.
    pub measured: Vec<Result<Trials, String>>,
    /// What opens the microphone besides the key.
    pub air: Air,
    bells: Bells,
    on_air: bool,
    voice: VoiceKey,
    /// What voice activation had to say, and when.
    pub voice_news: Vec<(Duration, VoiceNews)>,
    pub mic: Card,
    pub card: Card,
    /// Between cards of another rate and us.
    from_mic: Resampler,
    to_card: Puller,
    /// What the microphone hears, by sample.
    pub source: fn(u64) -> f32,
    /// The microphone's samples and the loudspeaker's, if kept; both begin at the world's start.
    pub keeps: bool,
    pub said: Vec<f32>,
    pub heard: Vec<f32>,
    filled: Option<Instant>,
    /// What went to the uplink and what came out of the one peer's playout, before anything is muted, and since when; see [`Node::wiretap`].
    pub uttered: Vec<f32>,
    pub caught: Vec<f32>,
    pub tapped: Option<[Duration; 2]>,
    tap: Option<TapReader>,
    /// All events, with the time since the start.
    pub events: Vec<(Duration, Event)>,
    pub states: HashMap<PeerId, CallState>,
    pub dropped_full: u64,
    /// How the playouts to come are made.
    pub playout: Config,
    /// Sends every frame once, whatever the peer reports.
    pub bare: bool,
    /// Stream and number of each packet that reached playout, and how many of them by which way.
    pub arrived: HashSet<(u32, u64)>,
    pub origins: HashMap<Origin, u64>,
    gathered: Vec<f32>,
    spoken: u64,
    start: Instant,
}

impl Node {
    pub fn new(start: Instant, seed: u64, address: SocketAddr, coder: Coder, set: impl FnOnce(&mut DownlinkConfig)) -> Self {
        let identity = Identity::new(Zeroizing::new(StdRng::seed_from_u64(seed ^ 0x1d).random()));
        let mut config = DownlinkConfig::new(start, Duration::from_secs(1_700_000_000), identity);
        config.format = Format::Rtp;
        config.bound = address;
        set(&mut config);
        let (controls, meters) = (Arc::new(Controls::new(start)), Arc::new(Meters::new(start)));
        let (playback, mut handle) = Playback::new(meters.clone(), controls.clone());
        // What a side hears is measured here, mostly; a test of earcons wants them.
        controls.set_earcons(EarconChoice::Off);
        meters.out.running.store(true, Relaxed);
        let mut measuring = Measuring::new(controls.clone());
        measuring.set_ear(handle.take_ear().expect("an ear"));
        let uplink = Uplink::with_encoder(UplinkConfig::default(), StdRng::seed_from_u64(seed), coder).expect("an uplink");
        Self {
            address,
            uplink,
            downlink: Downlink::new(config.clone(), StdRng::seed_from_u64(seed ^ 0x5eed)),
            config,
            playback,
            handle,
            air: Air::new(controls.clone(), OpenRules::default()),
            bells: Bells::new(controls.clone()),
            on_air: false,
            voice: VoiceKey::new(controls.clone(), meters.clone()).expect("a detector"),
            voice_news: Vec::new(),
            controls,
            meters,
            measuring,
            measured: Vec::new(),
            mic: Card::new(start, 240),
            card: Card::new(start, 240),
            from_mic: Resampler::new(SAMPLE_RATE, SAMPLE_RATE).expect("the same rate"),
            to_card: Puller::new(SAMPLE_RATE, SAMPLE_RATE).expect("the same rate"),
            source: silence,
            keeps: false,
            said: Vec::new(),
            heard: Vec::new(),
            filled: None,
            uttered: Vec::new(),
            caught: Vec::new(),
            tapped: None,
            tap: None,
            events: Vec::new(),
            states: HashMap::new(),
            dropped_full: 0,
            playout: Config::default(),
            bare: false,
            arrived: HashSet::new(),
            origins: HashMap::new(),
            gathered: Vec::with_capacity(FRAME_SAMPLES),
            spoken: 0,
            start,
        }
    }

    /// The program is started anew at the same address: nothing of before is known but who it is.
    pub fn restart(&mut self, seed: u64) {
        let (local, format) = (self.config.local.clone(), self.config.format);
        let mut fresh = Self::new(self.start, seed, self.address, Coder::opus(), |config| {
            config.answer_all = true;
            (config.local, config.format) = (local, format);
        });
        std::mem::swap(&mut fresh.mic, &mut self.mic);
        std::mem::swap(&mut fresh.card, &mut self.card);
        fresh.source = self.source;
        *self = fresh;
    }

    pub fn next_at(&self) -> Instant {
        let cards = self.mic.next_at().min(self.card.next_at());
        self.downlink.poll_timeout().map_or(cards, |timer| timer.min(cards))
    }

    /// Does what is due at `now`: a block from the microphone, a block to the loudspeaker, the call's timers.
    pub fn wake(&mut self, now: Instant, net: &mut Net) {
        if self.mic.next_at() <= now {
            self.mic.advance();
            self.capture(now, net);
        }
        if self.card.next_at() <= now {
            self.card.advance();
            let mut out = [0.0; 4_096];
            let out = &mut out[..self.card.block];
            let Self { playback, to_card, .. } = self;
            to_card.pull(out, &mut |wanted| playback.fill(wanted, now));
            self.catch();
            if self.keeps {
                // A card that stood still leaves a hole; its clock otherwise is its own.
                let passed = self.filled.map_or(now - self.start, |filled| now - filled).as_secs_f64();
                let due = (passed * 48_000.0 * (1.0 + self.card.ppm / 1e6)).round() as usize;
                let hole = due.saturating_sub(self.filled.map_or(0, |_| out.len()));
                self.heard.resize(self.heard.len() + if hole > 1 { hole } else { 0 }, 0.0);
                self.heard.extend_from_slice(out);
                self.filled = Some(now);
            }
        }
        if self.downlink.poll_timeout().is_some_and(|timer| timer <= now) {
            self.downlink.handle_timeout(now);
            self.drain(now, net);
        }
    }

    /// Both cards run at this rate, in blocks of so many samples of it; what is said and heard is kept at 48 kHz cards only.
    pub fn set_rate(&mut self, rate: u32, block: usize) {
        self.from_mic = Resampler::new(rate, SAMPLE_RATE).expect("a rate of sound cards");
        self.to_card = Puller::new(SAMPLE_RATE, rate).expect("a rate of sound cards");
        for card in [&mut self.mic, &mut self.card] {
            (card.rate, card.block) = (rate, block);
        }
    }

    /// From now on both ends of what this side says and hears are kept, as they leave and before the loudspeaker's mute.
    pub fn wiretap(&mut self) {
        let Some(tap) = &mut self.tap else { panic!("no playout") };
        tap.start();
        let since = |at: Instant| at - self.start;
        // The frame that is being gathered began with its first sample.
        let gathered = Duration::from_secs_f64((self.gathered.len() + self.mic.block) as f64 / 48_000.0);
        self.tapped = Some([since(self.mic.next_at()) - gathered, since(self.card.next_at())]);
    }

    fn catch(&mut self) {
        let (Some(_), Some(tap)) = (self.tapped, &mut self.tap) else { return };
        let mut buffer = [0.0; 4_096];
        while let Some(span) = tap.poll(&mut buffer) {
            match span {
                Span::Samples(count) => self.caught.extend_from_slice(&buffer[..count]),
                Span::Silence(count) => self.caught.resize(self.caught.len() + count as usize, 0.0),
            }
        }
    }

    fn capture(&mut self, now: Instant, net: &mut Net) {
        let Self { mic, source, spoken, from_mic, gathered, .. } = self;
        let block: Vec<f32> = (*spoken..).take(mic.block).map(*source).collect();
        *spoken += block.len() as u64;
        from_mic.process(&block, &mut |samples| gathered.extend_from_slice(samples));
        if self.keeps {
            self.said.extend_from_slice(&block);
        }
        while self.gathered.len() >= FRAME_SAMPLES {
            let mut frame = std::array::from_fn(|n| self.gathered[n]);
            self.gathered.drain(..FRAME_SAMPLES);
            self.hear(&frame, now);
            let (from, holder) = (self.address, self.controls.on_air_frame(now));
            let measured = self.measuring.handle_frame(&mut frame, now - FRAME_DURATION, holder.is_some());
            self.uplink.set_begun_by_voice(measured.is_none() && holder == Some(Holder::Voice));
            self.measured.extend(self.measuring.poll_result());
            if self.tapped.is_some() {
                self.uttered.extend_from_slice(&frame);
            }
            let keyed = measured.unwrap_or(holder.is_some());
            let leaves = self.uplink.handle_frame(&frame, now, keyed, &mut |_, to, bytes| net.send(now, from, to, bytes));
            let on_air = leaves && measured.is_none();
            if std::mem::replace(&mut self.on_air, on_air) != on_air {
                self.controls.begin_earcon(if on_air { Earcon::KeyUp } else { Earcon::KeyDown });
            }
        }
        for id in PeerId::all() {
            self.downlink.handle_sent(id, self.uplink.counts(id));
        }
    }

    /// As the sender thread does; the detector costs time, so it runs only where it decides.
    fn hear(&mut self, frame: &[f32; FRAME_SAMPLES], now: Instant) {
        if self.controls.muted_at(now - 2 * FRAME_DURATION) {
            self.uplink.forget_preroll();
        }
        if self.controls.voice_armed().is_none() && !self.controls.muted() {
            self.voice.watch();
            return;
        }
        let news = self.voice.handle_frame(frame, now);
        if news.armed == Some(true) {
            self.uplink.forget_preroll();
        }
        if news.armed.is_some() || news.muted_talk {
            self.voice_news.push((now - self.start, news));
        }
        self.meters.set_state(PeerId::all().next().expect("a slot"), self.state_of_any(), now);
    }

    /// Live, if anybody is: what the receiver thread writes into the meters.
    fn state_of_any(&self) -> CallState {
        let is_live = self.states.values().any(|state| *state == CallState::Live);
        if is_live { CallState::Live } else { CallState::Idle }
    }

    /// A datagram came.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], net: &mut Net) {
        let Self { downlink, handle, dropped_full, arrived, origins, .. } = self;
        downlink.handle_datagram(now, from, bytes, &mut |id, packet| {
            if arrived.insert((packet.stream, packet.seq.0)) {
                *origins.entry(packet.origin).or_default() += 1;
            }
            *dropped_full += u64::from(handle.packet(id, packet).is_err());
        });
        self.drain(now, net);
    }

    /// What the receiver thread does after every call into the downlink.
    pub fn drain(&mut self, now: Instant, net: &mut Net) {
        while let Some(event) = self.downlink.poll_event() {
            if matches!(event, Event::PlayoutOpen(_)) {
                self.air.watch(self.downlink.has_call());
            }
            self.air.handle_event(&event, &self.config.known);
            self.bells.handle_event(&event);
            match &event {
                Event::Resend(..) if self.bare => {}
                Event::Resend(id, resend) => {
                    let from = self.address;
                    self.uplink.handle_nack(*id, resend, now, &mut |_, to, bytes| net.send(now, from, to, bytes));
                    continue;
                }
                Event::Plan(id, plan) => {
                    let mut plan = plan.clone();
                    if let Some(plan) = plan.as_mut().filter(|_| self.bare) {
                        (plan.redundancy, plan.expected_loss_percent) = (0, 0);
                    }
                    self.uplink.handle_plan(*id, plan);
                }
                Event::PlayoutOpen(id) => {
                    let (writer, reader) = tap(TAP_SAMPLES);
                    self.handle.open(*id, self.playout, writer).expect("a playout");
                    self.tap = Some(reader);
                }
                Event::Measure { order, .. } => {
                    self.controls.set_measuring(order.map(|order| order.phase));
                    self.measuring.handle_order(*order);
                }
                Event::MeasureFailed { sentence } => self.measured.push(Err(sentence.clone())),
                Event::PlayoutClose(id) => self.handle.close(*id),
                Event::State { id, state } => {
                    self.states.insert(*id, *state);
                }
                Event::Gone { id } => {
                    self.states.remove(id);
                    self.meters.peer(*id).reset();
                }
                _ => {}
            }
            self.events.push((now - self.start, event));
        }
        self.air.watch(self.downlink.has_call());
        for (id, _) in self.states.iter().filter(|(_, state)| **state == CallState::Live) {
            let meters = self.meters.peer(*id);
            let view = PlayoutView {
                delay_ms: meters.playout_delay_ms.get().unwrap_or_default(),
                target_ms: meters.playout_target_ms.get().unwrap_or_default(),
                card_ms: self.card.block as f32 / 48.0,
                late_packets: meters.late_packets.get(),
                ..PlayoutView::default()
            };
            self.downlink.handle_playout(*id, view);
        }
        let mut buffer = [0; 1_500];
        while let Some((to, len)) = self.downlink.poll_transmit(&mut buffer) {
            net.send(now, self.address, to, &buffer[..len]);
        }
        self.handle.drain();
        // As the receiver thread does after the events.
        self.downlink.handle_probe(now, self.controls.measuring());
        let (allowed, talks) = (self.controls.answers_measuring(), self.controls.on_air(now).is_some());
        self.downlink.handle_consent(now, Consent { allowed, talks });
    }

    pub fn key(&self, on: bool) {
        if on { self.controls.hold(Holder::Key) } else { self.controls.release(Holder::Key) }
    }

    /// The state of the one peer there is (or was last).
    pub fn state(&self) -> CallState {
        assert!(self.states.len() <= 1, "more than one peer: {:?}", self.states);
        self.states.values().next().copied().unwrap_or_default()
    }

    /// The one peer there is.
    pub fn only(&self) -> PeerId {
        assert_eq!(self.states.len(), 1, "one peer: {:?}", self.states);
        *self.states.keys().next().expect("one peer")
    }

    /// The peer of that address, as the screen shows it.
    pub fn peer(&self, address: &str) -> PeerId {
        let named = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::Peer { id, address: of, .. } if of == address => Some(*id),
            _ => None,
        });
        named.unwrap_or_else(|| panic!("no peer {address} in {:?}", self.events))
    }

    pub fn ended(&self, reason: Reason) -> bool {
        self.state() == CallState::Ended(reason)
    }

    pub fn missed(&self) -> Vec<&str> {
        let missed = self.events.iter().filter_map(|(_, event)| match event {
            Event::Missed { address } => Some(address.as_str()),
            _ => None,
        });
        missed.collect()
    }

    /// How often it began to ring.
    pub fn rings(&self) -> usize {
        self.events.iter().filter(|(_, event)| matches!(event, Event::State { state: CallState::Ringing, .. })).count()
    }

    pub fn infos(&self) -> Vec<&str> {
        let infos = self.events.iter().filter_map(|(_, event)| match event {
            Event::Info(text) | Event::Problem(text) => Some(text.as_str()),
            _ => None,
        });
        infos.collect()
    }
}
