//! The private flow: for each frame's time one datagram of one length, whether anybody talks or not.
//!
//! What leaves off air is filler, which no sound has ever touched. The pre-roll of a spurt takes the places of the first
//! datagrams' copies: it is out within three frames (that of voice activation within
//! ten), and nobody on the way sees a burst.

use std::net::SocketAddr;

use super::spurt::PREROLL_VOICE_FRAMES;
use super::voice::{Speak, Voice};
use super::{Slot, count, pack, planned};
use crate::units::{MAX_DATAGRAM, MAX_PEERS, PeerId};
use crate::wire::parcel::Parcel;
use crate::wire::rtp;

/// Packets that wait for their time, at most: a pre-roll, and the frame with it.
const WAITING: usize = PREROLL_VOICE_FRAMES + 1;

/// What waits for one peer's next datagrams.
#[derive(Debug, Default)]
pub(super) struct Steady {
    /// Microphone time of each packet's first sample, the oldest first.
    waiting: [u64; WAITING],
    len: usize,
    /// Frames since the last datagram.
    frames: u32,
}

impl Steady {
    /// A packet is complete; if too many wait, the oldest is given up.
    pub(super) fn push(&mut self, at: u64) {
        if self.len == WAITING {
            self.pop();
        }
        self.waiting[self.len] = at;
        self.len += 1;
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    fn first(&self) -> Option<u64> {
        self.waiting[..self.len].first().copied()
    }

    fn pop(&mut self) {
        self.waiting.copy_within(1.., 0);
        self.len = self.len.saturating_sub(1);
    }

    /// Ten milliseconds have passed; true once for each packet of that length.
    fn is_due(&mut self, frame_ms: u32) -> bool {
        self.frames += 1;
        let due = self.frames * 10 >= frame_ms;
        if due {
            self.frames = 0;
        }
        due
    }
}

/// What is due to every peer whose flow is private.
pub(super) fn send<E: Speak>(slots: &mut [Slot; MAX_PEERS], voice: &Voice<E>, send: &mut impl FnMut(PeerId, SocketAddr, &[u8])) {
    for (id, slot) in planned(slots) {
        let Some(plan) = slot.plan.as_ref().filter(|plan| plan.steady_bytes > 0) else { continue };
        if !slot.steady.is_due(plan.frame_ms) {
            continue;
        }
        let mut datagram = [0; MAX_DATAGRAM];
        let bytes = plan.steady_bytes.min(MAX_DATAGRAM - plan.seal.overhead());
        fill(slot, voice, &mut Parcel::new(&mut datagram[..bytes]));
        let Slot { plan: Some(plan), counts, .. } = slot else { continue };
        let Some(sealed) = plan.seal.seal(&mut datagram, bytes) else { continue };
        counts.total_bytes += sealed as u64;
        send(id, plan.address, &datagram[..sealed]);
    }
}

/// Puts in what waits, as far as there is room; the last one with copies of those before it.
fn fill<E: Speak>(slot: &mut Slot, voice: &Voice<E>, parcel: &mut Parcel<'_>) {
    let Slot { plan: Some(plan), seq, time_zero, counts, in_spurt, steady, .. } = slot else { return };
    while let Some(at) = steady.first() {
        let Some(encoded) = voice.spoken_at(at) else {
            steady.pop();
            continue;
        };
        let mut packet = [0; MAX_DATAGRAM];
        let room = rtp::HEADER_BYTES.max(parcel.room().min(MAX_DATAGRAM));
        let body = &mut packet[rtp::HEADER_BYTES..room];
        let is_alone = parcel.is_empty() && voice.back(0).is_some_and(|newest| newest.at == at);
        let payload = encoded.payload();
        let packed = if is_alone {
            pack(voice, plan, body)
        } else {
            body.get_mut(..payload.len()).map(|body| body.copy_from_slice(payload)).map(|()| (plan.payload_type, payload.len()))
        };
        let Some((payload_type, len)) = packed else {
            if parcel.is_empty() {
                // It fits no datagram of this flow at all.
                steady.pop();
                continue;
            }
            return;
        };
        let time = time_zero.plus(at as u32);
        rtp::Header { payload_type, marker: !*in_spurt, seq: *seq, time, ssrc: plan.ssrc }.write(&mut packet);
        if parcel.put(&packet[..rtp::HEADER_BYTES + len]).is_err() {
            return;
        }
        steady.pop();
        *seq = seq.next();
        *in_spurt = true;
        count(counts, len, 0);
        counts.last = Some((time, encoded.captured));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::Uplink;
    use crate::call::config::UplinkConfig;
    use crate::call::plan::{PRIVATE_COPIES, SendPlan, steady_bytes};
    use crate::session::Seal;
    use crate::units::{FRAME_DURATION, FRAME_SAMPLES, Format, PeerId, Ssrc};
    use crate::wire::{parcel, red, rtp};

    struct Mic {
        uplink: Uplink,
        now: Instant,
        sent: Vec<Vec<u8>>,
    }

    impl Mic {
        fn new(bitrate: u32, frame_ms: u32) -> Self {
            let mut uplink = Uplink::new(UplinkConfig { bitrate, frame_ms }, StdRng::seed_from_u64(1)).expect("an uplink");
            let plan = SendPlan {
                address: ([10, 0, 0, 1], 5005).into(),
                format: Format::Sealed,
                ssrc: Ssrc(9),
                payload_type: rtp::OPUS_PT,
                redundancy: PRIVATE_COPIES,
                reach: PRIVATE_COPIES,
                bitrate,
                frame_ms,
                expected_loss_percent: 0,
                // So that the test can look inside.
                seal: Seal::Clear,
                steady_bytes: steady_bytes(bitrate, frame_ms),
                from_next_spurt: false,
            };
            uplink.handle_plan(PeerId::new(0).expect("a slot"), Some(plan));
            Self { uplink, now: Instant::now(), sent: Vec::new() }
        }

        /// What each of the frames sends.
        fn say(&mut self, frames: usize, on_air: bool) -> Vec<usize> {
            let say = |n: usize| {
                self.now += FRAME_DURATION;
                let frame = std::array::from_fn(|i| ((n * FRAME_SAMPLES + i) as f32 * 0.03).sin() * 0.3);
                let before = self.sent.len();
                self.uplink.handle_frame(&frame, self.now, on_air, &mut |_, _, bytes| self.sent.push(bytes.to_vec()));
                self.sent.len() - before
            };
            (0..frames).map(say).collect()
        }
    }

    #[test]
    fn talking_and_pausing_look_the_same_and_filler_is_empty() {
        for (bitrate, frame_ms) in [(48_000, 10), (48_000, 20), (6_000, 20), (128_000, 10), (510_000, 20)] {
            let mut mic = Mic::new(bitrate, frame_ms);
            let each = frame_ms as usize / 10;
            for on_air in [false, true, false, true] {
                let sent = mic.say(40, on_air);
                assert!(sent.chunks(each).all(|frames| frames.iter().sum::<usize>() == 1), "{bitrate}, {frame_ms}: {sent:?}");
            }
            let bytes = steady_bytes(bitrate, frame_ms);
            assert!(mic.sent.iter().all(|datagram| datagram.len() == bytes), "{bitrate}, {frame_ms}");
            let filler = &mic.sent[..40 / each];
            assert!(filler.iter().all(|datagram| datagram[0] == parcel::PARCEL && datagram[1..].iter().all(|byte| *byte == 0)));
            let voiced = mic.sent.iter().filter(|datagram| parcel::packets(datagram).count() > 0).count();
            assert!((80 / each..=86 / each + 1).contains(&voiced), "{bitrate}, {frame_ms}: {voiced}");
        }
    }

    #[test]
    fn the_preroll_is_out_within_three_frames_and_copies_follow() {
        let mut mic = Mic::new(48_000, 10);
        mic.say(20, false);
        mic.say(10, true);
        let spurt: Vec<Vec<rtp::Packet<'_>>> = mic.sent[20..]
            .iter()
            .map(|datagram| parcel::packets(datagram).map(|packet| rtp::Packet::parse(packet).expect("RTP")).collect())
            .collect();
        assert_eq!(spurt.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1, 1, 1, 1, 1, 1, 1]);
        let headers: Vec<rtp::Header> = spurt.iter().flatten().map(|packet| packet.header).collect();
        assert!(headers.windows(2).all(|pair| pair[1].seq == pair[0].seq.next() && pair[1].time.since(pair[0].time) == 480));
        assert!(headers[0].marker && headers[1..].iter().all(|header| !header.marker));
        let offsets = |packet: &rtp::Packet<'_>| red::unpack(packet.payload).map(|blocks| blocks.map(|block| block.offset).collect());
        assert!(spurt[3..].iter().all(|packets| offsets(&packets[0]) == Ok(vec![960, 480, 0])));
        let counts = mic.uplink.counts(PeerId::new(0).expect("a slot"));
        assert_eq!((counts.total_packets, counts.total_bytes), (16, 30 * steady_bytes(48_000, 10) as u64));
    }

    #[test]
    fn the_long_preroll_of_voice_activation_is_out_within_ten_frames_and_whole() {
        let mut mic = Mic::new(48_000, 10);
        mic.say(30, false);
        mic.uplink.set_begun_by_voice(true);
        mic.say(20, true);
        let spurt: Vec<Vec<rtp::Packet<'_>>> = mic.sent[30..]
            .iter()
            .map(|datagram| parcel::packets(datagram).map(|packet| rtp::Packet::parse(packet).expect("RTP")).collect())
            .collect();
        let counts: Vec<usize> = spurt.iter().map(Vec::len).collect();
        assert_eq!((&counts[..10], &counts[10..]), (&[3; 10][..], &[1; 10][..]));
        let headers: Vec<rtp::Header> = spurt.iter().flatten().map(|packet| packet.header).collect();
        assert!(headers.windows(2).all(|pair| pair[1].seq == pair[0].seq.next() && pair[1].time.since(pair[0].time) == 480));
    }
}
