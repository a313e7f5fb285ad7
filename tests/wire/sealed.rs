//! The sealed format against another implementation of Noise (see `vectors/sealed.py`).

use std::collections::HashMap;

use voicetui::session::Identity;
use voicetui::session::handshake::{Fresh, Initiator, Lineage, Local, Outcome, Responder};
use voicetui::session::keys::{Class, OVERHEAD, OpeningKey, SealingKey};
use zeroize::Zeroizing;

fn vectors() -> HashMap<&'static str, Vec<u8>> {
    let hex = |text: &str| (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect();
    let lines = include_str!("vectors/sealed.txt").lines().map(|line| line.split_once(' ').expect("a name and its bytes"));
    lines.map(|(name, bytes)| (name, hex(bytes))).collect()
}

fn local(secret: u8) -> Local {
    Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::new([0x55; 32]) }
}

fn fresh(ephemeral: u8, index: u32) -> Fresh {
    Fresh { ephemeral: Zeroizing::new([ephemeral; 32]), r: Zeroizing::new(std::array::from_fn(|n| n as u8 + 100)), index }
}

#[test]
fn our_handshake_and_packets_are_those_of_another_implementation() {
    let want = vectors();
    let (a, b) = (local(1), local(2));
    let mut initiator = Initiator::new(&a, fresh(3, 0x0102_0304));
    assert_eq!(initiator.message1()[..], want["message1"]);
    let mut responder = Responder::new(&b, fresh(4, 0xa1b2_c3d4), initiator.message1()).expect("message 1");
    assert_eq!(responder.message2()[..], want["message2"]);
    let continues = Lineage(0x1122_3344_5566_7788);
    let (ours, message3) = initiator.handle_message2(&a, responder.message2(), |_| Some(continues)).expect("message 2");
    assert_eq!(message3[..], want["message3"]);
    let theirs = responder.handle_message3(&b, &message3).expect("message 3");
    for outcome in [&ours, &theirs] {
        assert_eq!(outcome.sas.to_be_bytes()[..], want["words"]);
    }
    assert_eq!(theirs.continues, continues);
    packets(&want, "initiator", &ours, 0xa1b2_c3d4, &theirs);
    packets(&want, "responder", &theirs, 0x0102_0304, &ours);
}

fn packets(want: &HashMap<&str, Vec<u8>>, who: &str, from: &Outcome, index: u32, to: &Outcome) {
    let (sealing, mut opening) = (SealingKey::new(&from.sending, from.peer_index), OpeningKey::new(&to.receiving, index));
    for (class, name, number) in [(Class::Media, "media", 0), (Class::Media, "media", 1), (Class::Control, "control", 0)] {
        let packet = [b"\x80packet of ", name.as_bytes()].concat();
        let mut datagram = [&packet[..], &[0; OVERHEAD]].concat();
        assert_eq!(sealing.seal(class, &mut datagram, packet.len()), Some(packet.len() + OVERHEAD));
        let theirs = &want[format!("{who}-{name}-{number}").as_str()];
        assert_eq!(&datagram, theirs, "{who}, {name} {number}");
        let opened = opening.open(&mut datagram).expect("the other half of the key");
        assert_eq!((opened.class, &datagram[opened.packet]), (class, &packet[..]));
    }
}
