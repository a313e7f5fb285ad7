//! The sender thread: microphone frames through the uplink to the socket. Woken by the capture callback once a frame.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use crossbeam_utils::atomic::AtomicCell;
use rtrb::Consumer;

use super::devices::MicReader;
use super::hints::failure;
use super::playback::FarFrame;
use super::tap::TapWriter;
use super::{Controls, FarEnd, Holder, Measuring, Meters, Notice, Notices, VoiceKey};
use crate::audio::earcon::Earcon;
use crate::audio::process::{Chain, Wanted};
use crate::call::{Order, Resend, SendFailure, SendPlan, SentCounts, Uplink};
use crate::os::priority;
use crate::os::socket::Mapping;
use crate::units::{FRAME_DURATION, FRAME_SAMPLES, MAX_PEERS, PeerId};

/// Longest sleep without a frame: then a microphone that fell silent is noticed, and the stop flag is read.
const NAP: Duration = Duration::from_millis(100);
/// Without a frame for so long the microphone was away: what was learnt of it, and of the room, may not hold any more.
const AWAY: Duration = Duration::from_secs(1);

/// What the sender tells the receiver about each peer. The cell is crossbeam's sequence lock: the writer waits for no reader.
pub type SentBoard = [AtomicCell<SentCounts>; MAX_PEERS];

/// What the receiver asks of the sender.
#[derive(Debug)]
pub enum ToSender {
    /// How to send to this peer from now on; `None`: no more.
    Plan(PeerId, Option<SendPlan>),
    /// The peer misses these.
    Resend(PeerId, Resend),
    /// What to measure; `None`: nothing any more.
    Measure(Option<Order>),
    /// Where the loudspeaker's sound is heard for it.
    Ear(Consumer<FarFrame>),
    /// Where it is heard for echo cancellation.
    FarEnd(Consumer<FarFrame>),
}

/// Everything the sender thread owns.
pub struct SenderThread {
    pub uplink: Uplink,
    pub voice: VoiceKey,
    pub process: Chain,
    pub far_end: FarEnd,
    /// What was said before this moment must not wait for the next spurt.
    pub forgotten: Option<Instant>,
    pub measuring: Measuring,
    pub mic: MicReader,
    pub asked: Receiver<ToSender>,
    pub failures: Sender<(SocketAddr, SendFailure)>,
    pub socket: UdpSocket,
    pub mapping: Mapping,
    pub controls: Arc<Controls>,
    pub meters: Arc<Meters>,
    pub notices: Notices,
    pub sent: Arc<SentBoard>,
    pub tap: TapWriter,
    /// Ask the system for real-time priority.
    pub realtime: bool,
    pub stop: Arc<AtomicBool>,
}

impl SenderThread {
    /// Runs until the stop flag is set.
    pub fn run(mut self) {
        if self.realtime {
            let _ = priority::raise("sender");
        }
        let mut frame = [0.0; FRAME_SAMPLES];
        let mut last_frame = Instant::now();
        while !self.stop.load(Relaxed) {
            self.take_asked();
            while let Some(captured) = self.mic.poll_frame(&mut frame) {
                if last_frame.elapsed() > AWAY {
                    self.process.reset();
                }
                last_frame = Instant::now();
                self.take_asked();
                self.handle_frame(&mut frame, captured);
            }
            if self.meters.mic.on_air.load(Relaxed) && last_frame.elapsed() > NAP {
                // The microphone is gone in mid-word: the spurt ends with silence, and the screen stops saying ON AIR.
                frame.fill(0.0);
                self.send_frame(&frame, Instant::now(), false, false);
            }
            let armed = self.voice.watch();
            self.announce_armed(armed);
            thread::park_timeout(NAP);
        }
        self.set_on_air(false);
    }

    fn take_asked(&mut self) {
        while let Ok(asked) = self.asked.try_recv() {
            match asked {
                ToSender::Plan(id, plan) => {
                    self.uplink.handle_plan(id, plan);
                    self.publish(id);
                }
                ToSender::Measure(order) => self.measuring.handle_order(order),
                ToSender::Ear(ear) => self.measuring.set_ear(ear),
                ToSender::FarEnd(ring) => self.far_end.set_ring(ring),
                ToSender::Resend(id, resend) => {
                    let Self { uplink, socket, mapping, failures, meters, .. } = self;
                    let mut send = |_, to, datagram: &[u8]| send_to(socket, *mapping, meters, failures, to, datagram);
                    uplink.handle_nack(id, &resend, Instant::now(), &mut send);
                    self.publish(id);
                }
            }
        }
    }

    /// `captured`: when the frame's first sample was in the air.
    fn handle_frame(&mut self, frame: &mut [f32; FRAME_SAMPLES], captured: Instant) {
        let ended = captured + FRAME_DURATION;
        self.work(frame, captured);
        // What a stage delays was said that much earlier: keyed then or not, it is.
        let said = ended - self.process.delay();
        let waits_since = said - 2 * FRAME_DURATION;
        if self.controls.muted_at(waits_since) || self.forgotten.is_some_and(|until| waits_since < until) {
            self.uplink.forget_preroll();
        }
        let holder = self.controls.on_air_frame(said);
        let measured = self.measuring.handle_frame(frame, captured, holder.is_some());
        self.uplink.set_begun_by_voice(measured.is_none() && holder == Some(Holder::Voice));
        let ended = if measured.is_some() { ended } else { said };
        self.send_frame(frame, ended, measured.unwrap_or(holder.is_some()), measured.is_some());
        if let Some(result) = self.measuring.poll_result() {
            self.notices.announce(Notice::Measured(result));
        }
    }

    /// What is done to the own voice. Voice activation hears it without the echo, or the far end would put it on air; and as
    /// loud as it is, since a gain that follows the voice would lift noise to it.
    fn work(&mut self, frame: &mut [f32; FRAME_SAMPLES], captured: Instant) {
        let (processing, ended) = (self.controls.processing(), captured + FRAME_DURATION);
        let far = self.far_end.take(captured);
        let echo = self.far_end.echoes(&self.controls, ended);
        self.process.set(Wanted { echo, noise: processing.noise, gain: processing.gain });
        self.process.clean(frame, far.as_ref());
        let speaks = self.hear(frame, ended);
        self.process.finish(frame, speaks);
        self.meters.mic.process.set(self.process.at_work(), self.process.delay(), self.process.floor());
    }

    /// Whether the frame holds speech. `ended`: when the microphone's frame did, of which this one may be a delayed one.
    fn hear(&mut self, frame: &[f32; FRAME_SAMPLES], ended: Instant) -> bool {
        let captured = ended - self.process.cleaned_delay();
        let news = self.voice.handle_frame(frame, captured);
        self.forgotten = if news.armed == Some(true) { Some(ended) } else { self.forgotten };
        if news.muted_talk {
            self.notices.announce(Notice::MutedTalk);
        }
        self.announce_armed(news.armed);
        news.speaks
    }

    fn announce_armed(&self, armed: Option<bool>) {
        if let Some(on) = armed {
            self.notices.announce(Notice::VoiceActivation(on));
        }
    }

    /// `is_probe`: what leaves is no sound of the microphone.
    fn send_frame(&mut self, frame: &[f32; FRAME_SAMPLES], captured: Instant, on_air: bool, is_probe: bool) {
        let (socket, mapping, failures, meters) = (&self.socket, self.mapping, &self.failures, &self.meters);
        let mut send = |_, to, datagram: &[u8]| send_to(socket, mapping, meters, failures, to, datagram);
        let leaves = self.uplink.handle_frame(frame, captured, on_air, &mut send);
        if leaves {
            self.tap.write(frame);
        } else {
            self.tap.skip(FRAME_SAMPLES as u64);
        }
        if leaves || self.uplink.is_private() {
            PeerId::all().for_each(|id| self.publish(id));
        }
        self.set_on_air(leaves && !is_probe);
    }

    fn publish(&self, id: PeerId) {
        let counts = self.uplink.counts(id);
        self.sent[id.slot()].store(counts);
        let peer = self.meters.peer(id);
        peer.sent_packets.set(counts.total_packets);
        peer.sent_bytes.set(counts.total_bytes);
    }

    fn set_on_air(&self, on_air: bool) {
        if self.meters.mic.on_air.swap(on_air, Relaxed) != on_air {
            self.controls.begin_earcon(if on_air { Earcon::KeyUp } else { Earcon::KeyDown });
            self.notices.announce(Notice::OnAir(on_air));
        }
    }
}

fn send_to(
    socket: &UdpSocket,
    mapping: Mapping,
    meters: &Meters,
    failures: &Sender<(SocketAddr, SendFailure)>,
    to: SocketAddr,
    datagram: &[u8],
) {
    if let Err(error) = socket.send_to(datagram, mapping.outward(to)) {
        meters.net.send_errors.add(1);
        let _ = failures.try_send((to, failure(&error)));
    }
}
