//! What a decoder promises, with other encoders' packets and with bad ones.

use proptest::prelude::*;

use super::*;
use crate::audio::codec::{Encode, OpusEncoder, OpusSettings};

fn voiced(n: usize) -> f32 {
    let t = n as f32 / 48_000.0;
    (1..12).map(|k| (t * 140.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.15
}

/// Opus packets of a voiced sound, `frame_samples` each.
fn packets(frame_samples: usize, count: usize, settings: OpusSettings) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusSettings { frame_samples, ..settings }).expect("an encoder");
    let encode = |block: usize| {
        let frame: Vec<f32> = (0..frame_samples).map(|n| voiced(block * frame_samples + n)).collect();
        let mut out = vec![0; 1_200];
        let len = encoder.encode(&frame, &mut out);
        out.truncate(len);
        out
    };
    (0..count).map(encode).collect()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

#[test]
fn opus_comes_back_as_it_went_in() {
    for frame_samples in [480, 960] {
        let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
        let mut heard = Vec::new();
        let mut out = [0.0; DECODED_MAX];
        for packet in packets(frame_samples, 40, OpusSettings::default()) {
            let len = decoder.decode(&packet, &mut out).expect("a good packet");
            assert_eq!(len, frame_samples);
            heard.extend_from_slice(&out[..len]);
        }
        let settled = &heard[4_800..14_400];
        let best = (250..400)
            .map(|lag| {
                let sent: Vec<f32> = (0..settled.len()).map(|n| voiced(n + 4_800 - lag)).collect();
                let cross: f32 = settled.iter().zip(&sent).map(|(a, b)| a * b).sum();
                cross / (settled.len() as f32 * rms(settled) * rms(&sent))
            })
            .fold(0f32, f32::max);
        assert!(best > 0.85, "correlation {best}");
    }
}

#[test]
fn concealment_fills_any_length_and_goes_on_sounding() {
    let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
    let mut out = [0.0; DECODED_MAX];
    for packet in packets(480, 20, OpusSettings::default()) {
        decoder.decode(&packet, &mut out).expect("a good packet");
    }
    let mut gap = Vec::new();
    for len in [1, 479, 480, 37, 960] {
        decoder.conceal(&mut out[..len]);
        gap.extend_from_slice(&out[..len]);
    }
    assert!(rms(&gap[..960]) > 0.03, "{}", rms(&gap[..960]));
    let step = gap[..960].windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
    assert!(step < 0.2, "{step}");
}

#[test]
fn a_lost_packet_comes_back_out_of_the_next_one() {
    let settings = OpusSettings { bitrate: 32_000, expected_loss_percent: 20, inband_fec: true, ..OpusSettings::default() };
    let packets = packets(960, 30, settings);
    let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
    let mut out = [0.0; DECODED_MAX];
    for packet in &packets[..20] {
        decoder.decode(packet, &mut out).expect("a good packet");
    }
    assert_eq!(decoder.decode_fec(&packets[21], &mut out[..960]), Ok(960));
    assert!(rms(&out[..960]) > 0.05);
    assert_eq!(decoder.decode(&packets[21], &mut out), Ok(960));
    let plain = packets_without_fec();
    assert_eq!(decoder.decode_fec(&plain, &mut out[..960]), Err(CodecError::NoFec));
}

fn packets_without_fec() -> Vec<u8> {
    packets(960, 10, OpusSettings::default()).pop().expect("ten packets")
}

#[test]
fn stereo_opus_is_heard_as_mono() {
    let mut encoder = opus::Encoder::new(48_000, Channels::Stereo, opus::Application::Audio).expect("an encoder");
    encoder.set_bitrate(opus::Bitrate::Bits(96_000)).expect("a bit rate");
    let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
    let (mut packet, mut out) = ([0; 1_200], [0.0; DECODED_MAX]);
    for (block, frame_samples) in [120usize, 240, 480, 960, 1_920, 2_880, 2_880, 2_880].into_iter().enumerate() {
        let frame: Vec<f32> = (0..frame_samples).flat_map(|n| [voiced(block * 2_880 + n), 0.0]).collect();
        let len = encoder.encode_float(&frame, &mut packet).expect("a packet");
        assert_eq!(decoder.decode(&packet[..len], &mut out), Ok(frame_samples));
    }
    assert!(rms(&out[..2_880]) > 0.03);
}

#[test]
fn seed_datagrams_come_to_their_exact_length_at_48_khz() {
    for codec in [Codec::Seed, Codec::L16] {
        let mut decoder = Decoder::new(codec).expect("a decoder");
        let (mut heard, mut out) = (Vec::new(), [0.0; DECODED_MAX]);
        for block in 0..100 {
            let samples = (0..1_024).map(|n| ((block * 1_024 + n) as f32 * 440.0 * std::f32::consts::TAU / 44_100.0).sin());
            let ints = samples.map(|s| (s * 16_384.0) as i16);
            let payload: Vec<u8> = ints.flat_map(|s| if codec == Codec::L16 { s.to_be_bytes() } else { s.to_le_bytes() }).collect();
            let len = decoder.decode(&payload, &mut out).expect("a good payload");
            assert!((1_110..=1_116).contains(&len), "{len}");
            heard.extend_from_slice(&out[..len]);
        }
        assert!((heard.len() as f32 - 102_400.0 * 48_000.0 / 44_100.0).abs() < 5.0);
        assert!((rms(&heard[4_800..]) - 0.3535).abs() < 0.01);
        let step = heard.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step < 0.035, "{step}");
    }
}

#[test]
fn a_pcm_gap_is_bridged_without_a_click() {
    let mut decoder = Decoder::new(Codec::Seed).expect("a decoder");
    let (mut heard, mut out) = (Vec::new(), [0.0; DECODED_MAX]);
    for block in 0..40 {
        let samples = (0..1_024).map(|n| ((block * 1_024 + n) as f32 * 150.0 * std::f32::consts::TAU / 44_100.0).sin());
        let payload: Vec<u8> = samples.flat_map(|s| ((s * 16_384.0) as i16).to_le_bytes()).collect();
        let len = if block % 7 == 5 {
            decoder.conceal(&mut out[..1_115]);
            1_115
        } else {
            decoder.decode(&payload, &mut out).expect("a good payload")
        };
        heard.extend_from_slice(&out[..len]);
    }
    let step = heard[100..].windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
    assert!(step < 0.06, "{step}");
}

#[test]
fn mu_law_has_its_known_values() {
    // G.711, table 2a: full scale is 32,124 of 32,768 in 16-bit terms; 0xff and 0x7f are zero.
    for (byte, value) in [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xf0, 120), (0x70, -120)] {
        assert_eq!((from_mu_law(byte) * 32_768.0) as i32, value, "{byte:#x}");
    }
    let mut decoder = Decoder::new(Codec::Pcmu).expect("a decoder");
    let mut out = [0.0; DECODED_MAX];
    let len = decoder.decode(&[0x80; 160], &mut out).expect("20 ms");
    assert!((940..=960).contains(&len), "{len}");
    assert!((out[len - 100] - 0.98).abs() < 0.02);
}

#[test]
fn too_little_room_is_an_error_and_no_panic() {
    for codec in [Codec::Opus, Codec::L16, Codec::Pcmu, Codec::Seed] {
        let mut decoder = Decoder::new(codec).expect("a decoder");
        let payload = [31 << 3; 2_048];
        for room in [0, 1, 119, 479] {
            let payload = if codec == Codec::Opus { &payload[..100] } else { &payload[..1_600] };
            assert_eq!(decoder.decode(payload, &mut vec![0.0; room]), Err(CodecError::NoRoom));
        }
        assert_eq!(decoder.decode(&[], &mut [0.0; 480]), Err(CodecError::Malformed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_payload_panics_and_what_is_decoded_is_finite(
        codec in prop::sample::select(vec![Codec::Opus, Codec::L16, Codec::Pcmu, Codec::Seed]),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..12),
        gap in 0usize..3_000,
    ) {
        let mut decoder = Decoder::new(codec).expect("a decoder");
        let mut out = vec![0.0; DECODED_MAX];
        for payload in payloads {
            let promised = codec.ticks(&payload);
            if let Ok(len) = decoder.decode(&payload, &mut out) {
                prop_assert!(promised.is_some());
                prop_assert!(codec != Codec::Opus || promised == Some(len as u32));
                prop_assert!(out[..len].iter().all(|s| s.abs() <= LOUDEST));
            }
            let _ = decoder.decode_fec(&payload, &mut out[..480]);
            decoder.conceal(&mut out[..gap]);
            prop_assert!(out[..gap].iter().all(|s| s.abs() <= LOUDEST));
        }
        decoder.switch(Codec::Seed);
        decoder.switch(Codec::Opus);
    }
}
