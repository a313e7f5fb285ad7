//! Somebody with a key and a program of his own, who says whatever he likes: out of a session and in the open.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use voicetui::call::{Identity, Local};
use voicetui::session::keys::OVERHEAD;
use voicetui::session::{SessionEvent, SessionId, Sessions};
use voicetui::units::{RtpTime, Seq, Ssrc};
use voicetui::wire::app::{self, CallWord, Tlv};
use voicetui::wire::rtcp::{self, Item, SenderInfo};
use voicetui::wire::{red, rtp};
use zeroize::Zeroizing;

use crate::world::{B, World, at};

/// How the rogue counts his calls, and who he says he is.
pub const LEG: u32 = 4;
const SSRC: Ssrc = Ssrc(5);

pub fn local(secret: u8) -> Local {
    Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::default() }
}

/// One that calls B, or is called by it, from `address`.
pub struct Rogue {
    pub address: String,
    sessions: Sessions,
    pub id: Option<SessionId>,
    /// B's own number of the call, as B said it.
    pub their_leg: u32,
    /// What B said last.
    pub word: Option<CallWord>,
}

impl Rogue {
    /// Waits to be called.
    pub fn wait(world: &mut World, address: &str, secret: u8) -> Self {
        world.listen(address);
        let sessions = Sessions::new(local(secret), StdRng::seed_from_u64(u64::from(secret)));
        Self { address: address.into(), sessions, id: None, their_leg: 0, word: None }
    }

    /// Has a session, and has said nothing yet.
    pub fn call(world: &mut World, address: &str, secret: u8) -> Self {
        let mut rogue = Self::wait(world, address, secret);
        rogue.id = rogue.sessions.connect(world.now, at(B), None);
        assert!(rogue.id.is_some(), "a place");
        rogue.run(world, Duration::from_millis(100));
        rogue
    }

    pub fn run(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        while world.now < end {
            self.sessions.handle_timeout(world.now);
            for mut bytes in std::mem::take(world.inboxes.get_mut(&at(&self.address)).expect("listening")) {
                let packet = self.sessions.handle(world.now, at(B), &mut bytes);
                let inner = packet.map_or(&bytes[..], |packet| &bytes[packet.range]);
                self.listen(inner);
            }
            while let Some(event) = self.sessions.poll_event() {
                if let SessionEvent::Established { id, .. } = event {
                    self.sessions.claim(id);
                    self.id = Some(id);
                }
            }
            let mut buffer = [0; 1_200];
            while let Some((_, len)) = self.sessions.poll_transmit(&mut buffer) {
                world.send(&self.address, B, &buffer[..len]);
            }
            world.run(Duration::from_millis(5).min(end - world.now));
        }
    }

    fn listen(&mut self, packet: &[u8]) {
        let Ok(compound) = rtcp::parse(packet) else { return };
        for item in compound {
            let Item::App(app) = item else { continue };
            for statement in app::parse(app.data).into_iter().flatten() {
                match statement {
                    Tlv::Leg { ours, .. } => self.their_leg = ours,
                    Tlv::State(word) => self.word = Some(word),
                    _ => {}
                }
            }
        }
    }

    /// Out of the session.
    pub fn say(&mut self, world: &mut World, packet: &[u8]) {
        let Some(id) = self.id else { return };
        let mut buffer = [0; 2_400];
        buffer[..packet.len()].copy_from_slice(packet);
        assert!(packet.len() + OVERHEAD <= buffer.len());
        if let Some((_, len)) = self.sessions.seal_control(id, &mut buffer, packet.len()) {
            world.send(&self.address, B, &buffer[..len]);
        }
    }
}

fn compound(write: impl FnOnce(&mut rtcp::Writer<'_>) -> Result<(), voicetui::wire::Refused>) -> Vec<u8> {
    let mut out = [0; 512];
    let mut writer = rtcp::Writer::new(&mut out);
    write(&mut writer).expect("room");
    let len = writer.finish();
    out[..len].to_vec()
}

/// A word of the call, with all else that a voicetui can state.
pub fn words(word: CallWord, yours: u32) -> Vec<u8> {
    asks(word, yours, b"\x01\0\0\0\x09\x01")
}

/// The same, and that of measuring.
pub fn asks(word: CallWord, yours: u32, measure: &[u8]) -> Vec<u8> {
    let mut body = [0; 128];
    let mut statements = app::Writer::new(&mut body);
    let all = [
        Tlv::State(word),
        Tlv::Leg { ours: LEG, yours },
        Tlv::Echo(CallWord::Live),
        Tlv::Caps(u32::MAX),
        Tlv::Recording(true),
        Tlv::CaptureDelay(9),
        Tlv::PlayoutDelay(9),
        Tlv::Ping(9),
        Tlv::Pong(9),
        Tlv::Measure(b"talk on"),
        Tlv::Measure(measure),
    ];
    all.into_iter().for_each(|statement| statements.put(statement).expect("room"));
    let len = statements.finish();
    compound(|writer| {
        writer.receiver_report(SSRC, &[])?;
        writer.sdes(SSRC, "rogue", Some("Rogue"))?;
        writer.app(SSRC, app::NAME, &body[..len])
    })
}

/// Reports, requests and goodbyes.
pub fn reports() -> Vec<Vec<u8>> {
    let info = SenderInfo { ntp: 1 << 32, rtp: RtpTime(1), packets: 1, octets: 1 };
    vec![
        compound(|writer| writer.sender_report(SSRC, &info, &[]).and_then(|()| writer.sdes(SSRC, "rogue", Some("Rogue")))),
        compound(|writer| writer.receiver_report(SSRC, &[]).and_then(|()| writer.times(SSRC, 1 << 32, None))),
        compound(|writer| writer.receiver_report(SSRC, &[]).and_then(|()| writer.nack(SSRC, Ssrc(0), &[Seq(0), Seq(1)]))),
        compound(|writer| writer.receiver_report(SSRC, &[]).and_then(|()| writer.app(SSRC, *b"talk", b"on  "))),
        compound(|writer| writer.receiver_report(SSRC, &[]).and_then(|()| writer.bye(SSRC, Some("talk on")))),
    ]
}

/// A packet of each payload type, number `seq` of its stream.
pub fn media(seq: u16) -> Vec<Vec<u8>> {
    let opus = [0x78, 1, 2, 3];
    let block = |offset| red::Block { payload_type: rtp::OPUS_PT, offset, payload: &opus[..] };
    let mut redundant = [0; 64];
    let len = red::pack(&mut redundant, [block(480), block(0)]).expect("two blocks");
    let packet = |(payload_type, payload): (u8, &[u8])| {
        let time = RtpTime(u32::from(seq) * 480);
        let header = rtp::Header { payload_type, marker: seq == 0, seq: Seq(seq), time, ssrc: Ssrc(SSRC.0 + u32::from(payload_type)) };
        [&header.to_bytes()[..], payload].concat()
    };
    let kinds: [(u8, &[u8]); 7] = [
        (rtp::OPUS_PT, &opus),
        (97, &opus),
        (rtp::RED_PT, &redundant[..len]),
        (rtp::RTX_PT, &opus),
        (0, &[0x55; 160]),
        (11, &[1; 882]),
        (72, &opus),
    ];
    kinds.into_iter().map(packet).collect()
}

/// Not of any session: each type of the sealed format, in its own length and in others, and what is of no format at all.
pub fn garbage(seed: u64) -> Vec<Vec<u8>> {
    use rand::RngExt;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = vec![Vec::new(), vec![0; voicetui::units::SEED_BYTES], b"talk on\n".to_vec(), vec![1; 512]];
    for (kind, len) in [(8, 118), (9, 110), (10, 110), (11, 64), (12, 34), (13, 10)] {
        for len in [len, len - 1, 1, 200] {
            let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
            bytes[0] = kind;
            bytes.get_mut(1).into_iter().for_each(|version| *version = 1);
            all.push(bytes);
        }
    }
    all.extend((0..20).map(|n| (0..n * 9).map(|_| rng.random()).collect()));
    all
}

/// What a cookie and a refusal for the handshake that began with `message1` look like.
pub fn cookie_and_refusal(message1: &[u8]) -> [Vec<u8>; 2] {
    let cookie = [&[12, 1][..], &message1[2..18], &[7; 16]].concat();
    let refusal = [&[13, 1][..], &message1[2..6], &[7; 4]].concat();
    [cookie, refusal]
}
